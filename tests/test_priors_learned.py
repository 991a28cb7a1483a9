"""Priors that are learned: their densities, their samples, and the rate of a VAE under them."""

import pytest
import torch
from torch import Tensor
from torch.distributions import Categorical, Independent, MixtureSameFamily, Normal

from ganvas.core.batch import Batch
from ganvas.data import DataInfo
from ganvas.errors import GanvasError
from ganvas.machine import rng
from ganvas.models.vae import VAE, divergence
from ganvas.networks import Encoder, Mlp
from ganvas.probability import priors
from ganvas.probability.distributions import DiagonalNormal
from ganvas.probability.priors import Mixture, NormalMixture, VampPrior
from ganvas.recipes.likelihood import mixture_vae, vamp_vae
from ganvas.training.gradients import gradient
from ganvas.training.recipe import build
from ganvas.training.trainer import Trainer


def mixture() -> NormalMixture:
    return NormalMixture(
        torch.randn(4).double(), DiagonalNormal(torch.randn(4, 3).double(), torch.randn(4, 3).double())
    )


def as_torch(p: NormalMixture) -> MixtureSameFamily:
    parts = Independent(Normal(p.components.mean, p.components.stddev), 1)
    return MixtureSameFamily(Categorical(logits=p.log_weights), parts)


def test_a_mixtures_density_and_moments_are_torchs() -> None:
    p = mixture()
    expected = as_torch(p)
    z = torch.randn(5, 7, 3).double()
    torch.testing.assert_close(p.log_prob(z), expected.log_prob(z))
    torch.testing.assert_close(p.mean, expected.mean)
    torch.testing.assert_close(p.variance, expected.variance)
    assert p.log_prob(z).shape == (5, 7)


def test_a_mixtures_samples_have_its_moments_and_shapes() -> None:
    p = mixture()
    z = p.sample((200_000,))
    torch.testing.assert_close(z.mean(0), p.mean, atol=0.03, rtol=0)
    torch.testing.assert_close(z.var(0), p.variance, rtol=0.03, atol=0)
    assert p.sample((2, 5)).shape == (2, 5, 3)


def test_a_processes_share_of_samples_is_its_rows_of_everybodys() -> None:
    p = mixture()
    with rng.seeded(5):
        alone = p.sample((6,))
    parts = []
    for rank in range(2):
        with rng.seeded(5), rng.share(rank, 2):
            parts.append(p.sample((3,)))
    torch.testing.assert_close(torch.cat(parts), alone)


def test_the_vamp_prior_is_the_mixture_of_the_encoders_posteriors() -> None:
    encoder = Encoder(Mlp(width=8).analysis((1, 4, 4)), 3)
    start = torch.rand(5, 1, 4, 4) * 1.8 - 0.9
    z = torch.randn(6, 3)
    q = encoder(start)
    expected = torch.stack([DiagonalNormal(q.loc[k : k + 1], q.log_variance[k : k + 1]).log_prob(z) for k in range(5)])
    torch.testing.assert_close(VampPrior(encoder, start, bounded=False)().log_prob(z), expected.exp().mean(0).log())


def test_pseudo_inputs_of_images_stay_in_range_and_those_of_points_are_free() -> None:
    seen: list[Tensor] = []

    class Watched(Encoder):
        def forward(self, x: Tensor, y: Tensor | None = None) -> DiagonalNormal:
            seen.append(x)
            return super().forward(x, y)

    images = VampPrior(Watched(Mlp(width=8).analysis((1, 4, 4)), 3), torch.full((2, 1, 4, 4), 7.0), bounded=True)
    with torch.no_grad():
        images.pseudo_inputs.add_(100)
    images()
    points = VampPrior(Watched(Mlp(width=8).analysis((2,)), 3), torch.full((2, 2), 7.0), bounded=False)
    points()
    assert float(seen[0].detach().max()) <= 1.0
    assert float(seen[1].detach().min()) == 7.0


def test_the_rate_under_a_mixture_of_one_is_the_closed_form_in_expectation() -> None:
    q = DiagonalNormal(torch.randn(1, 3).double().expand(100_000, 3), torch.full((100_000, 3), -1.0).double())
    one = Mixture(3, 1).double()
    p = DiagonalNormal(one.loc[0], one.log_variance[0], event_dim=1)
    estimate = divergence(q, one(), q.rsample()).mean()
    exact = divergence(q, p, q.rsample())
    assert float(exact.detach().std()) < 1e-9  # this one is in closed form: no noise
    assert float(estimate.detach()) == pytest.approx(float(exact[0].detach()), rel=0.01)


def trained(name, arguments: dict[str, object]) -> Trainer:
    info = DataInfo(shape=(2,), num_train=512)
    with rng.seeded("build"):
        recipe = build(name, info, {"width": 32, "latent": 2, "warmup": 0, **arguments})
    trainer = Trainer(recipe.model, recipe.optimizers)
    g = rng.generator("data")
    for _ in range(1_200):
        side = torch.randint(2, (128, 1), generator=g) * 2.0 - 1
        trainer.step(Batch(side.expand(-1, 2) + 0.1 * torch.randn(128, 2, generator=g)))
    return trainer


@pytest.mark.trains
@pytest.mark.parametrize("recipe", [mixture_vae, vamp_vae])
def test_a_learned_prior_follows_the_codes(recipe) -> None:
    trainer = trained(recipe, {"components": 8})
    assert trainer.verdicts.skipped_steps == 0
    model = trainer.model.eval()
    assert isinstance(model, VAE)
    with torch.no_grad():
        x = model.sample(2_000)
    near = (x.abs() - 1).abs().amax(1) < 0.3
    assert float((near & (x[:, 0] * x[:, 1] > 0)).double().mean()) > 0.8
    assert 0.3 < float((x[:, 0] > 0).double().mean()) < 0.7


def test_the_vamp_priors_player_moves_the_shared_encoder_once() -> None:
    made = build(vamp_vae, DataInfo(shape=(1, 8, 8), num_train=64), {"width": 8, "latent": 4, "components": 3}).model
    (player,) = made.players()
    parameters = player.parameters()
    assert len({id(p) for p in parameters}) == len(parameters)
    r = made(Batch(torch.rand(4, 1, 8, 8) * 2 - 1))
    assert all(g is not None for g in gradient(player.loss(r), parameters))


def test_a_mixture_of_nothing_is_refused() -> None:
    for recipe in (mixture_vae, vamp_vae):
        with pytest.raises(GanvasError, match="0 components"):
            build(recipe, DataInfo(shape=(2,)), {"components": 0})


def test_the_usual_prior_keeps_its_closed_form() -> None:
    q = DiagonalNormal(torch.randn(4, 3), torch.randn(4, 3))
    torch.testing.assert_close(
        divergence(q, priors.Normal(3)(), q.rsample()),
        0.5 * (q.variance + q.mean.square() - 1 - q.log_variance).sum(1),
    )

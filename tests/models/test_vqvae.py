import math

import pytest
import torch
from torch import Tensor, nn
from torch.distributions import kl_divergence

from ganvas.core.batch import Batch
from ganvas.data import DataInfo
from ganvas.errors import GanvasError
from ganvas.machine import rng
from ganvas.metrics.likelihood import negative_elbo, negative_log_likelihood
from ganvas.models.code_prior import CodeGrid, CodePrior
from ganvas.models.vqvae import VQVAE
from ganvas.networks import Dcgan, Decoder, GridEncoder
from ganvas.nn.quantize import EMAQuantizer, GradientQuantizer
from ganvas.probability.distributions import Certain
from ganvas.probability.likelihoods import Gaussian
from ganvas.recipes.quantized import vq_vae
from ganvas.training.recipe import build
from ganvas.training.trainer import Trainer

BODY = Dcgan(width=8)
SHAPE, GRID = (1, 8, 8), (3, 4, 4)


def model(quantizer: type[EMAQuantizer] | type[GradientQuantizer] = GradientQuantizer) -> VQVAE:
    decoder = Decoder(BODY.synthesis(GRID, SHAPE), Gaussian(0.5))
    return VQVAE(GridEncoder(BODY.analysis(SHAPE), GRID), quantizer(7, 3, revive_below=0.0), decoder, GRID[1:], 0.4)


def batch(num: int = 6) -> Batch:
    return Batch(torch.rand(num, *SHAPE) * 2 - 1)


def settled(m: VQVAE) -> VQVAE:
    """Its codebook started by k-means, so that a round changes nothing that the next is computed with."""
    m(batch())
    return m


def test_losses_are_those_of_the_paper() -> None:
    m, b = settled(model()), batch()
    z_e = m.encoder(b.x)
    flat = z_e.movedim(1, -1).reshape(-1, 3)
    e = m.quantizer.codebook[torch.cdist(flat, m.quantizer.codebook).argmin(1)]
    squared = (flat - e).square().reshape(6, -1).sum(1).mean()
    z = e.reshape(6, 4, 4, 3).movedim(-1, 1)
    terms = m.loss(m(b))
    torch.testing.assert_close(terms["commitment"], 0.4 * squared)
    torch.testing.assert_close(terms["codebook"], squared)
    torch.testing.assert_close(terms["distortion"], -m.decoder(z).log_prob(b.x).mean())


def slope(term: Tensor, parameter: Tensor) -> Tensor:
    (g,) = torch.autograd.grad(term, parameter, allow_unused=True, retain_graph=True)
    return torch.zeros_like(parameter) if g is None else g


def test_stop_gradients() -> None:
    m, b = settled(model()), batch()
    terms = m.loss(m(b))
    codebook, encoder, decoder = m.quantizer.codebook, m.encoder.projection.weight, m.decoder.synthesis.output.weight
    assert (slope(terms["commitment"], codebook) == 0).all(), "sg[e]: the commitment moves no entry"
    assert (slope(terms["commitment"], encoder) != 0).any()
    assert (slope(terms["codebook"], encoder) == 0).all(), "sg[z_e]: the entries move, not the encoder"
    assert (slope(terms["codebook"], codebook) != 0).any()
    assert (slope(terms["distortion"], codebook) == 0).all(), "straight through: no entry moves by reconstruction"
    assert (slope(terms["distortion"], encoder) != 0).any()
    assert (slope(terms["commitment"] + terms["codebook"], decoder) == 0).all()


def test_the_decoders_gradient_reaches_the_encoder_unchanged() -> None:
    m, b = settled(model()), batch()
    r = m(b)
    z = r.quantized.z.detach().requires_grad_()
    (at_decoder,) = torch.autograd.grad(-m.decoder(z).log_prob(b.x).mean(), z)
    z_e = m.encoder(b.x)
    expected = torch.autograd.grad(z_e, m.encoder.projection.weight, at_decoder)[0]
    torch.testing.assert_close(slope(m.loss(r)["distortion"], m.encoder.projection.weight), expected)


def test_a_codebook_that_follows_has_no_term() -> None:
    m = settled(model(EMAQuantizer))
    assert set(m.loss(m(batch()))) == {"distortion", "commitment"}


def test_reconstruction_goes_through_entries() -> None:
    m = settled(model()).eval()
    b = batch()
    z = m.encode(b.x).mean
    entries = m.quantizer.codebook
    offsets = (
        z.movedim(1, -1).reshape(-1, 1, 3) - entries
    )  # torch.cdist takes differences of squares, which cancel badly
    assert offsets.abs().amax(2).amin(1).max() < 1e-6
    torch.testing.assert_close(m.reconstruct(b.x), m.decoder(z).mean)
    torch.testing.assert_close(m.decode(z + 1e-4).mean, m.decoder(z).mean)  # codes are rounded to entries


class Book(nn.Module):
    """Two entries on a line."""

    num_codes, code_size = 2, 1

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("codebook", torch.tensor([[-1.0], [1.0]]))

    codes = EMAQuantizer.codes


def test_the_prior_follows_the_shares_of_each_position() -> None:
    prior = CodePrior(Book(), (1, 2), decay=0.9)
    assert torch.equal(prior.shares, torch.full((1, 2, 2), 0.5))
    indices = torch.tensor([[[0, 1]], [[0, 1]], [[0, 0]], [[0, 1]]])  # left: always 0; right: 1 in three of four
    prior.follow(indices)
    torch.testing.assert_close(prior.shares[0, 0], torch.tensor([0.55, 0.45]))
    torch.testing.assert_close(prior.shares[0, 1], torch.tensor([0.9 * 0.5 + 0.025, 0.9 * 0.5 + 0.075]))
    for _ in range(200):
        prior.follow(indices)
    torch.testing.assert_close(prior.shares[0], torch.tensor([[1.0, 0.0], [0.25, 0.75]]), atol=1e-5, rtol=0)


def test_the_prior_draws_by_its_shares_and_knows_their_probability() -> None:
    p = CodeGrid(Book(), torch.tensor([[[0.2, 0.8], [0.5, 0.5]]]))
    with rng.seeded(0):
        z = p.sample((50_000,))
    assert z.shape == (50_000, 1, 1, 2)
    torch.testing.assert_close((z == 1).float().mean((0, 1, 2)), torch.tensor([0.8, 0.5]), atol=0.01, rtol=0)
    torch.testing.assert_close(p.mean, z.mean(0), atol=0.02, rtol=0)
    torch.testing.assert_close(p.variance, z.var(0), atol=0.02, rtol=0)
    every = torch.tensor([[-1.0, -1.0], [-1.0, 1.0], [1.0, -1.0], [1.0, 1.0]]).reshape(4, 1, 1, 2)
    torch.testing.assert_close(p.log_prob(every).exp(), torch.tensor([0.1, 0.1, 0.4, 0.4]))
    torch.testing.assert_close(p.log_prob(every[None]).exp().sum(), torch.tensor(1.0))
    torch.testing.assert_close(kl_divergence(Certain(every), p), -p.log_prob(every))


def test_an_entry_that_was_never_seen_at_its_place_is_unlikely_and_not_impossible() -> None:
    p = CodeGrid(Book(), torch.tensor([[[1.0, 0.0]]]))
    assert -17 < float(p.log_prob(torch.ones(1, 1, 1, 1))) < -15


def test_the_bound_is_distortion_plus_the_codes_cost() -> None:
    m = settled(model()).eval()
    b = batch()
    bound = negative_elbo(m, b.x)
    z = m.encode(b.x).mean
    torch.testing.assert_close(bound.distortion.float(), -m.decoder(z).log_prob(b.x))
    torch.testing.assert_close(bound.rate.float(), -m.prior().log_prob(z))
    uniform = 16 * math.log(7)
    assert float(-CodeGrid(m.quantizer, torch.full((4, 4, 7), 1 / 7)).log_prob(z)[0]) == pytest.approx(
        uniform, rel=1e-4
    )
    nll = negative_log_likelihood(m, b.x, samples=3)
    torch.testing.assert_close(nll.float(), (bound.distortion + bound.rate).float())


def test_the_prior_learns_in_training_and_at_no_other_time() -> None:
    m = settled(model())
    before = m.prior.shares.clone()
    r = m(batch())
    assert torch.equal(before, m.prior.shares)
    m.follow({"autoencoder": r})
    assert not torch.equal(before, m.prior.shares)


@pytest.mark.trains
def test_it_learns_to_reconstruct_two_pictures() -> None:
    x = torch.ones(2, *SHAPE)
    x[0, :, :4] = -1
    x[1, :, :, :4] = -1
    with rng.seeded("vq"):
        recipe = build(
            vq_vae, DataInfo(shape=SHAPE, num_train=2), {"width": 8, "codes": 8, "code_size": 4, "learning_rate": 5e-3}
        )
    trainer = Trainer(recipe.model, recipe.optimizers)
    for _ in range(120):
        trainer.step(Batch(x.repeat(8, 1, 1, 1)))
    trainer.model.eval()
    with torch.no_grad():
        assert float((trainer.model.reconstruct(x) - x).square().mean()) < 0.1


def test_points_and_empty_codebooks_are_refused() -> None:
    with pytest.raises(GanvasError, match="for images"):
        build(vq_vae, DataInfo(shape=(2,), num_train=2), {})
    with pytest.raises(GanvasError, match="`codes`"):
        build(vq_vae, DataInfo(shape=SHAPE, num_train=2), {"codes": 0})


@pytest.mark.parametrize("network", ["mlp", "dcgan", "resnet"])
def test_any_network_will_do(network: str) -> None:
    info = DataInfo(shape=(3, 16, 16), num_train=2)
    recipe = build(vq_vae, info, {"network": network, "width": 8, "likelihood": "gaussian"})
    x = torch.rand(3, 3, 16, 16) * 2 - 1
    assert recipe.model.eval().reconstruct(x).shape == x.shape

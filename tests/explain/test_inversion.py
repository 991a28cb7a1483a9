"""Codes found by search, where the answer is known."""

import pytest
import torch
from torch import Tensor, nn

from ganvas.data import DataInfo
from ganvas.errors import GanvasError
from ganvas.models.gan import GAN
from ganvas.probability.priors import Normal
from ganvas.recipes.conditional import cgan
from ganvas.training.recipe import build
from ganvas.use.inversion import Search


class Linear(nn.Linear):
    def forward(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        return super().forward(z)


class TwoValleys(nn.Module):
    """G(z) = (z² − 4)² + ½ z: from z < 0 the search ends in another valley than from z > 0."""

    def forward(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        return (z.square() - 4).square() + 0.5 * z


def model(generator: nn.Module, latent: int) -> GAN:
    return GAN(generator, Linear(latent, 1), Normal(latent))


@pytest.fixture
def linear() -> GAN:
    return model(Linear(3, 5), 3)


def test_what_a_model_made_is_found_again(linear: GAN) -> None:
    z = torch.randn(6, 3)
    x = linear.generate(z).detach()
    found = Search(steps=400, starts=1)(linear, x)
    torch.testing.assert_close(found.codes, z, atol=2e-2, rtol=0)
    torch.testing.assert_close(found.reconstructions, x, atol=1e-2, rtol=0)
    assert float(found.errors.max()) < 1e-4


def test_what_no_code_makes_is_projected_onto_what_some_code_makes(linear: GAN) -> None:
    x = torch.randn(4, 5)
    found = Search(steps=500, starts=1)(linear, x)
    w, b = linear.generator.weight.detach(), linear.generator.bias.detach()
    nearest = (x - b) @ torch.linalg.pinv(w).T @ w.T + b
    torch.testing.assert_close(found.errors, (nearest - x).square().mean(1), atol=1e-3, rtol=1e-2)


def test_the_best_of_several_starts_counts() -> None:
    valleys = model(TwoValleys(), 1)
    x = torch.full((8, 1), -1.0)  # the left valley's floor, which the right one lies above
    one, many = Search(steps=200, starts=1)(valleys, x), Search(steps=200, starts=12)(valleys, x)
    assert float(one.errors.max()) > 1.0 > 100 * float(many.errors.max())
    assert bool((many.codes < 0).all())


def test_features_weigh_in() -> None:
    plain = model(nn.Identity(), 2)
    plain.generate = lambda z, y=None: z  # type: ignore[method-assign]
    x = torch.tensor([[1.0, 3.0]])
    calls: list[Tensor] = []

    def shifted(z: Tensor) -> Tensor:
        calls.append(z)
        return z[:, 1:] + (2.0 if len(calls) == 1 else 0.0)  # what is wanted lies 2 above what x has

    found = Search(steps=400, starts=1, features=shifted, feature_weight=1.0)(plain, x)
    # min over z₂ of ½ (3 − z₂)² + (5 − z₂)²: z₂ = 13/3
    torch.testing.assert_close(found.codes, torch.tensor([[1.0, 13 / 3]]), atol=2e-2, rtol=0)
    torch.testing.assert_close(found.errors, torch.tensor([0.5 * (4 / 3) ** 2]), atol=2e-2, rtol=0)


def test_examples_do_not_know_of_each_other_and_portions_change_nothing(linear: GAN) -> None:
    x = torch.randn(5, 5)
    whole = Search(steps=400, starts=2)(linear, x)
    portions = Search(steps=400, starts=2, batch_size=4)(linear, x)
    torch.testing.assert_close(whole.codes, portions.codes, atol=3e-2, rtol=0)


def test_it_is_seeded_and_leaves_the_model_as_it_was(linear: GAN) -> None:
    linear.train()
    linear.critic.requires_grad_(False)
    x = torch.randn(3, 5)
    state = torch.random.get_rng_state()
    search = Search(steps=5, starts=2)
    with torch.no_grad():
        assert torch.equal(search(linear, x, seed=1).codes, search(linear, x, seed=1).codes)
    assert not torch.equal(search(linear, x, seed=1).codes, search(linear, x, seed=2).codes)
    assert linear.training and torch.equal(state, torch.random.get_rng_state())
    assert [p.requires_grad for p in linear.parameters()] == [True, True, False, False]


def test_a_conditional_model_is_searched_in_each_examples_class() -> None:
    made = build(cgan, DataInfo(shape=(2,), classes=("a", "b")), {"width": 16, "latent": 2}).model.eval()
    y = torch.tensor([0, 1, 0])
    x = made.generate(torch.randn(3, 2), y).detach()
    found = Search(steps=200, starts=6)(made, x, y)
    torch.testing.assert_close(found.reconstructions, made.generate(found.codes, y).detach())
    assert float(found.errors.max()) < 1e-3


def test_what_cannot_be_searched_for_is_refused(linear: GAN) -> None:
    with pytest.raises(GanvasError, match="starts 0"):
        Search(starts=0)
    with pytest.raises(GanvasError, match="learning rate"):
        Search(learning_rate=0.0)
    with pytest.raises(GanvasError, match="shape"):
        Search(steps=1)(linear, torch.zeros(2, 7))
    with pytest.raises(GanvasError, match="NaN or infinity"):
        Search(steps=1)(linear, torch.full((2, 5), float("nan")))

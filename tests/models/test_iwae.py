"""The importance weighted bound and its three gradients, on a linear model whose log p(x) is known. In float64."""

import math

import pytest
import torch
from torch import Tensor, nn

from ganvas.core.batch import Batch
from ganvas.data import DataInfo
from ganvas.errors import GanvasError
from ganvas.machine import rng
from ganvas.models.iwae import IWAE, doubly_reparameterised, reparameterised, sticking_the_landing
from ganvas.models.vae import VAE
from ganvas.probability import priors
from ganvas.probability.distributions import DiagonalNormal
from ganvas.recipes.likelihood import iwae
from ganvas.recipes.vae import iwae_mnist
from ganvas.training.recipe import build

LATENT, DIM = 2, 3


class LinearEncoder(nn.Module):
    """q(z|x) = N(A x + b, exp(v)): the true posterior has correlations, so that the bound is not tight."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(DIM, LATENT)
        self.log_variance = nn.Parameter(torch.full((LATENT,), -0.5))

    def forward(self, x: Tensor, y: Tensor | None = None) -> DiagonalNormal:
        return DiagonalNormal(self.layer(x), self.log_variance.expand(len(x), LATENT))


class LinearDecoder(nn.Module):
    """p(x|z) = N(W z + c, 0.25)."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(LATENT, DIM)

    def forward(self, z: Tensor, y: Tensor | None = None) -> DiagonalNormal:
        return DiagonalNormal(self.layer(z), torch.tensor(0.25).log().to(z))


@pytest.fixture
def networks() -> tuple[nn.Module, nn.Module, nn.Module]:
    return LinearEncoder().double(), LinearDecoder().double(), priors.Normal(LATENT).double()


@pytest.fixture
def x() -> Tensor:
    return torch.randn(4, DIM).double()


def log_evidence(decoder: nn.Module, x: Tensor) -> Tensor:
    w, c = decoder.layer.weight, decoder.layer.bias
    covariance = w @ w.T + 0.25 * torch.eye(DIM).double()
    return torch.distributions.MultivariateNormal(c, covariance).log_prob(x)


def bound(model: IWAE, x: Tensor, repeats: int) -> float:
    with torch.no_grad(), rng.seeded("bound"):
        many = Batch(x.repeat(repeats, 1))
        return -float(model.negative_bound(model(many))["bound"])


def test_the_bound_of_one_code_is_the_elbo(networks, x: Tensor) -> None:
    vae, model = VAE(*networks), IWAE(*networks, k=1)
    with torch.no_grad(), rng.seeded("elbo"):
        terms = vae.negative_elbo(vae(Batch(x.repeat(50_000, 1))))
    assert bound(model, x, 50_000) == pytest.approx(-float(sum(terms.values())), abs=0.01)


def test_the_bound_grows_with_k_up_to_the_evidence(networks, x: Tensor) -> None:
    evidence = float(log_evidence(networks[1], x).mean().detach())
    bounds = [bound(IWAE(*networks, k=k), x, 20_000 // k) for k in (1, 5, 50, 1_000)]
    assert bounds == sorted(bounds)
    assert bounds[0] < evidence - 1.0
    assert bounds[-1] == pytest.approx(evidence, abs=0.1)


@pytest.mark.parametrize("estimator", [reparameterised, sticking_the_landing, doubly_reparameterised])
def test_estimators_agree_on_the_value(networks, x: Tensor, estimator) -> None:
    plain, other = IWAE(*networks, k=7), IWAE(*networks, k=7, estimator=estimator)
    assert bound(plain, x, 3) == bound(other, x, 3)


def mean_gradient(model: IWAE, x: Tensor, repeats: int) -> tuple[Tensor, Tensor]:
    """The mean gradient in all parameters of the encoder, then the decoder, and its standard error."""
    parts = []
    parameters = [*model.encoder.parameters(), *model.decoder.parameters()]
    with rng.seeded("gradient"):
        for _ in range(40):
            loss = model.negative_bound(model(Batch(x.repeat(repeats, 1))))["bound"]
            parts.append(torch.cat([g.flatten() for g in torch.autograd.grad(loss, parameters)]))
    each = torch.stack(parts)
    return each.mean(0), each.std(0) / math.sqrt(len(each))


def encoder_size(model: IWAE) -> int:
    return sum(p.numel() for p in model.encoder.parameters())


@pytest.mark.parametrize("k", [1, 5])
def test_dreg_has_the_bounds_own_gradient_in_expectation(networks, x: Tensor, k: int) -> None:
    plain, plain_error = mean_gradient(IWAE(*networks, k=k), x, 2_000)
    dreg, dreg_error = mean_gradient(IWAE(*networks, k=k, estimator=doubly_reparameterised), x, 2_000)
    assert float(plain_error.max()) < 0.01
    assert float(((plain - dreg) / (plain_error + dreg_error)).abs().max()) < 3.5
    assert float(plain[: encoder_size(IWAE(*networks))].abs().max()) > 0.1


def test_stl_is_unbiased_for_one_code_and_for_more_biased_in_the_encoder_alone(networks, x: Tensor) -> None:
    size = encoder_size(IWAE(*networks))
    one, one_error = mean_gradient(IWAE(*networks, k=1), x, 2_000)
    stl, stl_error = mean_gradient(IWAE(*networks, k=1, estimator=sticking_the_landing), x, 2_000)
    assert float(((one - stl) / (one_error + stl_error)).abs().max()) < 3.5
    five, five_error = mean_gradient(IWAE(*networks, k=5), x, 2_000)
    stl, stl_error = mean_gradient(IWAE(*networks, k=5, estimator=sticking_the_landing), x, 2_000)
    off = ((five - stl) / (five_error + stl_error)).abs()
    assert float(off[:size].max()) > 6  # Tucker et al. 2019: the score's mean is not 0 under importance weights
    assert float(off[size:].max()) < 3.5


def test_sticking_the_landing_has_no_noise_at_the_true_posterior() -> None:
    decoder = LinearDecoder().double()
    with torch.no_grad():  # W with orthogonal columns: the posterior is diagonal
        decoder.layer.weight.copy_(torch.eye(DIM, LATENT))
        decoder.layer.bias.zero_()
    encoder = LinearEncoder().double()
    with torch.no_grad():
        encoder.layer.weight.copy_(torch.eye(LATENT, DIM) / 1.25)
        encoder.layer.bias.zero_()
        encoder.log_variance.fill_(math.log(0.25 / 1.25))
    x = torch.randn(4, DIM).double()
    for estimator, quiet in ((sticking_the_landing, True), (doubly_reparameterised, True), (reparameterised, False)):
        model = IWAE(encoder, decoder, priors.Normal(LATENT).double(), k=3, estimator=estimator)
        with rng.seeded("noise"):
            loss = model.negative_bound(model(Batch(x)))["bound"]
        gradients = torch.autograd.grad(loss, list(encoder.parameters()))
        assert all(float(g.abs().max()) < 1e-6 for g in gradients) == quiet


def test_a_conditional_decoder_is_told_each_codes_own_class() -> None:
    seen = []

    class Told(LinearDecoder):
        def forward(self, z: Tensor, y: Tensor | None = None) -> DiagonalNormal:
            seen.append(y)
            return super().forward(z)

    model = IWAE(LinearEncoder(), Told(), priors.Normal(LATENT), k=3)
    model(Batch(torch.randn(2, DIM), torch.tensor([4, 9])))
    assert seen[0].tolist() == [4, 9] * 3


def test_no_codes_are_refused(networks) -> None:
    with pytest.raises(GanvasError, match=r"number of codes .* not 0"):
        IWAE(*networks, k=0)


def test_recipes_take_k() -> None:
    info = DataInfo(shape=(1, 28, 28), num_train=100)
    assert isinstance(build(iwae_mnist, info, {"width": 8}).model, VAE)
    assert build(iwae_mnist, info, {"width": 8, "k": 5}).model.k == 5
    assert build(iwae, info, {"width": 8, "k": 3, "estimator": "dreg"}).model.estimator is doubly_reparameterised

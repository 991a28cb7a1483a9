"""Models that carry noise to data: losses, guidance, and a normal distribution learnt in closed form and by training."""

import pytest
import torch
from torch import Tensor, nn

from ganvas.core.batch import Batch
from ganvas.data import DataInfo
from ganvas.errors import GanvasError
from ganvas.machine import rng
from ganvas.models.diffusion import Diffusion
from ganvas.models.flow import Flow
from ganvas.networks import PointDenoiser
from ganvas.nn.guidance import NO_CLASS, dropped, guided
from ganvas.probability.noising import Cosine
from ganvas.recipes.denoising import diffusion, flow
from ganvas.training.recipe import build
from ganvas.training.trainer import Trainer

MODELS = (Flow, Diffusion)
POINTS = DataInfo(shape=(2,), num_train=1_000)


class Silent(nn.Module):
    """A network that predicts 0."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(()))

    def forward(self, x: Tensor, t: Tensor, y: Tensor | None = None) -> Tensor:
        return self.weight * x


class Told(nn.Module):
    """A network that predicts the class it is told, everywhere, and −1 for none."""

    def forward(self, x: Tensor, t: Tensor, y: Tensor | None = None) -> Tensor:
        assert y is not None
        return y.to(x).reshape(-1, *[1] * (x.dim() - 1)).expand_as(x)


def test_a_flow_that_predicts_nothing_loses_the_variance_of_noise_minus_data() -> None:
    torch.manual_seed(0)
    x = 2 * torch.randn(20_000, 2)
    loss = Flow(Silent(), (2,)).eval()
    terms = loss.flow_loss(loss(Batch(x)))
    # E (ε − x)² = 1 + 4; 20,000 x 2 squares of deviation 5√2 have a mean within 0.1 but for one time in 200.
    assert float(terms["flow"].detach()) == pytest.approx(5.0, abs=0.1)


def test_without_a_limit_on_the_ratio_all_times_count_alike_and_with_one_its_weight_is_min_snrs() -> None:
    t = torch.linspace(0.01, 0.99, 50)
    alpha, sigma = Cosine().coefficients(t)
    ratio = (alpha / sigma).square()
    torch.testing.assert_close(Diffusion(Silent(), (2,), min_snr=None).weight(t), torch.ones(50))
    torch.testing.assert_close(Diffusion(Silent(), (2,), min_snr=5.0).weight(t), ratio.clamp_max(5) / (ratio + 1))
    # In terms of x₀, whose error is that of v times σ: at most the limit.
    limited = Diffusion(Silent(), (2,), min_snr=5.0).weight(t) / sigma.square()
    torch.testing.assert_close(limited, ratio.clamp_max(5))


@pytest.mark.parametrize("kind", MODELS)
def test_a_code_is_the_noise_that_sampling_starts_from(kind: type[Flow] | type[Diffusion]) -> None:
    model = kind(Silent(), (3, 4, 4)).eval()
    z = model.prior().sample((5,))
    assert z.shape == (5, 3, 4, 4)
    assert torch.equal(model.generate(z), model.generate(z))
    if kind is Flow:
        torch.testing.assert_close(model.generate(z), z)  # nothing moves it


def test_guidance_one_is_the_class_alone_zero_no_class_and_more_goes_beyond() -> None:
    x, t, y = torch.zeros(4, 2), torch.zeros(4), torch.tensor([0, 1, 2, 3])
    shown = y.float()[:, None].expand(4, 2)
    torch.testing.assert_close(guided(Told(), y, 1.0)(x, t), shown)
    torch.testing.assert_close(guided(Told(), y, 0.0)(x, t), torch.full((4, 2), -1.0))
    torch.testing.assert_close(guided(Told(), y, 3.0)(x, t), -1 + 3 * (shown + 1))
    calls: list[int] = []
    for g in (0.0, 1.0, 2.0):
        guided(lambda x, t, y: (calls.append(len(x)), x)[1], y, g)(x, t)
    assert calls == [4, 4, 8], "only other weights need both predictions"


def test_without_a_class_samples_are_those_of_no_class_whatever_the_guidance() -> None:
    z = torch.randn(4, 2)
    model = Flow(Told(), (2,), num_classes=3, guidance=4.0)
    torch.testing.assert_close(model.generate(z), z + 1)  # the field is −1 everywhere, from t = 1 to 0
    model.sampling(guidance=1.0)
    torch.testing.assert_close(model.generate(z, torch.full((4,), 2)), z - 2)


def test_a_share_of_the_classes_is_dropped_in_training_alone() -> None:
    y = torch.arange(20_000) % 7
    with rng.seeded(0):
        hidden = dropped(y, 0.1)
    gone = hidden == NO_CLASS
    assert float(gone.float().mean()) == pytest.approx(0.1, abs=0.01)  # four standard deviations
    assert torch.equal(hidden[~gone], y[~gone])
    assert torch.equal(dropped(y, 0.0), y)
    model = Flow(Told(), (2,), num_classes=7, class_dropout=0.5)
    batch = Batch(torch.zeros(200, 2), y[:200])
    assert int((model(batch).predicted == NO_CLASS).all(1).sum()) > 50
    assert not bool((model.eval()(batch).predicted == NO_CLASS).any())


class FieldOfNormal(nn.Module):
    """The best prediction for data N(m, s²) in each dimension, of a flow: E[ε − x₀ | x_t]; of diffusion: E[v | x_t]."""

    def __init__(self, path: Cosine | None) -> None:
        super().__init__()
        self.path = path

    def forward(self, x: Tensor, t: Tensor, y: Tensor | None = None) -> Tensor:
        alpha, sigma = (1 - t, t) if self.path is None else self.path.coefficients(t)
        alpha, sigma = alpha[:, None], sigma[:, None]
        centred = (x - alpha * MEAN) / (alpha.square() * SCALE.square() + sigma.square())
        data, noise = MEAN + alpha * SCALE.square() * centred, sigma * centred
        return noise - data if self.path is None else alpha * noise - sigma * data


MEAN, SCALE = torch.tensor([1.0, -2.0, 0.5]), torch.tensor([0.3, 1.0, 2.0])


@pytest.mark.parametrize("kind", MODELS)
def test_with_the_best_network_samples_have_the_datas_mean_and_covariance(kind: type[Flow] | type[Diffusion]) -> None:
    """Each dimension is sent from z to m' + s' z by the default number of steps: m' and s' are within 2 %."""
    model = kind(FieldOfNormal(None if kind is Flow else Cosine()), (3,))
    ends = model.generate(torch.stack([torch.zeros(3), torch.ones(3)]))
    torch.testing.assert_close(ends[0], MEAN, rtol=0.02, atol=0)
    torch.testing.assert_close(ends[1] - ends[0], SCALE, rtol=0.02, atol=0)


@pytest.mark.slow
@pytest.mark.trains
@pytest.mark.parametrize("recipe", [flow, diffusion])
def test_a_trained_network_samples_the_normal_distribution_that_it_saw(recipe) -> None:
    """After 500 steps, mean and covariance are within 30 %; of the noise it begins as, the covariance is off by 350 %."""
    with rng.seeded("build"):
        made = build(recipe, POINTS, {"width": 64})
    trainer = Trainer(made.model, made.optimizers, ema_half_life=made.ema_half_life)
    mean, factor = torch.tensor([0.6, -0.4]), torch.tensor([[0.5, 0.0], [0.3, 0.2]])
    g = rng.generator("points")
    for _ in range(500):
        trainer.step(Batch(mean + torch.randn(256, 2, generator=g) @ factor.T))
    model = trainer.best_model.eval()
    with torch.no_grad(), rng.seeded("samples"):
        x = model.sample(4_000)
    covariance = factor @ factor.T
    assert float((x.mean(0) - mean).norm()) < 0.3 * float(mean.norm())
    assert float((torch.cov(x.T) - covariance).norm()) < 0.3 * float(covariance.norm())


def test_more_steps_of_a_trained_like_field_change_less_and_less() -> None:
    """Sampling converges in the steps: from 16 to 32 it moves less than from 2 to 4."""
    field = nn.Sequential(nn.Linear(2, 16), nn.Tanh(), nn.Linear(16, 2))
    model = Flow(Field(field), (2,))
    z = torch.randn(50, 2)
    ends = []
    for n in (2, 4, 16, 32):
        model.sampling(steps=n, solver="euler")
        ends.append(model.generate(z))
    assert (ends[3] - ends[2]).norm() < 0.5 * (ends[1] - ends[0]).norm()


class Field(nn.Module):
    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor, t: Tensor, y: Tensor | None = None) -> Tensor:
        return self.network(x)


def test_what_cannot_be_is_refused_with_a_hint() -> None:
    image = DataInfo(shape=(1, 9, 9), num_train=100, classes=("a", "b"))
    for recipe in (flow, diffusion):
        for wrong, words in (
            ({"class_dropout": 1.0}, "share of 1"),
            ({"width": 2}, "2 wide"),
            ({"network": "dit", "patch": 2}, "do not tile"),
        ):
            with pytest.raises(GanvasError, match=words) as error:
                build(recipe, image, wrong)
            assert error.value.hint
        with pytest.raises(GanvasError, match="works on images"):
            build(recipe, POINTS, {"network": "unet"})
    with pytest.raises(GanvasError, match="signal-to-noise"):
        build(diffusion, POINTS, {"min_snr": -1.0})
    assert build(flow, image, {"conditional": False}).num_classes == 0
    assert [build(flow, info, {}).model.guidance for info in (image, POINTS)] == [2.5, 1.0]
    assert build(flow, image, {}).num_classes == 2


@pytest.mark.parametrize("kind", MODELS)
def test_sampling_is_a_program_for_any_number_of_examples(kind: type[Flow] | type[Diffusion]) -> None:
    model = kind(PointDenoiser((2,), 8, 1, num_classes=3), (2,), num_classes=3, guidance=2.0).eval()
    model.sampling(steps=2)
    nn.init.normal_(model.network.last.weight)
    any_number = torch.export.Dim("N", min=1)
    program = torch.export.export(
        Sampling(model.requires_grad_(False)),
        (torch.randn(4, 2), torch.tensor([0, 1, 2, 0])),
        dynamic_shapes=({0: any_number}, {0: any_number}),
    ).module()
    z, y = torch.randn(7, 2), torch.arange(7) % 3
    torch.testing.assert_close(program(z, y), model.generate(z, y))


class Sampling(nn.Module):
    def __init__(self, model: Flow | Diffusion) -> None:
        super().__init__()
        self.model = model

    def forward(self, z: Tensor, y: Tensor) -> Tensor:
        return self.model.generate(z, y)

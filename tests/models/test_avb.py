import math

import pytest
import torch
from parts import BODY, D, L, Told, batch, decoder, joint_critic, losses, reaches
from torch import nn
from torch.nn import functional as F

from ganvas.core.batch import Batch
from ganvas.machine import rng
from ganvas.metrics.likelihood import negative_log_likelihood
from ganvas.models.avb import AVB
from ganvas.networks import ImplicitEncoder
from ganvas.probability.priors import Normal
from ganvas.training.trainer import Trainer


def model(critic=None) -> AVB:
    return AVB(
        ImplicitEncoder(BODY.analysis((D,)), L, noise_size=3, width=16), decoder(), critic or joint_critic(), Normal(L)
    )


def test_losses_are_those_of_algorithm_1() -> None:
    m = model(Told(0.4, -0.7))
    b = batch()
    r = m(b)
    expected = F.softplus(torch.tensor(-0.4)) + F.softplus(
        torch.tensor(-0.7)
    )  # −log σ(T(x, z_q)) − log(1 − σ(T(x, z_p)))
    torch.testing.assert_close(m.critic_loss(r)["adversarial"], expected)
    m.critic = Told(0.4)
    terms = m.negative_elbo(r)
    torch.testing.assert_close(terms["estimated rate"], torch.tensor(0.4))
    torch.testing.assert_close(terms["distortion"], -m.decoder(r.z).log_prob(b.x).mean())


def test_the_rate_reaches_the_encoder_through_z_and_not_the_decoder() -> None:
    m = model()
    terms = losses(m, batch())["autoencoder"]
    assert reaches({"estimated rate": terms["estimated rate"]}, m.encoder)
    assert not reaches({"estimated rate": terms["estimated rate"]}, m.decoder)


def test_the_posterior_is_drawn_by_noise_and_stands_for_its_moments() -> None:
    m = model()
    b = batch(5)
    with rng.seeded(0):
        one = m(b).z
    with rng.seeded(1):
        other = m(b).z
    assert not torch.equal(one, other)
    q = m.encode(b.x)
    z = m.encoder(b.x, m.probes.expand(5, -1, -1))
    torch.testing.assert_close(q.mean, z.mean(1))
    torch.testing.assert_close(q.variance, z.var(1), atol=1e-6, rtol=1e-4)
    assert torch.equal(q.mean, m.encode(b.x).mean), "encoding draws nothing"
    assert torch.isfinite(negative_log_likelihood(m, b.x, samples=50)).all()


class Line(nn.Module):
    """z = a + s ε: a posterior that is known, N(a, s²)."""

    noise_size = 1

    def forward(self, x, noise, y=None):
        return 1.0 + 0.5 * noise


class Quadratic(nn.Module):
    """T(x, z) = w · (1, z, z²): the family in which log N(1, ½²) − log N(0, 1) lies."""

    def __init__(self) -> None:
        super().__init__()
        self.w = nn.Parameter(torch.zeros(3))

    def forward(self, x, z, y=None):
        return self.w[0] + self.w[1] * z[:, 0] + self.w[2] * z[:, 0].square()


@pytest.mark.trains
def test_the_critic_finds_log_q_over_p_and_so_the_rate() -> None:
    m = AVB(Line(), decoder(1), Quadratic(), Normal(1))
    optimizers = {name: lambda p: torch.optim.Adam(p, 0.02) for name in ("critic", "autoencoder")}
    trainer = Trainer(m, optimizers)
    for _ in range(600):
        trainer.step(Batch(torch.zeros(512, D)))
    with torch.no_grad(), rng.seeded("rate"):
        estimate = float(m.negative_elbo(m(Batch(torch.zeros(20_000, D))))["estimated rate"])
    exact = 0.5 * (0.25 + 1.0 - 1.0 - math.log(0.25))  # KL(N(1, ½²) ‖ N(0, 1))
    assert abs(estimate - exact) < 0.1

import math

import pytest
import torch
from linear_vae import LinearVAE, UnregisteredVAE

from ganvas.errors import GanvasError
from ganvas.metrics import likelihood
from ganvas.metrics.likelihood import bits_per_dimension, divergence, negative_elbo, negative_log_likelihood


def test_with_the_true_posterior_all_bounds_are_log_p():
    model = LinearVAE()
    x = model.draw(20)
    torch.testing.assert_close(negative_log_likelihood(model, x, samples=3), -model.log_prob(x))
    # distortion + rate is −log p only in expectation over z; one code's error is about a nat
    bound = negative_elbo(model, x, samples=2_000)
    torch.testing.assert_close(bound.negative_elbo, -model.log_prob(x), atol=0.15, rtol=0)


def test_elbo_iwae_and_log_p_are_in_order():
    model = LinearVAE(widen=1.6)
    x = model.draw(200)
    elbo = -negative_elbo(model, x, samples=50).negative_elbo.mean()
    iwae_5 = -negative_log_likelihood(model, x, samples=5).mean()
    iwae_50 = -negative_log_likelihood(model, x, samples=50).mean()
    iwae_5000 = -negative_log_likelihood(model, x, samples=5_000).mean()
    log_p = model.log_prob(x).mean()
    assert elbo < iwae_5 - 0.1
    assert iwae_5 < iwae_50 - 0.01
    assert iwae_50 < log_p
    assert iwae_5000 == pytest.approx(log_p.item(), abs=0.01)
    # the gap of the bound is KL(q ‖ true posterior), three dimensions of ½ (s² − 1 − log s²)
    gap = 3 * 0.5 * (1.6**2 - 1 - math.log(1.6**2))
    assert (log_p - elbo).item() == pytest.approx(gap, abs=0.1)


def test_rate_and_distortion_in_closed_form():
    model = LinearVAE(widen=1.3)
    x = model.draw(10)
    q = model.encode(x)
    bound = negative_elbo(model, x, samples=4_000)
    rate = 0.5 * (q.variance + q.mean.square() - 1 - q.variance.log()).sum(1)
    torch.testing.assert_close(bound.rate, rate)
    residual = (x.flatten(1) - q.mean @ model.w.T).square().sum(1) + (q.variance @ model.w.square().T).sum(1)
    distortion = residual / (2 * 0.5**2) + 12 * math.log(0.5 * math.sqrt(2 * math.pi))
    torch.testing.assert_close(bound.distortion, distortion, atol=0.3, rtol=0)


def test_a_divergence_that_is_not_registered_is_estimated():
    model, exact = UnregisteredVAE(), LinearVAE()
    x = model.draw(400)
    with pytest.raises(NotImplementedError):
        torch.distributions.kl_divergence(model.encode(x), model.prior())
    torch.manual_seed(0)
    estimate = divergence(model.encode(x), model.prior()).mean()
    assert estimate.item() == pytest.approx(negative_elbo(exact, x, samples=1).rate.mean().item(), abs=0.1)


def test_chunks_bound_memory_and_not_the_value(monkeypatch):
    model = LinearVAE(widen=1.2)
    x = model.draw(7)
    decoded = []
    decode = LinearVAE.decode
    monkeypatch.setattr(LinearVAE, "decode", lambda self, z, y=None: decoded.append(len(z)) or decode(self, z, y))
    fine = negative_log_likelihood(model, x, samples=2_500)
    assert max(decoded) <= likelihood.CODES_AT_ONCE
    assert sum(decoded) == 7 * 2_500
    monkeypatch.setattr(likelihood, "CODES_AT_ONCE", 10_000)
    coarse = negative_log_likelihood(model, x, samples=2_500)
    torch.testing.assert_close(fine, coarse, atol=0.05, rtol=0)
    torch.testing.assert_close(fine, -model.log_prob(x), atol=0.05, rtol=0)


def test_seeded():
    model = LinearVAE(widen=2.0)
    x = model.draw(4)
    first = negative_log_likelihood(model, x, samples=3, seed=0)
    assert torch.equal(first, negative_log_likelihood(model, x, samples=3, seed=0))
    assert not torch.equal(first, negative_log_likelihood(model, x, samples=3, seed=1))


def test_labels_go_with_their_examples():
    class Told(LinearVAE):
        def decode(self, z, y=None):
            assert y.shape == z.shape[:1]
            p = super().decode(z)
            return torch.distributions.Independent(torch.distributions.Normal(p.mean + y[:, None, None, None], 0.5), 3)

    model, y = Told(), torch.tensor([0, 1, 2])
    x = LinearVAE().draw(1).expand(3, 1, 3, 4)
    nll = negative_log_likelihood(model, x + y[:, None, None, None], y, samples=2_000)
    # the same residual three times, but for q, which is not told: only its efficiency suffers
    assert nll[0].item() == pytest.approx(-model.log_prob(x)[0].item(), abs=0.05)
    assert nll[1].item() < nll[0].item() + 20


def test_bits_per_dimension():
    assert bits_per_dimension(torch.tensor([8 * math.log(2)]), 4).item() == pytest.approx(2)


def test_a_likelihood_that_is_not_finite():
    class Clamped(LinearVAE):
        def encode(self, x, y=None):
            return super().encode(x.clamp(-5, 5))

    model = Clamped()
    x = model.draw(3)
    x[1] = torch.inf
    with pytest.raises(GanvasError, match="1 of 3 examples is NaN or infinite"):
        negative_log_likelihood(model, x, samples=2)

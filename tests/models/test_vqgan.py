import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ganvas.core.batch import Batch
from ganvas.losses.perceptual import RandomPerceptual
from ganvas.machine import rng
from ganvas.models.vqgan import VQGAN, balance
from ganvas.networks import Critic, Dcgan, Generator, GridEncoder
from ganvas.nn.quantize import EMAQuantizer, GradientQuantizer
from ganvas.training.gradients import total
from ganvas.training.trainer import Trainer

BODY = Dcgan(width=8)
SHAPE, GRID = (1, 8, 8), (3, 4, 4)


def model(after: int = 0, quantizer: type = GradientQuantizer, weight: float = 0.8) -> VQGAN:
    synthesis = BODY.synthesis(GRID, SHAPE)
    return VQGAN(
        GridEncoder(BODY.analysis(SHAPE), GRID),
        quantizer(7, 3, revive_below=0.0),
        Generator(synthesis),
        Critic(BODY.analysis(SHAPE)),
        synthesis.output,
        GRID[1:],
        RandomPerceptual(1, (4, 8)),
        commitment=0.4,
        perceptual_weight=2.0,
        adversarial_weight=weight,
        critic_after=after,
    )


def batch() -> Batch:
    return Batch(torch.rand(6, *SHAPE) * 2 - 1)


def test_the_weight_is_the_quotient_of_slopes_at_the_last_layer() -> None:
    layer = nn.Linear(2, 1, bias=False)
    h = torch.tensor([[3.0, 4.0]])
    rec, adv = 2.0 * layer(h).sum(), -0.5 * layer(h).sum()  # slopes of length 10 and 2.5
    found = balance(rec, adv, layer)
    torch.testing.assert_close(found, torch.tensor(10 / (2.5 + 1e-4)))
    assert not found.requires_grad, "λ is a constant to the gradient"
    assert float(balance(1e9 * rec, adv, layer)) == 1e4, "at most 10⁴"
    assert float(balance(rec, 0.0 * adv, layer)) == 1e4


def test_at_the_last_layer_the_discriminator_pulls_as_hard_as_it_is_told() -> None:
    m, b = model(weight=0.8), batch()
    m.clock.steps = 1
    terms = m.autoencoder_loss(m(b))
    layer = m.decoder.synthesis.output.weight

    def length(*names: str) -> Tensor:
        return torch.autograd.grad(sum(terms[n] for n in names), layer, retain_graph=True)[0].norm()

    assert float(length("adversarial") / length("pixel", "perceptual")) == pytest.approx(0.8, rel=0.05)


def test_losses_are_those_of_the_program() -> None:
    m, b = model(), batch()
    m(b)
    r = m(b)
    m.clock.steps = 1
    terms = m.autoencoder_loss(r)
    torch.testing.assert_close(terms["pixel"], (b.x - r.fake).abs().mean())
    torch.testing.assert_close(terms["perceptual"], 2.0 * m.perceptual(b.x, r.fake).mean())
    size = 3 * 4 * 4
    torch.testing.assert_close(terms["commitment"], 0.4 * r.quantized.commitment.mean() / size)
    torch.testing.assert_close(terms["codebook"], r.quantized.codebook.mean() / size)
    torch.testing.assert_close(terms["adversarial"], -r.balance * m.critic(r.fake).mean())
    critic = 0.5 * (F.relu(1 - m.critic(b.x)).mean() + F.relu(1 + m.critic(r.fake)).mean())
    torch.testing.assert_close(m.discriminator_loss(r)["adversarial"], critic)


def test_a_codebook_that_follows_has_no_term() -> None:
    m = model(quantizer=EMAQuantizer)
    assert "codebook" not in m.autoencoder_loss(m(batch()))


def test_the_discriminator_joins_late_and_so_does_its_term() -> None:
    m = model(after=3)
    trainer = Trainer(m, {name: lambda p: torch.optim.Adam(p, 1e-3) for name in ("autoencoder", "discriminator")})
    start = [p.detach().clone() for p in m.critic.parameters()]
    played: list[tuple[str, ...]] = []
    for _ in range(5):
        trainer.step(batch())
        played.append(tuple(trainer.terms.read()["autoencoder"]))
        if len(played) == 3:
            assert all(torch.equal(p, q) for p, q in zip(m.critic.parameters(), start, strict=True))
    # At its first turn the discriminator comes after the autoencoder, which heeds it from then on.
    assert ["adversarial" in names for names in played] == [False, False, False, False, True]
    assert not all(torch.equal(p, q) for p, q in zip(m.critic.parameters(), start, strict=True))


def test_held_out_terms_use_the_last_weight_and_change_nothing() -> None:
    m, b = model(), batch()
    m.clock.steps = 1
    r = m(b)
    m.autoencoder_loss(r)
    m.follow({"autoencoder": r})
    balance_, shares = m.balance.clone(), m.prior.shares.clone()
    assert float(balance_) > 0
    m.eval()
    with torch.no_grad():
        r = m(b)
        terms = m.autoencoder_loss(r)
    torch.testing.assert_close(terms["adversarial"], -balance_ * m.critic(r.fake).mean())
    assert torch.equal(m.balance, balance_) and torch.equal(m.prior.shares, shares)


def test_the_last_layer_stays_the_decoders_own_in_a_copy() -> None:
    import copy

    other = copy.deepcopy(model())
    assert other.last[0] is other.decoder.synthesis.output


def test_stop_gradients() -> None:
    m, b = model(), batch()
    m(b)
    m.clock.steps = 1
    terms = m.autoencoder_loss(m(b))
    codebook = m.quantizer.codebook
    for name in ("pixel", "perceptual", "commitment", "adversarial"):
        (g,) = torch.autograd.grad(terms[name], codebook, allow_unused=True, retain_graph=True)
        assert g is None or (g == 0).all(), name
    (g,) = torch.autograd.grad(terms["codebook"], m.encoder.projection.weight, allow_unused=True, retain_graph=True)
    assert g is None or (g == 0).all()
    (g,) = torch.autograd.grad(terms["adversarial"], m.encoder.projection.weight, retain_graph=True)
    assert (g != 0).any(), "straight through to the encoder"


@pytest.mark.trains
def test_it_trains() -> None:
    with rng.seeded("vqgan"):
        m = model(after=5, quantizer=EMAQuantizer)
    trainer = Trainer(m, {name: lambda p: torch.optim.Adam(p, 2e-3) for name in ("autoencoder", "discriminator")})
    x = torch.ones(2, *SHAPE)
    x[0, :, :4] = -1
    x[1, :, :, :4] = -1
    b = Batch(x.repeat(4, 1, 1, 1))
    first = None
    for _ in range(150):
        trainer.step(b)
        first = first or trainer.terms.peek()["autoencoder"]["pixel"]
    m.eval()
    with torch.no_grad():
        r = m(b)
        assert float((r.x - r.fake).abs().mean()) < 0.5 * first
        assert torch.isfinite(total(m.autoencoder_loss(r)))

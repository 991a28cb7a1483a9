import math

import pytest
import torch
from parts import D, L, batch, encoder, generator, losses, reaches, slopes
from torch import Tensor, nn
from torch.distributions import kl_divergence

from ganvas.core.batch import Batch
from ganvas.core.schedules import Linear
from ganvas.machine import rng
from ganvas.models.introvae import IntroVAE, SoftIntroVAE
from ganvas.probability.distributions import DiagonalNormal
from ganvas.probability.priors import Normal
from ganvas.training.gradients import total

BETA = {"beta_rec": 0.7, "beta_kl": 0.3, "beta_neg": 0.9, "gamma": 0.2}


def model() -> SoftIntroVAE:
    return SoftIntroVAE(encoder(), generator(), Normal(L), **BETA)


def introvae(**given) -> IntroVAE:
    return IntroVAE(encoder(), generator(), Normal(L), **{"margin": 3.0, "alpha": 0.4, "beta": 0.7} | given)


def error(x, y):
    return (x - y).square().sum(1)


class CertainEncoder(nn.Module):
    """q(z|x) = N(w x, e⁻²⁰): its code is its mean, to all digits that are looked at."""

    def __init__(self, w: float) -> None:
        super().__init__()
        self.w = nn.Parameter(torch.tensor(w))

    def forward(self, x: Tensor, y: Tensor | None = None) -> DiagonalNormal:
        return DiagonalNormal(self.w * x, torch.full_like(x, -20.0))


class LinearDecoder(nn.Module):
    """G(z) = v z."""

    def __init__(self, v: float) -> None:
        super().__init__()
        self.v = nn.Parameter(torch.tensor(v))

    def forward(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        return self.v * z


def test_introvaes_losses_and_slopes_in_closed_form() -> None:
    """On a line, KL(x) = ½ (w²x² + σ² − 1 − log σ²), and what is not w²x² is 9½: eq. 11 and 12 can be written out."""
    w, v, alpha, beta, x = 0.5, 3.0, 0.4, 0.7, 2.0
    with rng.seeded(0):
        m = IntroVAE(CertainEncoder(w), LinearDecoder(v), Normal(1), margin=20.0, alpha=alpha, beta=beta)
        r = m(Batch(torch.tensor([[x]])))
        z_p = float(r.made[1].detach()) / v
        encoder_terms, decoder_terms = m.encoder_loss(r), m.decoder_loss(r)
    x_hat, x_tilde = v * w * x, v * z_p
    kl = {f: 0.5 * w**2 * f**2 + 9.5 for f in (x, x_hat, x_tilde)}
    hinge = (20.0 - kl[x_hat]) + (20.0 - kl[x_tilde])
    assert max(kl[x_hat], kl[x_tilde]) < 20.0
    distortion = beta * 0.5 * (x - x_hat) ** 2
    close(encoder_terms, {"distortion": distortion, "rate": kl[x], "generated hinge": alpha * hinge})
    close(decoder_terms, {"distortion": distortion, "generated rate": alpha * (kl[x_hat] + kl[x_tilde])})
    (by_w,) = slopes(encoder_terms, m.encoder)
    (by_v,) = slopes(decoder_terms, m.decoder)
    dw = -beta * (x - x_hat) * v * x + w * x**2 - alpha * w * (x_hat**2 + x_tilde**2)  # x̂ and x̃ being data to E
    dv = -beta * (x - x_hat) * w * x + alpha * w**2 * v * ((w * x) ** 2 + z_p**2)
    torch.testing.assert_close(by_w, torch.tensor(dw), rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(by_v, torch.tensor(dv), rtol=1e-3, atol=1e-3)


def close(terms, expected) -> None:
    assert list(terms) == list(expected)
    for name, value in expected.items():
        torch.testing.assert_close(terms[name].detach(), torch.tensor(value), rtol=1e-3, atol=1e-3)


def test_introvaes_hinge_is_of_each_example_and_off_above_the_margin() -> None:
    """With both batches' means above the margin, what is below it still counts."""
    m = introvae()
    with torch.no_grad():
        r = m(batch(64))
        rates = torch.stack([kl_divergence(m.encode(f), m.prior()) for f in r.made])
    m.margin = 0.999 * float(rates.mean(1).min())
    terms = m.encoder_loss(r)
    expected = torch.where(rates < m.margin, m.margin - rates, 0.0).sum(0).mean()
    assert expected > 0
    torch.testing.assert_close(terms["generated hinge"].detach(), 0.4 * expected)
    m.margin = 0.5 * float(rates.min())
    off = {"generated hinge": m.encoder_loss(r)["generated hinge"]}
    assert off["generated hinge"] == 0 and not reaches(off, m.encoder)


def test_what_introvaes_decoder_made_is_data_to_its_encoder() -> None:
    m = introvae(margin=100.0)
    hinge = {"generated hinge": losses(m, batch())["encoder"]["generated hinge"]}
    assert reaches(hinge, m.encoder)
    assert not reaches(hinge, m.decoder), "ng(x̂) and ng(x̃) in eq. 11"
    rate = {"generated rate": losses(m, batch())["decoder"]["generated rate"]}
    assert reaches(rate, m.decoder), "eq. 12 has no ng"


def test_without_alpha_introvae_is_a_vae() -> None:
    """All its terms but 0 are the bound of p(x|z) = N(x; G(z), 1/β), the same for both players."""
    m, b = introvae(alpha=0.0, beta=4.0, margin=100.0), batch()
    found = losses(m, b)
    with rng.seeded(0):
        q = m.encode(b.x)
        p = DiagonalNormal(m.decoder(q.rsample()), torch.tensor(0.25).log())
    constant = 0.5 * D * math.log(2 * math.pi / 4)
    bound = kl_divergence(q, m.prior()).mean() - p.log_prob(b.x).mean() - constant
    torch.testing.assert_close(total(found["encoder"]), bound)
    torch.testing.assert_close(total(found["decoder"]) + found["encoder"]["rate"], bound)


def test_introvaes_alpha_reads_the_clock_of_images() -> None:
    """The contest of both players grows with the images seen, and nothing else of their losses does."""
    m, constant = introvae(alpha=Linear(0.0, 0.4, 1_000), margin=100.0), introvae(alpha=0.4, margin=100.0)
    constant.load_state_dict(m.state_dict())
    b = batch()
    whole = losses(constant, b)
    for images, share in ((0, 0.0), (250, 0.25), (5_000, 1.0)):
        m.clock.images = images
        for player, terms in losses(m, b).items():
            for name, value in terms.items():
                weight = share if name.startswith("generated") else 1.0
                torch.testing.assert_close(value, weight * whole[player][name])


@pytest.mark.parametrize("player", ["encoder", "decoder"])
def test_introvaes_players_pull_the_rate_of_what_is_made_apart(player: str) -> None:
    m, b = introvae(margin=1_000.0), batch(256)
    network, sign = (m.encoder, 1) if player == "encoder" else (m.decoder, -1)
    contest = {"encoder": "generated hinge", "decoder": "generated rate"}[player]

    def generated_rate() -> float:
        return losses(m, b)["decoder"]["generated rate"].item()

    before = generated_rate()
    gradients = torch.autograd.grad(losses(m, b)[player][contest], list(network.parameters()))
    with torch.no_grad():
        for p, g in zip(network.parameters(), gradients, strict=True):
            p -= 0.1 * g
    assert sign * generated_rate() > sign * before


def test_the_encoders_loss_is_the_papers() -> None:
    m, b = model(), batch()
    with rng.seeded(0):
        terms = m.encoder_loss(m(b))
    with rng.seeded(0):
        q = m.encode(b.x)
        x_hat = m.decoder(q.rsample())
        x_tilde = m.decoder(m.prior().sample((8,)))
        exponentials = torch.zeros(())
        for f in (x_hat, x_tilde):
            q_f = m.encode(f)
            bound = 0.7 * error(f, m.decoder(q_f.rsample())) + 0.9 * kl_divergence(q_f, m.prior())
            exponentials = exponentials + (-2 / D * bound).exp().mean()
    torch.testing.assert_close(terms["distortion"], 0.7 / D * error(b.x, x_hat).mean())
    torch.testing.assert_close(terms["rate"], 0.3 / D * kl_divergence(q, m.prior()).mean())
    torch.testing.assert_close(terms["exponential bound"], 0.25 * exponentials)


def test_the_decoders_loss_is_the_papers() -> None:
    m, b = model(), batch()
    with rng.seeded(0):
        r = m(b)
        terms = m.decoder_loss(r)
    with rng.seeded(0):
        m(b)
        codes = [m.encode(f) for f in r.made]
        errors = [error(f, m.decoder(q.rsample())).mean() for f, q in zip(r.made, codes, strict=True)]
    rates = [kl_divergence(q, m.prior()).mean() for q in codes]
    torch.testing.assert_close(terms["distortion"], 0.7 / D * error(b.x, r.made[0]).mean())
    torch.testing.assert_close(terms["generated rate"], 0.5 * 0.3 / D * sum(rates))
    torch.testing.assert_close(terms["generated distortion"], 0.5 * 0.2 * 0.7 / D * sum(errors))


def test_what_the_decoder_made_is_data_to_the_encoder() -> None:
    m, b = model(), batch()
    r = m(b)
    for f in r.made:
        f.retain_grad()
    m.encoder_loss(r)["exponential bound"].backward()
    assert all(f.grad is None for f in r.made), "sg[x̂] and sg[x̃] in the exponential"


def test_only_the_second_decoding_moves_in_the_generated_distortion() -> None:
    m, b = model(), batch()
    with rng.seeded(0):
        r = m(b)
        for f in r.made:
            f.retain_grad()
        term = m.decoder_loss(r)["generated distortion"]
    (g,) = torch.autograd.grad(term, [m.decoder.synthesis.output.bias], retain_graph=True)
    term.backward()
    assert all(f.grad is None for f in r.made), "sg[f] and sg[z_f]"
    assert (g != 0).any()
    assert all(p.grad is None for p in m.encoder.parameters()), "sg[z_f] cuts the encoder off as well"


def test_the_generated_rate_moves_the_decoder_through_the_encoder() -> None:
    m = model()
    terms = losses(m, batch())
    assert reaches({"generated rate": terms["decoder"]["generated rate"]}, m.decoder)


def test_the_two_pull_generated_examples_apart() -> None:
    """A step of the encoder makes the bound of generated examples worse; a step of the decoder makes it better."""
    m, b = model(), batch(256)

    def generated_rate() -> float:
        return losses(m, b)["decoder"]["generated rate"].item()

    def step(name: str, network) -> None:
        terms = {k: v for k, v in losses(m, b)[name].items() if k in ("exponential bound", "generated rate")}
        parameters = list(network.parameters())
        gradients = torch.autograd.grad(total(terms), parameters)
        with torch.no_grad():
            for p, g in zip(parameters, gradients, strict=True):
                p -= 0.3 * g

    start = generated_rate()
    step("decoder", m.decoder)
    lower = generated_rate()
    assert lower < start
    step("encoder", m.encoder)
    assert generated_rate() > lower

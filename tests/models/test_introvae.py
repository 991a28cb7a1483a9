import torch
from parts import D, L, batch, encoder, generator, losses, reaches
from torch.distributions import kl_divergence

from ganvas import rng
from ganvas.models.introvae import SoftIntroVAE
from ganvas.priors import Normal
from ganvas.trainer import total

BETA = {"beta_rec": 0.7, "beta_kl": 0.3, "beta_neg": 0.9, "gamma": 0.2}


def model() -> SoftIntroVAE:
    return SoftIntroVAE(encoder(), generator(), Normal(L), **BETA)


def error(x, y):
    return (x - y).square().sum(1)


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

import torch
from parts import L, Told, batch, code_critic, critic, encoder, generator, losses, reaches
from torch.nn import functional as F

from ganvas.models.alphagan import AlphaGAN
from ganvas.probability.priors import Normal


def model(image=None, code=None, weight: float = 3.0) -> AlphaGAN:
    return AlphaGAN(encoder(), generator(), image or critic(), code or code_critic(), Normal(L), weight)


def log_odds(score: float) -> torch.Tensor:
    """log D/(1 − D), D = sigmoid(score)."""
    d = torch.sigmoid(torch.tensor(score))
    return (d / (1 - d)).log()


def test_losses_are_those_of_algorithm_1() -> None:
    x_score, recon, sample, code, prior = 0.9, -0.3, 0.4, -0.8, 0.2
    m = model(weight=3.0)
    b = batch()
    r = m(b)
    distance = 3.0 * (b.x - m.generate(r.z)).abs().sum(1).mean()

    m.code_critic = Told(code)
    terms = m.encoder_loss(r)
    torch.testing.assert_close(terms["reconstruction"], distance)
    torch.testing.assert_close(terms["code adversarial"], -log_odds(code))

    m.critic = Told(recon, sample)
    terms = m.generator_loss(r)
    torch.testing.assert_close(terms["reconstruction"], distance)
    torch.testing.assert_close(terms["reconstruction adversarial"], -log_odds(recon))
    torch.testing.assert_close(terms["sample adversarial"], -log_odds(sample))

    m.critic = Told(x_score)  # all three the same: −2 log D − 2 log(1 − D), halved
    s = torch.tensor(x_score)
    torch.testing.assert_close(m.critic_loss(r)["adversarial"], F.softplus(-s) + F.softplus(s))

    m.code_critic = Told(prior, code)
    expected = F.softplus(torch.tensor(-prior)) + F.softplus(torch.tensor(code))
    torch.testing.assert_close(m.code_critic_loss(r)["adversarial"], expected)


def test_both_kinds_of_generated_examples_weigh_half() -> None:
    m = model(Told(-0.3, 0.4, 0.9))  # reconstruction, sample, data: the order in which the critic is asked
    expected = F.softplus(torch.tensor(-0.9)) + 0.5 * (F.softplus(torch.tensor(-0.3)) + F.softplus(torch.tensor(0.4)))
    torch.testing.assert_close(m.critic_loss(m(batch()))["adversarial"], expected)


def test_who_is_reached() -> None:
    m = model()
    found = losses(m, batch())
    assert set(found) == {"encoder", "generator", "critic", "code critic"}
    assert reaches(found["encoder"], m.encoder) and reaches(found["generator"], m.generator)
    assert not reaches(found["encoder"], m.critic), "the encoder does not play against the image critic"
    assert not reaches(found["generator"], m.code_critic)

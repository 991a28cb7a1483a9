import torch
from parts import L, Told, batch, code_critic, decoder, encoder, losses, reaches
from torch.distributions import kl_divergence
from torch.nn import functional as F

from ganvas.machine import rng
from ganvas.models.factorvae import FactorVAE, permute_dims
from ganvas.probability.priors import Normal


def model(critic=None, gamma: float = 5.0) -> FactorVAE:
    return FactorVAE(encoder(), decoder(), critic or code_critic(), Normal(L), gamma)


def test_each_dimension_is_shuffled_on_its_own() -> None:
    z = torch.arange(40.0)[:, None] + torch.tensor([0.0, 100.0, 200.0])
    with rng.seeded(0):
        shuffled = permute_dims(z)
    assert torch.equal(shuffled.sort(0).values, z), "a permutation of each column"
    order = shuffled - torch.tensor([0.0, 100.0, 200.0])
    assert not any(torch.equal(order[:, i], order[:, j]) for i, j in ((0, 1), (1, 2), (0, 2)))


def test_shuffling_makes_dependent_codes_independent() -> None:
    with rng.seeded(0):
        a = torch.randn(20_000)
        z = torch.stack([a, a + 0.1 * torch.randn(20_000)], 1)
        shuffled = permute_dims(z)
    assert abs(float(torch.corrcoef(z.T)[0, 1])) > 0.9
    assert abs(float(torch.corrcoef(shuffled.T)[0, 1])) < 0.03


def test_losses_are_those_of_the_paper() -> None:
    m = model(Told(0.6))
    b = batch(8)
    r = m(b)
    q = m.encode(b.x[:4])
    terms = m.autoencoder_loss(r)
    torch.testing.assert_close(terms["rate"], kl_divergence(q, m.prior()).mean())
    torch.testing.assert_close(terms["total correlation"], torch.tensor(5.0 * 0.6))  # γ log D/(1 − D)
    torch.testing.assert_close(terms["distortion"], -m.decoder(r.z).log_prob(b.x[:4]).mean())
    m.critic = Told(0.6, -0.2)
    expected = 0.5 * (F.softplus(torch.tensor(-0.6)) + F.softplus(torch.tensor(-0.2)))
    torch.testing.assert_close(m.discriminator_loss(r)["adversarial"], expected)


def test_the_halves_have_their_roles() -> None:
    m = model()
    b = batch(8)
    changed = b.replace(x=torch.cat([b.x[:4], b.x[4:] + 3.0]))
    one, two = losses(m, b), losses(m, changed)
    for term in one["autoencoder"]:
        assert torch.equal(one["autoencoder"][term], two["autoencoder"][term]), "the second half is the critic's"
    assert not torch.equal(one["discriminator"]["adversarial"], two["discriminator"]["adversarial"])


def test_odd_batches_and_batches_of_one_work() -> None:
    for num in (1, 2, 5):
        found = losses(model(), batch(num))
        assert all(torch.isfinite(value) for terms in found.values() for value in terms.values())


def test_the_total_correlation_moves_the_encoder_and_not_the_decoder() -> None:
    m = model()
    term = {"tc": losses(m, batch())["autoencoder"]["total correlation"]}
    assert reaches(term, m.encoder) and not reaches(term, m.decoder)

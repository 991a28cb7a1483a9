import torch
from parts import L, Told, batch, encoder, generator, joint_critic, losses, reaches
from torch.nn import functional as F

from ganvas.losses.adversarial import Wasserstein
from ganvas.losses.penalties import R1
from ganvas.models.bigan import BiGAN
from ganvas.probability.priors import Normal


def model(critic=None, loss=None) -> BiGAN:
    return BiGAN(encoder(), generator(), critic or joint_critic(), Normal(L), loss)


def test_the_second_player_minimises_the_critics_loss_with_labels_swapped() -> None:
    real, fake = 0.6, -1.1
    m = model(Told(real, fake))
    found = {"critic": m.critic_loss(m(batch()))}
    m.critic = Told(fake, real)  # the order in which it is asked
    found["encoder and generator"] = m.swapped_loss(m(batch()))
    s = F.softplus
    # critic: −log D(x, E(x)) − log(1 − D(G(z), z)); the other: −log(1 − D(x, E(x))) − log D(G(z), z)
    torch.testing.assert_close(found["critic"]["adversarial"], s(torch.tensor(-real)) + s(torch.tensor(fake)))
    expected = s(torch.tensor(real)) + s(torch.tensor(-fake))
    torch.testing.assert_close(found["encoder and generator"]["adversarial"], expected)


def test_with_wasserstein_the_game_is_zero_sum() -> None:
    found = losses(model(loss=Wasserstein()), batch())
    torch.testing.assert_close(found["critic"]["adversarial"], -found["encoder and generator"]["adversarial"])


def test_the_critic_is_shown_pairs_that_belong_together() -> None:
    seen = []

    class Watching(Told):
        def forward(self, *given):
            seen.append(given)
            return super().forward(*given)

    m = model(Watching(0.0))
    b = batch()
    m.critic_loss(m(b))
    (x, z_hat, _), (x_fake, z, _) = seen
    assert torch.equal(x, b.x) and torch.equal(x_fake, m.generate(z))
    q = m.encode(b.x)
    assert ((z_hat - q.mean).abs() < 6 * q.stddev).all()


def test_one_loss_moves_encoder_and_generator() -> None:
    m = model()
    terms = losses(m, batch())["encoder and generator"]
    assert reaches(terms, m.encoder) and reaches(terms, m.generator)


def test_r1_is_the_squared_slope_in_example_and_code_together() -> None:
    class Linear(torch.nn.Module):
        def forward(self, x, z, y=None):
            return x @ torch.tensor([3.0, 0.0, 4.0]) + z @ torch.tensor([1.0, -2.0])

    m = BiGAN(encoder(), generator(), Linear(), Normal(L), penalties=[R1(2.0)])
    (lazy,) = m.players()[0].lazy
    torch.testing.assert_close(lazy.penalty(m(batch()))["R1"], torch.tensor(0.5 * 2.0 * (25.0 + 5.0)))

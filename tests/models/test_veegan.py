import torch
from parts import BODY, D, L, Told, batch, generator, joint_critic, losses, reaches
from torch.nn import functional as F

from ganvas.models.veegan import VEEGAN
from ganvas.networks import PointEncoder
from ganvas.probability.priors import Normal


def model(critic=None) -> VEEGAN:
    return VEEGAN(generator(), PointEncoder(BODY.analysis((D,)), L), critic or joint_critic(), Normal(L))


def test_losses_are_those_of_algorithm_1() -> None:
    real, fake = 0.5, -0.9  # the score is −D
    m = model(Told(real, fake))
    r = m(batch())
    expected = F.softplus(torch.tensor(fake)) + F.softplus(torch.tensor(-real))
    torch.testing.assert_close(m.critic_loss(r)["adversarial"], expected)
    m.critic = Told(fake)
    torch.testing.assert_close(m.generator_loss(r)["adversarial"], torch.tensor(-fake))
    d = (r.z - m.encode(r.fake).mean).square().sum(1).mean()
    torch.testing.assert_close(m.generator_loss(r)["code distortion"], d)
    torch.testing.assert_close(m.reconstructor_loss(r)["code distortion"], d)


def test_the_reconstructor_follows_the_code_distortion_alone() -> None:
    m = model()
    found = losses(m, batch())
    assert set(found["reconstructor"]) == {"code distortion"}
    assert reaches(found["reconstructor"], m.reconstructor)
    assert not reaches(found["reconstructor"], m.critic)


def test_no_error_is_measured_between_examples() -> None:
    m = model()
    b = batch()
    other = b.replace(x=b.x + 5.0)
    one, two = losses(m, b), losses(m, other)
    for name in ("generator", "reconstructor"):
        for term in one[name]:
            assert torch.equal(one[name][term], two[name][term])
    assert not torch.equal(one["critic"]["adversarial"], two["critic"]["adversarial"])


def test_the_code_distortion_is_the_reconstructors_log_density() -> None:
    m = model()
    b = batch(3)
    q, z = m.encode(b.x), m.prior().sample((3,))
    d = (z - q.mean).square().sum(1)
    torch.testing.assert_close(q.log_prob(q.mean) - q.log_prob(z), d)


def test_the_critic_sees_codes_of_data_that_are_drawn() -> None:
    m = model()
    b = batch(4_000)
    off = m.real_pair(m(b))[1] - m.encode(b.x).mean
    torch.testing.assert_close(off.square().mean(), torch.tensor(0.5), atol=0.02, rtol=0)

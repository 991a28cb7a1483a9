import pytest
import torch
from torch import nn

from ganvas.errors import GanvasError
from ganvas.networks import (
    CodeCritic,
    Critic,
    Dcgan,
    Decoder,
    Encoder,
    Generator,
    GridEncoder,
    JointCritic,
    Mlp,
    Packed,
    Resnet,
    SumPooled,
    WithStddev,
)
from ganvas.nn.conditioning import ScoreHead
from ganvas.probability.distributions import DiagonalNormal
from ganvas.probability.likelihoods import Bernoulli, PixelScaleGaussian

BODIES = [Mlp(width=16), Dcgan(width=4), Resnet(width=4)]
SHAPE = (3, 16, 16)
each_body = pytest.mark.parametrize("body", BODIES, ids=lambda b: type(b).__name__)
each_classes = pytest.mark.parametrize("num_classes", [None, 3])


def assert_every_parameter_moves(network: nn.Module, out: torch.Tensor) -> None:
    (out * torch.randn_like(out)).sum().backward()
    for name, p in network.named_parameters():
        assert p.grad is not None and p.grad.any(), name


@each_body
@each_classes
def test_encoder_is_a_posterior(body, num_classes):
    encoder = Encoder(body.analysis(SHAPE, num_classes), 5)
    q = encoder(torch.randn(6, *SHAPE), torch.arange(6) % 3)
    assert isinstance(q, DiagonalNormal)
    assert q.batch_shape == (6,) and q.event_shape == (5,)
    assert_every_parameter_moves(encoder, q.rsample())


@each_body
@each_classes
@pytest.mark.parametrize("likelihood", [Bernoulli, PixelScaleGaussian])
def test_decoder_is_a_distribution_over_examples(body, num_classes, likelihood):
    head = likelihood()
    decoder = Decoder(body.synthesis(5, SHAPE, head.num_parameters, num_classes), head)
    p = decoder(torch.randn(6, 5), torch.arange(6) % 3)
    assert p.batch_shape == (6,) and p.event_shape == SHAPE
    assert_every_parameter_moves(decoder, p.log_prob(torch.rand(6, *SHAPE)))


def test_decoder_and_generator_refuse_a_synthesis_made_for_something_else():
    with pytest.raises(AssertionError, match="likelihood"):
        Decoder(Mlp().synthesis(5, SHAPE), PixelScaleGaussian())
    with pytest.raises(AssertionError, match="channels_per=1"):
        Generator(Mlp().synthesis(5, SHAPE, channels_per=2))


@each_body
@each_classes
def test_generator_stays_within_the_range_of_images(body, num_classes):
    generator = Generator(body.synthesis(5, SHAPE, num_classes=num_classes))
    out = generator(100 * torch.randn(6, 5), torch.arange(6) % 3)
    assert out.shape == (6, *SHAPE) and out.abs().max() <= 1
    assert_every_parameter_moves(generator, generator(torch.randn(6, 5), torch.arange(6) % 3))


def test_generator_of_points_is_unbounded():
    generator = Generator(Mlp().synthesis(2, (2,)))
    assert generator(1000 * torch.randn(50, 2)).abs().max() > 1


@each_body
@each_classes
def test_critic_is_head_of_features(body, num_classes):
    analysis = body.analysis(SHAPE)
    critic = Critic(analysis, ScoreHead(analysis.num_features, num_classes))
    x, y = torch.randn(6, *SHAPE), torch.arange(6) % 3
    h = critic.features(x)
    assert h.shape == (6, critic.num_features)
    assert torch.equal(critic(x, y), critic.head(h, y))
    assert critic(x, y).shape == (6,)
    assert_every_parameter_moves(critic, critic(x, y))
    if num_classes:
        with pytest.raises(GanvasError, match="no labels"):
            critic(x)


def test_critic_can_be_told_the_class_with_its_input():
    critic = Critic(Dcgan(width=4).analysis(SHAPE, num_classes=3))
    x, y = torch.randn(2, *SHAPE), torch.tensor([0, 1])
    assert not torch.equal(critic(x, y), critic(x, 1 - y))
    with pytest.raises(GanvasError, match="no labels"):
        critic(x)


@each_body
def test_pooling_and_stddev_wrap_any_analysis(body):
    analysis = body.analysis(SHAPE)
    x = torch.randn(4, *SHAPE)
    pooled = SumPooled(analysis)
    maps = analysis.maps(x)
    expected = maps.sum((2, 3)) if maps.ndim == 4 else maps
    assert torch.allclose(pooled(x), expected, atol=1e-4)
    assert pooled.num_features == expected.shape[1]
    spread = WithStddev(analysis)
    assert spread.maps(x).shape == (4, *spread.map_shape)
    assert spread.map_shape[0] == analysis.map_shape[0] + 1
    critic = Critic(WithStddev(analysis))
    assert_every_parameter_moves(critic, critic(x))


@each_classes
def test_code_critic(num_classes):
    z, y = torch.randn(6, 5), torch.arange(6) % 3
    critic = CodeCritic(5, width=16, num_classes=num_classes)
    assert critic(z, y).shape == (6,)
    assert_every_parameter_moves(critic, critic(z, y))
    assert CodeCritic(5, num_outputs=2)(z).shape == (6, 2)


@each_body
@each_classes
def test_joint_critic_depends_on_both(body, num_classes):
    critic = JointCritic(body.analysis(SHAPE, num_classes), 5, width=16)
    x, z, y = torch.randn(6, *SHAPE), torch.randn(6, 5), torch.arange(6) % 3
    scores = critic(x, z, y)
    assert scores.shape == (6,)
    assert not torch.equal(critic(x, z.flip(0), y), scores)
    assert not torch.equal(critic(x.flip(0), z, y), scores)
    assert_every_parameter_moves(critic, scores)


@each_body
def test_grid_encoder_fits_the_synthesis(body):
    analysis = body.analysis(SHAPE)
    size = analysis.map_shape[-1] if len(analysis.map_shape) == 3 else 4
    encoder = GridEncoder(analysis, (6, size, size))
    z_e = encoder(torch.randn(4, *SHAPE))
    assert z_e.shape == (4, 6, size, size)
    assert body.synthesis((6, size, size), SHAPE)(z_e).shape == (4, *SHAPE)
    assert_every_parameter_moves(encoder, z_e)


@pytest.mark.parametrize("shape", [SHAPE, (2,)], ids=str)
def test_packed_critic_is_the_critic_of_packs_laid_side_by_side(shape):
    body = Mlp(width=16) if len(shape) == 1 else Dcgan(width=4)
    packed = Packed(lambda s: Critic(body.analysis(s)), shape, pack=3)
    x = torch.randn(6, *shape)
    by_hand = torch.stack([torch.cat([x[0], x[1], x[2]]), torch.cat([x[3], x[4], x[5]])])
    assert torch.equal(packed(x), packed.critic(by_hand))
    assert torch.equal(packed(x), packed.head(packed.features(x)))
    assert packed(x).shape == (2,)
    assert packed.features(x).shape == (2, packed.num_features)
    assert_every_parameter_moves(packed, packed(x))


def test_packs_that_do_not_fit_are_refused():
    packed = Packed(lambda s: Critic(Mlp(width=16).analysis(s)), (2,), pack=3)
    with pytest.raises(GanvasError, match=r"7 examples do not make packs of 3(.|\n)*such as 9"):
        packed(torch.randn(7, 2))
    with pytest.raises(GanvasError, match="Choose 1 or more"):
        Packed(lambda s: Critic(Mlp().analysis(s)), (2,), pack=0)
    with pytest.raises(GanvasError, match="cannot use one class"):
        Packed(lambda s: Critic(Mlp().analysis(s, num_classes=3)), (2,), pack=2)


def test_networks_are_a_function_of_the_seed():
    def weights() -> torch.Tensor:
        torch.manual_seed(4)
        return torch.cat([p.flatten() for p in Generator(Dcgan(width=4).synthesis(5, SHAPE)).parameters()])

    assert torch.equal(weights(), weights())

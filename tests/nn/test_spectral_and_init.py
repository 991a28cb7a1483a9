import copy

import pytest
import torch
from torch import nn
from torch.nn.utils.parametrize import is_parametrized

from ganvas.networks import Critic, Dcgan, Generator, Resnet
from ganvas.nn.conditioning import ConditionalNorm, ScoreHead, conditional_batch_norm
from ganvas.nn.init import dcgan_init, xavier_init
from ganvas.nn.spectral import spectral

SHAPE = (3, 16, 16)


def spectral_critic() -> Critic:
    analysis = Resnet(width=8).analysis(SHAPE)
    return spectral(Critic(analysis, ScoreHead(analysis.num_features, 3)))


def test_every_weight_ends_with_largest_singular_value_one():
    critic = spectral_critic()
    x, y = torch.randn(2, *SHAPE), torch.tensor([0, 1])
    for _ in range(100):
        critic(x, y)
    critic.eval()
    layers = [m for m in critic.modules() if isinstance(m, nn.Conv2d | nn.Linear | nn.Embedding)]
    assert len(layers) == 10
    for layer in layers:
        assert is_parametrized(layer)
        assert torch.linalg.matrix_norm(layer.weight.flatten(1), 2).item() == pytest.approx(1, abs=0.02)


def test_transposed_convolutions_are_normalised_over_their_outputs():
    layer = spectral(nn.ConvTranspose2d(4, 6, 3))
    for _ in range(100):
        layer(torch.randn(1, 4, 5, 5))
    layer.eval()
    matrix = layer.weight.transpose(0, 1).flatten(1)
    assert torch.linalg.matrix_norm(matrix, 2).item() == pytest.approx(1, abs=0.01)


def test_deepcopy_and_state_dict_keep_the_function():
    critic = spectral_critic()
    x, y = torch.randn(2, *SHAPE), torch.tensor([0, 1])
    critic(x, y)
    twin = copy.deepcopy(critic).eval()
    assert torch.equal(twin(x, y), critic.eval()(x, y))
    with torch.no_grad():
        for p in critic.parameters():
            p.add_(0.1)
    assert not torch.equal(twin(x, y), critic(x, y)), "the copy has its own parameters"
    other = spectral_critic().eval()
    assert not torch.equal(other(x, y), critic(x, y))
    other.load_state_dict(critic.state_dict())
    assert torch.equal(other(x, y), critic(x, y))


def test_spectral_twice_is_once_and_conditional_gains_are_left_alone():
    synthesis = Dcgan(width=4).synthesis(5, SHAPE, num_classes=2, norm=conditional_batch_norm)
    generator = spectral(spectral(Generator(synthesis)))
    assert len(generator.synthesis.output.parametrizations.weight) == 1
    norms = [m for m in generator.modules() if isinstance(m, ConditionalNorm)]
    assert norms
    assert not any(is_parametrized(m) for norm in norms for m in norm.modules())
    assert torch.isfinite(generator(torch.randn(3, 5), torch.tensor([0, 1, 1]))).all()


def test_dcgan_init():
    generator = dcgan_init(Generator(Dcgan(width=32).synthesis(64, (3, 64, 64))))
    for layer in generator.modules():
        if isinstance(layer, nn.Linear | nn.ConvTranspose2d):
            assert layer.weight.std().item() == pytest.approx(0.02, rel=0.1)
            assert layer.bias is None or not layer.bias.any()
    gains = torch.cat([m.weight for m in generator.modules() if isinstance(m, nn.BatchNorm2d)])
    assert gains.mean().item() == pytest.approx(1, abs=0.005)
    assert gains.std().item() == pytest.approx(0.02, rel=0.2)


def test_xavier_init():
    layer = xavier_init(nn.Linear(300, 100))
    assert layer.weight.var().item() == pytest.approx(2 / 400, rel=0.05)
    assert not layer.bias.any()


def test_initialising_after_spectral_is_our_own_bug():
    with pytest.raises(AssertionError, match="before spectral"):
        dcgan_init(spectral_critic())

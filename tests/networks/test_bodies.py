from functools import partial

import pytest
import torch
from torch import nn

from ganvas.errors import GanvasError
from ganvas.networks import Body, Dcgan, Mlp, Resnet
from ganvas.networks.body import resolutions
from ganvas.nn.blocks import Maxout
from ganvas.nn.conditioning import conditional_batch_norm
from ganvas.nn.norms import batch_norm, instance_norm, layer_norm, no_norm

BODIES: list[Body] = [Mlp(width=16), Dcgan(width=4), Resnet(width=4)]
CONVOLUTIONAL: list[Body] = BODIES[1:]
SHAPES = [
    (1, 28, 28),
    (3, 32, 32),
    (4, 8, 8),
    (3, 9, 9),
    (1, 15, 15),
    (3, 30, 30),
    (1, 33, 33),
    (4, 63, 63),
    (3, 128, 128),
]


@pytest.mark.parametrize("shape", [*SHAPES, (2,)], ids=str)
@pytest.mark.parametrize("body", BODIES, ids=lambda b: type(b).__name__)
def test_every_shape_goes_in_and_comes_out(body, shape):
    if len(shape) == 1 and not isinstance(body, Mlp):
        with pytest.raises(GanvasError, match="`network='mlp'`"):
            body.analysis(shape)
        with pytest.raises(GanvasError, match="`network='mlp'`"):
            body.synthesis(5, shape)
        return
    analysis = body.analysis(shape)
    x = torch.randn(2, *shape)
    assert analysis(x).shape == (2, analysis.num_features)
    assert analysis.maps(x).shape == (2, *analysis.map_shape)
    for channels_per in (1, 2):
        out = body.synthesis(5, shape, channels_per)(torch.randn(2, 5))
        assert out.shape == (2, shape[0] * channels_per, *shape[1:])


@pytest.mark.parametrize("body", CONVOLUTIONAL, ids=lambda b: type(b).__name__)
def test_sizes_from_8_to_128_can_be_built(body):
    with torch.device("meta"):
        for size in [*range(8, 34), 47, 48, 63, 64, 65, 96, 100, 127, 128]:
            analysis = body.analysis((1, size, size))
            assert analysis(torch.empty(2, 1, size, size)).shape == (2, analysis.num_features)
            assert 4 <= analysis.map_shape[-1] <= 7
            assert body.synthesis(3, (1, size, size))(torch.empty(2, 3)).shape == (2, 1, size, size)


def test_resolutions_halve_down_to_4_to_7():
    assert resolutions("dcgan", (1, 28, 28), None) == [28, 14, 7]
    assert resolutions("dcgan", (1, 33, 33), None) == [33, 16, 8, 4]
    assert resolutions("dcgan", (1, 64, 64), None) == [64, 32, 16, 8, 4]
    assert resolutions("dcgan", (1, 64, 64), 2) == [64, 32, 16]


@pytest.mark.parametrize("body", CONVOLUTIONAL, ids=lambda b: type(b).__name__)
def test_images_that_cannot_be_built_are_refused(body):
    for shape in [(1, 7, 7), (3, 32, 48)]:
        with pytest.raises(GanvasError, match="square images of at least 8x8"):
            body.analysis(shape)
    for halvings in (0, 6):
        with pytest.raises(GanvasError, match="Choose 1 to 5 halvings"):
            type(body)(halvings=halvings).analysis((1, 32, 32))
    assert type(body)(width=4, halvings=5).synthesis(3, (1, 32, 32))(torch.randn(2, 3)).shape == (2, 1, 32, 32)


@pytest.mark.parametrize("norm", [batch_norm, layer_norm, instance_norm, no_norm, conditional_batch_norm])
@pytest.mark.parametrize("num_classes", [None, 3])
@pytest.mark.parametrize("body", BODIES, ids=lambda b: type(b).__name__)
def test_every_parameter_gets_a_gradient_under_every_norm(body, num_classes, norm):
    if isinstance(body, Mlp) and norm is instance_norm:
        with pytest.raises(GanvasError, match="layer_norm"):
            body.analysis((1, 16, 16), norm=norm)
        return
    y = torch.arange(6) % 3
    analysis = body.analysis((1, 16, 16), num_classes, norm)
    synthesis = body.synthesis(5, (1, 16, 16), 2, num_classes, norm)
    for network, given in [(analysis, torch.randn(6, 1, 16, 16)), (synthesis, torch.randn(6, 5))]:
        out = network(given, y)
        (out * torch.randn_like(out)).sum().backward()
        for name, p in network.named_parameters():
            assert p.grad is not None and p.grad.any(), name


@pytest.mark.parametrize("body", BODIES, ids=lambda b: type(b).__name__)
def test_labels_are_required_with_classes_and_ignored_without(body):
    shape, x, z, y = (1, 12, 12), torch.randn(2, 1, 12, 12), torch.randn(2, 5), torch.tensor([0, 1])
    for network, given in [(body.analysis(shape), x), (body.synthesis(5, shape).eval(), z)]:
        assert torch.equal(network(given), network(given, y))
    for network, given in [(body.analysis(shape, 3), x), (body.synthesis(5, shape, num_classes=3).eval(), z)]:
        with pytest.raises(GanvasError, match="no labels"):
            network(given)
        assert not torch.equal(network(given, y), network(given, 1 - y))


@pytest.mark.parametrize("body", [Mlp(width=16), Dcgan(width=4, halvings=2), Resnet(width=4, halvings=2)])
def test_a_grid_of_codes_grows_into_images(body):
    synthesis = body.synthesis((6, 7, 7), (3, 28, 28), num_classes=2)
    assert synthesis(torch.randn(2, 6, 7, 7), torch.tensor([0, 1])).shape == (2, 3, 28, 28)
    if not isinstance(body, Mlp):
        with pytest.raises(GanvasError, match="grid of 7x7 codes"):
            body.synthesis((6, 8, 8), (3, 28, 28))


def test_dcgan_is_the_papers():
    synthesis, analysis = (
        Dcgan(width=64).synthesis(100, (3, 64, 64)),
        Dcgan(width=64).analysis((3, 64, 64), norm=batch_norm),
    )
    transposed = [m for m in synthesis.modules() if isinstance(m, nn.ConvTranspose2d)]
    assert [m.in_channels for m in transposed] == [512, 256, 128, 64]
    assert synthesis.seed.layer[0].out_features == 512 * 4 * 4
    strided = [m for m in analysis.modules() if isinstance(m, nn.Conv2d)]
    assert [m.out_channels for m in strided] == [64, 128, 256, 512]
    assert all(m.kernel_size == (4, 4) and m.stride == (2, 2) and m.padding == (1, 1) for m in transposed + strided)
    assert len([m for m in analysis.modules() if isinstance(m, nn.BatchNorm2d)]) == 3, "none after the first"
    assert len([m for m in synthesis.modules() if isinstance(m, nn.BatchNorm2d)]) == 4, "none after the last"


def test_resnet_attends_at_one_resolution_and_only_where_there_is_one():
    body = Resnet(width=8, attention=14)
    analysis, synthesis = body.analysis((1, 28, 28)), body.synthesis(5, (1, 28, 28))
    for network, given in [(analysis, torch.randn(4, 1, 28, 28)), (synthesis, torch.randn(4, 5))]:
        gammas = [p for name, p in network.named_parameters() if name.endswith("gamma")]
        assert len(gammas) == 1
        nn.init.ones_(gammas[0])
        network(given).square().sum().backward()
        assert all(p.grad is not None and p.grad.any() for p in network.parameters())
    with pytest.raises(GanvasError, match="There is: 14"):
        Resnet(attention=16).analysis((1, 28, 28))


def test_resnet_widths_can_stay_equal():
    convolutions = [m for m in Resnet(width=12, growth=1).analysis((3, 32, 32)).modules() if isinstance(m, nn.Conv2d)]
    assert {m.out_channels for m in convolutions} == {12}


def test_mlp_of_maxout_is_pacgans_critic():
    body = Mlp(width=200, depth=3, activation=nn.Identity(), affine=partial(Maxout, pieces=5))
    analysis = body.analysis((2,))
    assert analysis(torch.randn(4, 2)).shape == (4, 200)
    assert sum(p.numel() for p in analysis.parameters()) == 3 * 1000 + 2 * (200 * 1000 + 1000)


def test_mlp_hidden_layers_do_not_share_a_learned_activation():
    analysis = Mlp(width=8, depth=2, activation=nn.PReLU()).analysis((2,))
    assert len([p for p in analysis.parameters() if p.shape == (1,)]) == 2


@pytest.mark.parametrize("body", CONVOLUTIONAL, ids=lambda b: type(b).__name__)
def test_channels_last_changes_nothing(body):
    analysis, x = body.analysis((3, 20, 20)), torch.randn(2, 3, 20, 20)
    expected = analysis(x)
    last = analysis.to(memory_format=torch.channels_last)
    assert torch.allclose(last(x.to(memory_format=torch.channels_last)), expected, atol=1e-5)


@pytest.mark.parametrize("norm", [layer_norm, instance_norm, no_norm])
@pytest.mark.parametrize("body", CONVOLUTIONAL, ids=lambda b: type(b).__name__)
def test_slopes_can_be_penalised(body, norm):
    analysis = body.analysis((1, 16, 16), norm=norm)
    x = torch.randn(3, 1, 16, 16, requires_grad=True)
    h = analysis(x)
    (slope,) = torch.autograd.grad((h * torch.randn_like(h)).sum(), x, create_graph=True)
    slope.square().sum().backward()
    assert all(p.grad is None or torch.isfinite(p.grad).all() for p in analysis.parameters())
    assert analysis.first.weight.grad.any() if isinstance(body, Dcgan) else analysis.first.conv1.weight.grad.any()

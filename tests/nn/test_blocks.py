import math

import pytest
import torch
from torch import nn

from ganvas.errors import GanvasError
from ganvas.nn.attention import SelfAttention
from ganvas.nn.blocks import FirstBlock, Maxout, MinibatchStddev, down_block, plain_block, up_block
from ganvas.nn.norms import batch_norm, instance_norm, layer_norm, no_norm


def test_maxout_takes_the_largest_piece_of_each_unit():
    maxout = Maxout(2, 3, pieces=2)
    with torch.no_grad():
        maxout.linear.weight.copy_(torch.tensor([[1.0, 0], [-1, 0], [0, 1], [0, -1], [1, 1], [0, 0]]))
        maxout.linear.bias.copy_(torch.tensor([0.0, 0, 0, 0, 0, 0.5]))
    out = maxout(torch.tensor([[3.0, -2.0], [-1.0, 0.25]]))
    # |x0|, |x1|, max(x0 + x1, 0.5)
    assert torch.equal(out, torch.tensor([[3.0, 2.0, 1.0], [1.0, 0.25, 0.5]]))


def test_minibatch_stddev_appends_the_mean_spread():
    h = torch.randn(6, 3, 4, 4)
    out = MinibatchStddev()(h)
    assert out.shape == (6, 4, 4, 4)
    assert torch.equal(out[:, :3], h)
    expected = h.numpy().std(axis=0).mean()
    assert torch.allclose(out[:, 3], torch.full((6, 4, 4), float(expected)), atol=1e-5)
    assert MinibatchStddev()(torch.randn(6, 5)).shape == (6, 6)


def test_minibatch_stddev_has_a_finite_slope_where_all_agree():
    h = torch.ones(4, 2, requires_grad=True)
    MinibatchStddev()(h).sum().backward()
    assert torch.isfinite(h.grad).all()


def test_residual_blocks_change_the_resolution():
    h = torch.randn(2, 4, 9, 9)
    assert up_block(4, 6, 19, batch_norm, None)(h).shape == (2, 6, 19, 19)
    assert down_block(4, 6, no_norm, None)(h).shape == (2, 6, 4, 4)
    assert plain_block(4, no_norm, None)(h).shape == h.shape
    assert FirstBlock(4, 6)(h).shape == (2, 6, 4, 4)


def test_a_residual_block_without_its_branch_is_its_shortcut():
    h = torch.randn(2, 4, 8, 8)
    for block, resample in [
        (down_block(4, 6, no_norm, None), nn.AvgPool2d(2)),
        (up_block(4, 6, 16, no_norm, None), nn.Upsample(scale_factor=2)),
    ]:
        nn.init.zeros_(block.conv2.weight)
        nn.init.zeros_(block.conv2.bias)
        # the shortcut is a 1x1 convolution and the resampling, in either order
        assert torch.allclose(block(h), resample(block.skip(h)), atol=1e-6)
    plain = plain_block(4, no_norm, None)
    nn.init.zeros_(plain.conv2.weight)
    nn.init.zeros_(plain.conv2.bias)
    assert torch.equal(plain(h), h)


def test_attention_starts_as_identity_and_then_averages_values():
    attention = SelfAttention(16)
    h = torch.randn(2, 16, 6, 6)
    assert torch.equal(attention(h), h)
    nn.init.ones_(attention.gamma)
    nn.init.zeros_(attention.query.weight)  # all positions attend equally: the mean of the pooled values everywhere
    pooled = torch.nn.functional.max_pool2d(attention.value(h), 2).mean(dim=(2, 3), keepdim=True)
    assert torch.allclose(attention(h), h + attention.output(pooled), atol=1e-6)


def test_attention_can_be_differentiated_twice():
    attention = SelfAttention(8)
    nn.init.ones_(attention.gamma)
    h = torch.randn(2, 8, 4, 4, requires_grad=True)
    (slope,) = torch.autograd.grad(attention(h).square().sum(), h, create_graph=True)
    slope.square().sum().backward()
    assert attention.query.weight.grad.abs().sum() > 0


@pytest.mark.parametrize("norm", [layer_norm, instance_norm])
def test_norms_for_penalised_critics_treat_each_example_alone(norm):
    layer = norm(4, 2)
    h = torch.randn(3, 4, 5, 5) * 3 + 1
    assert torch.allclose(layer(h)[:1], layer(h[:1]), atol=1e-6)
    dims = (1, 2, 3) if norm is layer_norm else (2, 3)
    assert torch.allclose(layer(h).mean(dims), torch.zeros(()), atol=1e-5)
    assert torch.allclose(layer(h).std(dims, correction=0), torch.ones(()), atol=1e-3)


def test_batch_norm_is_over_the_batch_and_no_norm_is_nothing():
    h = torch.randn(64, 4) * 5
    assert torch.allclose(batch_norm(4, 0)(h).mean(0), torch.zeros(4), atol=1e-5)
    assert torch.equal(no_norm(4, 0)(h), h)
    assert math.isclose(batch_norm(4, 2)(h[..., None, None]).std(correction=0).item(), 1, abs_tol=1e-3)


def test_instance_norm_of_features_is_refused():
    with pytest.raises(GanvasError, match="no"):
        instance_norm(4, 0)

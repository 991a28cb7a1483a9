import pytest
import torch

from ganvas.errors import GanvasError
from ganvas.nn.conditioning import (
    ClassChannel,
    ClassEmbedding,
    ClassHead,
    Concatenation,
    ConditionalNorm,
    ScoreHead,
    conditional_batch_norm,
)
from ganvas.nn.norms import Unconditional


def test_projection_score_is_linear_plus_inner_product_with_the_class():
    head = ScoreHead(5, num_classes=3)
    h, y = torch.randn(4, 5), torch.tensor([0, 2, 1, -1])
    w, b, v = head.linear.weight[0], head.linear.bias[0], head.projection.table.weight
    expected = [w @ h[i] + b + v[c] @ h[i] for i, c in enumerate([0, 2, 1, 3])]  # row 3: no label
    assert torch.allclose(head(h, y), torch.stack(expected), atol=1e-6)
    assert head(h, y).shape == (4,)


def test_score_without_classes_ignores_labels():
    head = ScoreHead(5)
    h = torch.randn(4, 5)
    assert torch.equal(head(h), head(h, torch.tensor([0, 1, 2, 3])))
    assert head(h).shape == (4,)


def test_conditional_batch_norm_scales_and_shifts_by_class():
    norm = conditional_batch_norm(2, 2, num_classes=3)
    assert isinstance(norm, ConditionalNorm)
    h, y = torch.randn(6, 2, 4, 4), torch.tensor([0, 1, 2, 0, 1, 2])
    normal = torch.nn.BatchNorm2d(2, affine=False)(h)
    assert torch.allclose(norm(h, y), normal, atol=1e-6)
    with torch.no_grad():
        norm.gain.table.weight[1] = torch.tensor([2.0, 3.0])
        norm.bias.table.weight[1] = torch.tensor([-1.0, 5.0])
    out = norm(h, y)
    assert torch.allclose(out[y != 1], normal[y != 1], atol=1e-6)
    expected = normal[1] * torch.tensor([2.0, 3.0])[:, None, None] + torch.tensor([-1.0, 5.0])[:, None, None]
    assert torch.allclose(out[1], expected, atol=1e-5)


def test_conditional_batch_norm_works_on_features_and_without_classes():
    assert conditional_batch_norm(2, 0, num_classes=3)(torch.randn(4, 2), torch.zeros(4, dtype=torch.long)).shape == (
        4,
        2,
    )
    assert isinstance(conditional_batch_norm(2, 0), Unconditional)


def test_concatenation_puts_the_class_beside_codes_and_grids():
    concatenation = Concatenation(4, size=3)
    y = torch.tensor([1, 3])
    z = torch.randn(2, 5)
    out = concatenation(z, y)
    assert torch.equal(out[:, :5], z)
    assert torch.equal(out[:, 5:], concatenation.embedding.table.weight[y])
    grid = concatenation(torch.randn(2, 5, 2, 2), y)
    assert torch.equal(grid[:, 5:, 1, 0], out[:, 5:])
    assert Concatenation(None)(z, y) is z


def test_class_channel_adds_a_picture():
    channel = ClassChannel(4, 6, 6)
    x, y = torch.randn(2, 3, 6, 6), torch.tensor([1, 3])
    out = channel(x, y)
    assert torch.equal(out[:, :3], x)
    assert torch.equal(out[:, 3].flatten(1), channel.embedding.table.weight[y])


def test_labels_that_are_missing_or_unknown_are_refused():
    embedding = ClassEmbedding(3, 2)
    with pytest.raises(GanvasError, match="got no labels"):
        embedding(None)
    with pytest.raises(GanvasError, match="no class 3"):
        embedding(torch.tensor([0, 3]))
    with pytest.raises(GanvasError, match="no class -2"):
        embedding(torch.tensor([0, -2]))
    assert torch.equal(embedding(torch.tensor([-1])), embedding.table.weight[3:])


def test_class_head_gives_logits():
    assert ClassHead(5, 3)(torch.randn(4, 5)).shape == (4, 3)

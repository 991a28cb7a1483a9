"""The sources that ganvas draws itself, and digits: what they hold, and that they never change."""

import math
import time

import pytest
import torch

from ganvas.data import Data, ImageOptions, open_data
from ganvas.errors import GanvasError

SMALL = {"limit": 124}


@pytest.fixture(scope="module")
def glyphs() -> Data:
    return open_data("glyphs")


def test_glyphs_are_what_their_labels_say(glyphs: Data) -> None:
    assert glyphs.train.x.shape == (19_840, 1, 28, 28) and glyphs.held_out.x.shape == (1_984, 1, 28, 28)
    assert glyphs.train.x.dtype == torch.uint8
    assert glyphs.info.classes[10] == "A" and len(glyphs.info.classes) == 62
    assert glyphs.train.y is not None and glyphs.train.text is not None and glyphs.held_out.y is not None
    assert set(glyphs.train.y.bincount().tolist()) == {320}
    assert set(glyphs.held_out.y.bincount().tolist()) == {32}
    texts = {glyphs.info.classes[y]: t for y, t in zip(glyphs.train.y.tolist(), glyphs.train.text, strict=True)}
    assert (
        texts["A"] == "latin capital letter a" and texts["a"] == "latin small letter a" and texts["7"] == "digit seven"
    )


def test_no_glyph_is_blank_or_cut_and_classes_can_be_told_apart(glyphs: Data) -> None:
    x, y = glyphs.train.x[:, 0].float() / 255, glyphs.train.y
    assert y is not None
    assert x.amax((1, 2)).min() > 0.6
    edge = torch.cat([x[:, 0], x[:, -1], x[:, :, 0], x[:, :, -1]], dim=1)
    assert (edge.amax(1) > 0.5).float().mean() < 0.001
    flat = x.flatten(1)
    means = torch.stack([flat[y == c].mean(0) for c in range(62)])
    held_out, labels = glyphs.held_out.x.flatten(1).float() / 255, glyphs.held_out.y
    nearest = torch.cdist(held_out, means).argmin(1)
    # Class means cannot separate o from O; a mix-up of labels would give 1/62.
    assert (nearest == labels).float().mean() > 0.5


def test_held_out_glyphs_are_other_draws(glyphs: Data) -> None:
    train = {bytes(row.numpy().tobytes()) for row in glyphs.train.x}
    held_out = [bytes(row.numpy().tobytes()) for row in glyphs.held_out.x]
    assert len(train) > 0.999 * len(glyphs.train)
    assert not train.intersection(held_out)


def test_a_limit_takes_the_first_glyphs_and_draws_only_these(glyphs: Data) -> None:
    few = open_data("glyphs", limit=100)
    assert torch.equal(few.train.x, glyphs.train.x[:100]) and torch.equal(few.held_out.x, glyphs.held_out.x[:100])
    start = time.process_time()
    open_data("glyphs", limit=10)
    assert time.process_time() - start < 1


def test_glyphs_of_another_size_and_in_colour() -> None:
    data = open_data("glyphs", ImageOptions(size=16, channels=3), **SMALL)
    assert data.info.shape == (3, 16, 16)
    assert torch.equal(data.train.x[:, 0], data.train.x[:, 2])


@pytest.mark.parametrize("source", ["glyphs", "digits", "sprites", "ring8", "grid25"])
def test_drawn_data_is_the_same_every_time(source: str) -> None:
    state = torch.get_rng_state()
    first, second = open_data(source, **SMALL), open_data(source, **SMALL)
    assert torch.equal(first.train.x, second.train.x) and torch.equal(first.held_out.x, second.held_out.x)
    assert len(first.train) == 124 and first.source == source
    assert torch.equal(state, torch.get_rng_state())


@pytest.mark.parametrize("source", ["glyphs", "digits", "sprites", "ring8"])
def test_the_mean_is_that_of_the_batches(source: str) -> None:
    data = open_data(source, **SMALL)
    mean = data.train.batch(torch.arange(len(data.train))).x.double().mean(0)
    assert data.info.mean is not None
    torch.testing.assert_close(data.info.mean.double(), mean, atol=1e-6, rtol=0)


def test_digits() -> None:
    data = open_data("digits")
    assert data.train.x.shape == (1500, 1, 8, 8) and len(data.held_out) == 297
    assert data.info.classes == tuple("0123456789")
    levels = torch.cat([data.train.x, data.held_out.x]).unique()
    assert levels.tolist() == [round(v * 255 / 16) for v in range(17)]
    zeros = data.train.x[data.train.y == 0].float().mean(0)[0]
    assert zeros[3:5, 3:5].mean() < 40 < zeros.mean()  # a nought is hollow


@pytest.fixture(scope="module")
def sprites() -> Data:
    return open_data("sprites")


def test_sprites_are_every_combination_of_the_factors_once(sprites: Data) -> None:
    assert sprites.factor_names == ("shape", "scale", "orientation", "x", "y")
    assert sprites.factor_sizes == (3, 6, 20, 12, 12)
    assert sprites.train.factors is not None and sprites.held_out.factors is not None
    factors = torch.cat([sprites.train.factors, sprites.held_out.factors])
    assert len(factors.unique(dim=0)) == len(factors) == math.prod(sprites.factor_sizes) == 51_840
    assert factors.amin(0).tolist() == [0] * 5
    assert (factors.amax(0) + 1).tolist() == list(sprites.factor_sizes)
    assert torch.equal(sprites.train.factors[:, 0], sprites.train.y)  # type: ignore[arg-type]
    assert sprites.train.x.unique().tolist() == [0, 255]


def test_sprites_lie_where_and_are_as_large_as_their_factors_say(sprites: Data) -> None:
    x, factors = (sprites.train.x[:, 0] > 0).float(), sprites.train.factors
    assert factors is not None
    area = x.sum((1, 2))
    along = torch.arange(32.0)
    centre_x, centre_y = (x.sum(1) @ along) / area, (x.sum(2) @ along) / area
    symmetric = factors[:, 0] < 2  # a heart's centre of mass is not its middle
    torch.testing.assert_close(centre_x[symmetric], 10 + factors[symmetric, 3].float(), atol=0.1, rtol=0)
    torch.testing.assert_close(centre_y[symmetric], 10 + factors[symmetric, 4].float(), atol=0.1, rtol=0)
    heart = ~symmetric
    assert (centre_x[heart] - 10 - factors[heart, 3]).abs().max() < 3
    for shape in range(3):
        areas = [area[(factors[:, 0] == shape) & (factors[:, 1] == s)].mean() for s in range(6)]
        # Area grows with the square of the scale, (1 / 0.5)^2 from the least to the most.
        assert areas == sorted(areas) and 3.5 < areas[-1] / areas[0] < 4.6
    edge = torch.cat([x[:, 0], x[:, -1], x[:, :, 0], x[:, :, -1]], dim=1)
    assert edge.sum() == 0


def test_an_ellipse_turns_with_its_orientation(sprites: Data) -> None:
    factors = torch.cat([sprites.train.factors, sprites.held_out.factors])  # type: ignore[list-item]
    x = torch.cat([sprites.train.x, sprites.held_out.x])[:, 0] > 0
    large = (factors[:, 0] == 1) & (factors[:, 1] == 5) & (factors[:, 3] == 5) & (factors[:, 4] == 5)
    pictures, turns = x[large], factors[large, 2]
    upright = pictures[turns == 5][0]
    assert torch.equal(upright, pictures[turns == 0][0].T)
    assert torch.equal(pictures[turns == 0][0], pictures[turns == 10][0])
    assert not torch.equal(pictures[turns == 0][0], upright)


@pytest.mark.slow
def test_sprites_are_drawn_not_scaled_at_multiples_of_their_size() -> None:
    data = open_data("sprites", ImageOptions(size=64), limit=200)
    assert data.info.shape == (1, 64, 64) and data.train.x.unique().tolist() == [0, 255]
    assert open_data("sprites", ImageOptions(size=48), limit=20).info.shape == (1, 48, 48)


@pytest.mark.parametrize(("source", "num_modes", "sigma"), [("ring8", 8, 0.01), ("grid25", 25, 0.05)])
def test_mixtures(source: str, num_modes: int, sigma: float) -> None:
    data = open_data(source)
    assert data.train.x.shape == (100_000, 2) and data.train.x.dtype == torch.float32 and data.info.shape == (2,)
    modes = data.info.modes
    assert modes is not None and modes.sigma == sigma and data.train.y is not None
    centres = torch.tensor(modes.centres)
    assert len(centres) == num_modes
    offsets = data.train.x - centres[data.train.y]
    # Standard errors: 1/sqrt(2N) of sigma for a scale over 2N coordinates, sqrt(N p (1 - p)) for counts.
    assert abs(offsets.std().item() / sigma - 1) < 4 / math.sqrt(2 * 200_000)
    expected = 100_000 / num_modes
    assert (data.train.y.bincount() - expected).abs().max() < 4.5 * math.sqrt(expected)
    assert torch.equal(torch.cdist(data.train.x, centres).argmin(1), data.train.y)
    # Within three sigmas in the plane: 1 - exp(-9/2), the 98.9 % of PacGAN's oracle.
    share = (offsets.norm(dim=1) < 3 * sigma).float().mean().item()
    assert abs(share - (1 - math.exp(-4.5))) < 0.002
    if source == "ring8":
        torch.testing.assert_close(centres.norm(dim=1), torch.ones(8))
    else:
        assert sorted(set(centres.flatten().tolist())) == [-4, -2, 0, 2, 4]


def test_points_have_no_size() -> None:
    with pytest.raises(GanvasError, match="points, not pictures"):
        open_data("ring8", ImageOptions(size=32))

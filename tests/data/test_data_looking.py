"""Pictures of tensors, and transforms of batches."""

import numpy as np
import pytest
import torch

from ganvas.core.batch import Batch
from ganvas.data import Binarize, Compose, DataInfo, HorizontalFlip, Modes, image_grid, points_picture, to_uint8
from ganvas.data.domains.rest import at_rest, awake
from ganvas.errors import GanvasError
from ganvas.machine import rng


def test_bytes_survive_the_way_to_floats_and_back() -> None:
    levels = torch.arange(256, dtype=torch.uint8)
    assert torch.equal(to_uint8(levels.float() / 127.5 - 1), levels)


def test_what_is_outside_or_not_a_number_can_be_shown() -> None:
    assert to_uint8(torch.tensor([-9.0, 9.0, float("nan"), float("inf")])).tolist() == [0, 255, 0, 255]


def test_a_grid_holds_every_image_in_its_place() -> None:
    shades = torch.linspace(-1, 1, 7)
    grid = image_grid(shades.view(7, 1, 1, 1).expand(7, 1, 28, 28), columns=3)
    zoom, gutter = 2, 2
    assert grid.mode == "RGB" and grid.size == (3 * (28 * zoom + gutter) + gutter, 3 * (28 * zoom + gutter) + gutter)
    pixels = np.asarray(grid)
    for i, shade in enumerate(to_uint8(shades).tolist()):
        top, left = gutter + i // 3 * 58, gutter + i % 3 * 58
        assert (pixels[top : top + 56, left : left + 56] == shade).all()
    assert (pixels[:, :2] == 208).all() and (pixels[-40:, -40:] == 208).all()


@pytest.mark.parametrize(("side", "zoom"), [(8, 8), (28, 2), (32, 2), (64, 1), (128, 1)])
def test_small_images_are_enlarged(side: int, zoom: int) -> None:
    assert image_grid(torch.zeros(1, 3, side, side)).size == (side * zoom + 4, side * zoom + 4)


def test_alpha_is_shown_on_white() -> None:
    x = torch.full((1, 4, 64, 64), -1.0)
    assert np.asarray(image_grid(x))[30, 30].tolist() == [255, 255, 255]
    x[:, 3] = 1
    assert np.asarray(image_grid(x))[30, 30].tolist() == [0, 0, 0]


def test_points_are_drawn_where_they_are() -> None:
    modes = Modes(((-1.0, -1.0), (1.0, 1.0)), 0.1)
    one = np.asarray(points_picture(torch.full((200, 2), 1.0), modes))
    other = np.asarray(points_picture(torch.full((200, 2), -1.0), modes))
    blue = [((p[..., 2].astype(int) - p[..., 0]) > 100) for p in (one, other)]
    (up, right), (down, left) = (np.argwhere(b).mean(0) for b in blue)
    assert one.shape == (480, 480, 3) and up < down and left < right
    assert one.tobytes() == np.asarray(points_picture(torch.full((200, 2), 1.0), modes)).tobytes()


def test_a_picture_of_points_does_not_depend_on_those_drawn_before() -> None:
    modes = Modes(((-1.0, -1.0), (1.0, 1.0)), 0.1)
    few, many = torch.full((5, 2), 0.5), torch.linspace(-1.2, 1.2, 2_000).view(1_000, 2)
    alone = points_picture(few, modes).tobytes()
    assert points_picture(many, modes).tobytes() != alone
    assert points_picture(few, Modes(((-1.0, -1.0), (2.0, 2.0)), 0.1)).tobytes() != alone
    assert points_picture(few, modes).tobytes() == alone


def test_each_domain_draws_its_examples() -> None:
    images, points = DataInfo((1, 28, 28)).domain, DataInfo((2,)).domain
    assert (images.kind, points.kind) == ("images", "points")
    assert images.picture(torch.zeros(4, 1, 28, 28), columns=4).size == (4 * 58 + 2, 60)
    with_modes = DataInfo((2,), modes=Modes(((0.0, 0.0), (5.0, 5.0)), 1.0)).domain
    assert with_modes.picture(torch.zeros(4, 2)).tobytes() != points.picture(torch.zeros(4, 2)).tobytes()
    with pytest.raises(GanvasError, match="no picture"):
        DataInfo((1,)).domain.picture(torch.zeros(4, 1))
    with pytest.raises(GanvasError, match="no pictures"):
        points.pixels(torch.zeros(4, 2))


def test_every_level_awakes_and_rests_unchanged() -> None:
    levels = torch.arange(256, dtype=torch.uint8)
    assert torch.equal(at_rest(awake(levels)), levels)
    assert awake(levels).min() == -1 and awake(levels).max() == 1
    assert torch.equal(awake(torch.tensor([3.0])), torch.tensor([3.0])), "points stay as they are"


def test_domains_say_in_words_what_they_are() -> None:
    assert [DataInfo(shape).domain.words() for shape in ((3, 8, 6), (1, 8, 8), (5,))] == [
        "6x8 colour images",
        "8x8 grey images",
        "points of 5 numbers",
    ]


def test_points_that_are_not_finite_do_not_break_the_picture() -> None:
    assert points_picture(torch.tensor([[float("nan"), 0.0], [float("inf"), 1.0], [0.0, 0.0]])).size == (480, 480)


def test_binarize_draws_white_as_often_as_the_pixel_is_bright() -> None:
    x = torch.tensor([-1.0, -0.5, 0.0, 0.9, 1.0]).repeat(40_000, 1).view(40_000, 1, 1, 5)
    torch.manual_seed(0)
    y = Binarize()(Batch(x, torch.arange(40_000)))
    assert y.x.unique().tolist() == [-1, 1] and y.y is not None
    white = (y.x > 0).float().mean(0).flatten()
    assert white[0] == 0 and white[-1] == 1
    torch.testing.assert_close(white, torch.tensor([0, 0.25, 0.5, 0.95, 1]), atol=4 * 0.5 / 200, rtol=0)
    torch.manual_seed(0)
    assert torch.equal(Binarize()(Batch(x)).x, y.x)


@pytest.mark.parametrize("transform", [Binarize(), HorizontalFlip()])
def test_two_processes_draw_what_one_draws(transform: Binarize | HorizontalFlip) -> None:
    x = torch.linspace(-1, 1, 8 * 6).view(8, 1, 2, 3)
    with rng.seeded("one"):
        whole = transform(Batch(x)).x
    for rank in (0, 1):
        with rng.seeded("one"), rng.share(rank, 2):
            assert torch.equal(transform(Batch(x[4 * rank : 4 * rank + 4])).x, whole[4 * rank : 4 * rank + 4])


def test_flip_mirrors_whole_images_with_its_probability() -> None:
    x = torch.arange(3.0).expand(4000, 2, 1, 3).contiguous()
    flipped = HorizontalFlip(0.25)(Batch(x)).x
    mirrored = (flipped == x.flip(-1)).all(-1).all(-1).all(-1)
    kept = (flipped == x).all(-1).all(-1).all(-1)
    assert bool((mirrored ^ kept).all()) and abs(mirrored.float().mean() - 0.25) < 0.03
    assert torch.equal(HorizontalFlip(0.0)(Batch(x)).x, x) and torch.equal(HorizontalFlip(1.0)(Batch(x)).x, x.flip(-1))


def test_compose_goes_from_left_to_right() -> None:
    def double(batch: Batch) -> Batch:
        return batch.replace(x=batch.x * 2)

    def increment(batch: Batch) -> Batch:
        return batch.replace(x=batch.x + 1)

    assert Compose(double, increment)(Batch(torch.ones(1))).x.item() == 3
    assert Compose()(Batch(torch.ones(1))).x.item() == 1

"""Which examples are held out: a matter of what they hold, not of their place or name."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from ganvas.data import Data, ImageOptions, open_data, summary
from ganvas.data.content import contents
from ganvas.data.sources.splits import LARGE_CLASS, by_content, keep_contents


def pictures(num: int, seed: int = 0, size: int = 4) -> Tensor:
    g = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (num, 1, size, size), generator=g, dtype=torch.uint8)


def held_out(x: Tensor, y: Tensor | None = None) -> set[int]:
    """The numbers of the held-out examples."""
    numbers = contents(x)
    return set(numbers[by_content(numbers, y)[1]].tolist())


def saved(path: Path, x: Tensor, **others: object) -> str:
    np.savez(path, x=x[:, 0].numpy(), **others)  # type: ignore[arg-type]
    return f"npz:{path}"


def both(data: Data) -> tuple[set[int], set[int]]:
    train, held = (set(contents(split.x).tolist()) for split in (data.train, data.held_out))
    return train, held


def test_equal_examples_have_equal_numbers_and_others_do_not() -> None:
    x = pictures(5_000)
    assert len(contents(x).unique()) == 5_000
    assert torch.equal(contents(x.flip(0)), contents(x).flip(0))
    points = torch.randn(20_000, 2, generator=torch.Generator().manual_seed(0))
    assert len(contents(points).unique()) == 20_000
    assert contents(torch.tensor([[0.0, 1.0]])) == contents(torch.tensor([[-0.0, 1.0]]))
    assert contents(torch.zeros(1, 1, 2, 8, dtype=torch.uint8)) != contents(torch.zeros(1, 1, 4, 4, dtype=torch.uint8))


def test_a_grey_picture_is_the_same_with_three_channels() -> None:
    x = pictures(10)
    assert torch.equal(contents(x.expand(-1, 3, -1, -1)), contents(x))
    colour = x.repeat(1, 3, 1, 1)
    colour[:, 0] ^= 1
    assert not torch.isin(contents(colour), contents(x)).any()


def test_a_tenth_is_held_out_whatever_the_order() -> None:
    x = pictures(10_000)
    assert held_out(x) == held_out(x.flip(0))
    assert abs(len(held_out(x)) - 1_000) < 4 * 30  # four standard deviations of a binomial


def test_an_example_more_moves_no_other() -> None:
    x, more = pictures(1_000), pictures(300, seed=1)
    assert held_out(torch.cat([more, x])) & set(contents(x).tolist()) == held_out(x)


def test_equal_examples_stand_on_one_side() -> None:
    x = pictures(200).repeat(5, 1, 1, 1)
    numbers = contents(x)
    train, held = (set(numbers[rows].tolist()) for rows in by_content(numbers))
    assert not train & held and len(train | held) == 200


def test_no_class_is_without_a_training_example_and_every_large_one_is_held_out() -> None:
    for seed in range(30):
        sizes = [1, 2, 3, LARGE_CLASS, 40]
        y = torch.repeat_interleave(torch.arange(5), torch.tensor(sizes))
        train, held = by_content(contents(pictures(sum(sizes), seed)), y)
        assert set(y[train].tolist()) == set(range(5))
        assert {3, 4} <= set(y[held].tolist()) and len(held) < 20


@pytest.mark.parametrize("num", range(1, 8))
def test_neither_split_of_tiny_data_is_empty(num: int) -> None:
    for seed in range(40):
        train, held = by_content(contents(pictures(num, seed)))
        assert sorted([*train.tolist(), *held.tolist()]) == list(range(num)) and len(train)
        assert bool(len(held)) == (num > 1)


def test_what_is_all_the_same_is_trained_on() -> None:
    train, held = by_content(contents(torch.zeros(20, 1, 4, 4, dtype=torch.uint8)))
    assert (len(train), len(held)) == (20, 0)


def test_a_limit_takes_examples_by_content() -> None:
    numbers = contents(pictures(1_000))
    kept = set(numbers[keep_contents(numbers, 100)].tolist())
    assert len(kept) == 100 and kept == set(numbers.flip(0)[keep_contents(numbers.flip(0), 100)].tolist())


def test_rows_of_npz_are_split_by_content(tmp_path: Path) -> None:
    x = pictures(300)
    first = both(open_data(saved(tmp_path / "a.npz", x)))
    assert both(open_data(saved(tmp_path / "b.npz", x.flip(0)))) == first
    one_more = both(open_data(saved(tmp_path / "c.npz", torch.cat([pictures(1, seed=9), x]))))
    assert len(one_more[0] - first[0]) + len(one_more[1] - first[1]) == 1


def test_points_are_split_by_content(tmp_path: Path) -> None:
    points = torch.randn(300, 2, generator=torch.Generator().manual_seed(0))
    np.savez(tmp_path / "a.npz", x=points.numpy())
    np.savez(tmp_path / "b.npz", x=points.flip(0).numpy())
    assert both(open_data(f"npz:{tmp_path / 'a.npz'}")) == both(open_data(f"npz:{tmp_path / 'b.npz'}"))


def test_files_are_split_by_content_whatever_their_names(tmp_path: Path) -> None:
    for i, picture in enumerate(pictures(60)):
        for folder, name in (("a", f"{i}.png"), ("b", f"{97 * (i + 1) % 61}.png")):
            (tmp_path / folder).mkdir(exist_ok=True)
            Image.fromarray(picture[0].numpy()).save(tmp_path / folder / name)
    first = both(open_data(str(tmp_path / "a")))
    assert first == both(open_data(str(tmp_path / "b"))) and first[1]
    copies = tmp_path / "copies"
    for name in ("a", "b"):
        (copies / name).mkdir(parents=True)
        for file in (tmp_path / name).iterdir():
            (copies / name / file.name).write_bytes(file.read_bytes())
    train, held = both(open_data(str(copies)))
    assert not train & held


def test_no_sprite_is_held_out_that_is_trained_on() -> None:
    data = open_data("sprites")
    train, held = both(data)
    assert not train & held and 0.08 < len(data.held_out) / 51_840 < 0.12
    facts = summary(data)["duplicates"]
    assert facts["held out and in train"] == 0 and facts["in train"] > 10_000
    old = summary(open_data("sprites", ImageOptions(split_by="name")))["duplicates"]
    assert old["held out and in train"] > 3_000  # why the split is by content


def test_the_split_of_version_0_1_0_is_still_there(tmp_path: Path) -> None:
    """Runs that began with it go on with it: row 8 and others are held out whatever they hold."""
    old = ImageOptions(split_by="name")
    first, second = (open_data(saved(tmp_path / f"{n}.npz", pictures(50, seed=n)), old) for n in (0, 1))
    rows = [int((pictures(50).flatten(1) == row.flatten()).all(1).nonzero()[0]) for row in first.held_out.x]
    assert torch.equal(pictures(50, seed=1)[rows], second.held_out.x)


def test_duplicates_on_both_sides_are_counted_where_the_source_gives_the_split(tmp_path: Path) -> None:
    x = pictures(20)
    np.savez(tmp_path / "a.npz", x_train=x[:15, 0].numpy(), x_test=x[12:, 0].numpy())
    data = open_data(f"npz:{tmp_path / 'a.npz'}")
    assert (len(data.train), len(data.held_out)) == (15, 8)
    assert summary(data)["duplicates"] == {"in train": 0, "in held out": 0, "held out and in train": 3}

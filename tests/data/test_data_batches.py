"""The order of data: a pure function of the seed and of the images seen."""

from itertools import islice

import pytest
import torch

from ganvas.data import Split, batches
from ganvas.errors import GanvasError


def numbered(num: int) -> Split:
    """Points that say which example they are."""
    x = torch.arange(num, dtype=torch.float32)[:, None].expand(num, 2).contiguous()
    return Split(x, torch.arange(num), tuple(str(i) for i in range(num)))


def seen(split: Split, count: int, **options: int) -> list[int]:
    return [int(i) for batch in islice(batches(split, **options), count) for i in batch.x[:, 0]]  # type: ignore[arg-type]


def test_every_epoch_sees_every_example_once_and_no_batch_is_ragged() -> None:
    order = seen(numbered(10), 5, batch_size=4, seed=0)
    assert len(order) == 20
    assert sorted(order[:10]) == sorted(order[10:]) == list(range(10))
    assert order[:10] != order[10:]


@pytest.mark.parametrize("images_seen", [1, 4, 9, 10, 37, 1_000_003])
def test_a_resumed_run_sees_what_it_would_have_seen(images_seen: int) -> None:
    split = numbered(11)
    start = max(0, images_seen - 13)
    one_by_one = seen(split, images_seen - start + 60, batch_size=1, seed=3, images_seen=start)
    resumed = seen(split, 12, batch_size=5, seed=3, images_seen=images_seen)
    assert resumed == one_by_one[images_seen - start :]


def test_the_seed_decides() -> None:
    split = numbered(50)
    assert seen(split, 2, batch_size=25, seed=1) == seen(split, 2, batch_size=25, seed=1)
    assert seen(split, 2, batch_size=25, seed=1) != seen(split, 2, batch_size=25, seed=2)


def test_the_batch_size_does_not_change_the_sequence() -> None:
    split = numbered(12)
    assert seen(split, 6, batch_size=4, seed=0) == seen(split, 3, batch_size=8, seed=0)


@pytest.mark.parametrize("world_size", [2, 3, 6])
def test_workers_share_the_same_global_batches(world_size: int) -> None:
    split = numbered(10)
    alone = list(islice(batches(split, 6, seed=0, images_seen=7), 5))
    workers = [
        list(islice(batches(split, 6, seed=0, images_seen=7, rank=r, world_size=world_size), 5))
        for r in range(world_size)
    ]
    for i, batch in enumerate(alone):
        assert torch.equal(batch.x, torch.cat([w[i].x for w in workers]))
        assert batch.text == tuple(t for w in workers for t in w[i].text or ())


def test_labels_and_texts_stay_beside_their_examples() -> None:
    batch = next(batches(numbered(20), 20, seed=5))
    assert batch.y is not None and batch.text is not None
    assert batch.y.tolist() == batch.x[:, 0].long().tolist() == [int(t) for t in batch.text]


def test_what_is_unknown_stays_none() -> None:
    batch = next(batches(Split(torch.zeros(4, 2)), 4, seed=0))
    assert batch.y is None and batch.text is None


def test_images_become_floats_in_minus_one_to_one() -> None:
    x = torch.arange(256, dtype=torch.uint8).view(1, 1, 16, 16)
    batch = Split(x).batch(torch.tensor([0]))
    assert batch.x.dtype == torch.float32
    assert torch.equal(batch.x.flatten(), torch.arange(256) / 127.5 - 1)
    assert batch.x.min() == -1 and batch.x.max() == 1


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"batch_size": 11}, "larger than the data with its 10"),
        ({"batch_size": 0}, "not possible"),
        ({"batch_size": 9, "world_size": 2}, "cannot be divided evenly between 2 processes"),
    ],
)
def test_impossible_batches_are_refused_before_the_first_is_drawn(options: dict[str, int], says: str) -> None:
    with pytest.raises(GanvasError, match=says):
        batches(numbered(10), seed=0, **options)  # type: ignore[arg-type]

"""Few labels: who keeps theirs, and how often training sees them."""

from itertools import islice

import pytest
import torch

from ganvas.data import DataInfo, Split, batches, keep_labels
from ganvas.errors import GanvasError

INFO = DataInfo(shape=(2,), classes=("a", "b", "c"), num_train=90)


def labelled(num: int = 90) -> Split:
    x = torch.arange(num, dtype=torch.float32)[:, None].expand(num, 2).contiguous()
    return Split(x, torch.arange(num) % 3)


@pytest.mark.parametrize("num", [3, 6, 7, 89])
def test_so_many_labels_stay_as_many_of_each_class(num: int) -> None:
    split, full = keep_labels(labelled(), INFO, num, seed=0), labelled()
    known = split.y >= 0
    assert int(known.sum()) == num
    assert torch.equal(split.y[known], full.y[known])
    counts = torch.bincount(split.y[known], minlength=3)
    assert int(counts.max() - counts.min()) <= 1
    assert torch.equal(split.x, full.x)


def test_the_seed_chooses() -> None:
    chosen = [keep_labels(labelled(), INFO, 9, seed).y for seed in (0, 0, 1)]
    assert torch.equal(chosen[0], chosen[1])
    assert not torch.equal(chosen[0], chosen[2])


def test_examples_without_a_label_stay_without() -> None:
    split = labelled()
    split.y[:60] = -1
    kept = keep_labels(split, INFO, 12, seed=0).y
    assert int((kept >= 0).sum()) == 12
    assert (kept[:60] == -1).all()


def test_what_cannot_be_kept_is_an_error() -> None:
    with pytest.raises(GanvasError, match="2 labels are too few for 3 classes"):
        keep_labels(labelled(), INFO, 2, seed=0)
    with pytest.raises(GanvasError, match="no labels"):
        keep_labels(Split(torch.zeros(4, 2)), DataInfo(shape=(2,)), 4, seed=0)
    with pytest.raises(GanvasError, match="has 30 labelled examples, and 93 labels take 31"):
        keep_labels(labelled(), INFO, 93, seed=0)


def seen(split: Split, count: int, **options) -> torch.Tensor:
    return torch.cat([b.x[:, 0].long() for b in islice(batches(split, labelled_share=0.25, **options), count)])


def test_every_batch_has_its_share_of_labelled_examples() -> None:
    split = keep_labels(labelled(), INFO, 6, seed=0)
    for batch in islice(batches(split, 8, seed=0, labelled_share=0.25), 30):
        assert int((batch.y >= 0).sum()) == 2


def test_labelled_and_other_examples_take_turns_of_their_own() -> None:
    split = keep_labels(labelled(), INFO, 6, seed=0)
    rows = seen(split, 28, batch_size=4, seed=0)  # an epoch of the 84 others; 28 places for the 6
    counts = torch.bincount(rows, minlength=90)
    assert (counts[split.y < 0] == 1).all()
    assert sorted(counts[split.y >= 0].tolist()) == [4, 4, 5, 5, 5, 5]


def test_the_order_is_a_pure_function_of_the_images_seen_and_shared_by_workers() -> None:
    split = keep_labels(labelled(), INFO, 4, seed=0)
    alone = seen(split, 40, batch_size=6, seed=3)
    assert torch.equal(seen(split, 10, batch_size=6, seed=3, images_seen=97), alone[97:157])
    assert torch.equal(seen(split, 20, batch_size=12, seed=3), alone)
    workers = [list(islice(batches(split, 6, 3, 12, r, 2, labelled_share=0.25), 5)) for r in range(2)]
    both = torch.cat([torch.cat([a.x[:, 0], b.x[:, 0]]) for a, b in zip(*workers, strict=True)])
    assert torch.equal(both.long(), alone[12:42])


def test_a_batch_may_take_labelled_examples_several_times() -> None:
    split = keep_labels(labelled(), INFO, 3, seed=0)
    batch = next(batches(split, 40, seed=0, labelled_share=0.25))
    assert int((batch.y >= 0).sum()) == 10


@pytest.mark.parametrize("num", [30, 90])
def test_where_labels_are_many_the_order_is_the_usual_one(num: int) -> None:
    split = labelled() if num == 90 else keep_labels(labelled(), INFO, num, seed=0)
    usual = torch.cat([b.x[:, 0].long() for b in islice(batches(split, 9, seed=0), 10)])
    assert torch.equal(seen(split, 10, batch_size=9, seed=0), usual)

"""The examples that stand for all: curves and pages must not show the first class alone."""

import json
from pathlib import Path

import numpy as np
import torch

import ganvas
from ganvas.data import Split, open_data, representative
from ganvas.jobs import job as jobs
from ganvas.jobs.signals import Examination


def labelled(*sizes: int) -> Split:
    y = torch.repeat_interleave(torch.arange(len(sizes)), torch.tensor(sizes))
    return Split(torch.zeros(len(y), 1), y)


def counts(split: Split, rows: torch.Tensor, num_classes: int) -> list[int]:
    assert split.y is not None
    return split.y[rows].bincount(minlength=num_classes).tolist()


def test_every_first_part_has_each_class_with_its_share() -> None:
    split = labelled(500, 300, 150, 50)
    for seed in range(20):
        rows = representative(split, 400, seed)
        assert len(rows.unique()) == 400
        for num in (20, 100, 333, 400):
            for found, share in zip(counts(split, rows[:num], 4), (0.5, 0.3, 0.15, 0.05), strict=True):
                assert abs(found - num * share) < 2, (seed, num)


def test_the_choice_follows_from_the_seed_alone() -> None:
    split = labelled(100, 100)
    assert torch.equal(representative(split, 50), representative(split, 100)[:50])
    assert torch.equal(representative(split, 50, 1), representative(split, 50, 1))
    assert not torch.equal(representative(split, 50, 1), representative(split, 50, 2))


def test_all_examples_are_there_when_more_are_asked_for() -> None:
    for split in (labelled(5, 2), Split(torch.zeros(7, 1)), Split(torch.zeros(7, 1), torch.full((7,), -1))):
        assert sorted(representative(split, 100).tolist()) == list(range(7))
    assert len(representative(Split(torch.zeros(0, 1)), 5)) == 0


def test_within_a_class_no_place_is_preferred() -> None:
    """The mean place of 200 of 1,000 rows: its standard error is 289 / sqrt(200) · sqrt(0.8)."""
    rows = representative(labelled(1_000), 200).double()
    assert abs(rows.mean() - 499.5) < 4 * 289 / 200**0.5
    assert not torch.equal(rows, rows.sort().values)


def by_class(tmp_path: Path) -> str:
    """Ten classes, whose held-out examples stand one class after the other; a picture's grey is its class."""
    y = torch.repeat_interleave(torch.arange(10), 40)
    g = torch.Generator().manual_seed(0)
    x = (25 * y[:, None, None] + torch.randint(0, 20, (400, 8, 8), generator=g)).to(torch.uint8)
    np.savez(tmp_path / "a.npz", x_train=x.numpy(), y_train=y.numpy(), x_test=x.flip(2).numpy(), y_test=y.numpy())
    return f"npz:{tmp_path / 'a.npz'}"


def test_held_out_curves_are_of_all_classes(tmp_path: Path, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    seen: list[torch.Tensor] = []
    real = jobs.Validate

    def spy(when, record, batches):  # type: ignore[no-untyped-def]
        seen.extend(batch.y for batch in batches())
        return real(when, record, batches)

    monkeypatch.setattr(jobs, "Validate", spy)
    run = ganvas.train(
        "vae", data=by_class(tmp_path), out=tmp_path / "run", images=64, batch_size=32, quiet=True, network="mlp",
        width=8, latent=2,
    )  # fmt: skip
    found = torch.cat(seen).bincount(minlength=10)
    assert found.sum() == 256 and found.min() >= 25 and found.max() <= 26
    assert json.loads((run.path / "metrics.jsonl").read_text().splitlines()[0])


def test_vital_signs_are_of_all_classes(tmp_path: Path) -> None:
    examination = Examination(open_data(by_class(tmp_path)), 0, "cpu")
    assert examination.held_out.y is not None
    found = examination.held_out.y.bincount(minlength=10)
    assert found.max() - found.min() <= 2

"""Labels: numbers of classes, classes without training examples, and few labels."""

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from ganvas.data.dataset import Data, DataInfo, Split
from ganvas.errors import GanvasError, option
from ganvas.machine.rng import generator


def numbered(labels: Sequence[Tensor]) -> tuple[list[Tensor], list[str]]:
    """Labels of several splits as class numbers from 0 without gaps, and the classes' names: the labels as they were.

    labels: whole numbers, each (N,); -1, for no label, stays. Labels that begin at 1, or leave numbers out, would
    otherwise make classes of which there is no example.
    """
    values = torch.cat([y.long() for y in labels]).unique()
    values = values[values >= 0]
    found = [torch.where(y < 0, -1, torch.searchsorted(values, y.long())) for y in labels]
    return found, [str(value) for value in values.tolist()]


def without_unseen(data: Data) -> Data:
    """The data without classes of which there is no training example: nothing can be learnt of them.

    Held-out examples of such a class stay, without a label.
    """
    y, classes = data.train.y, data.info.classes
    if y is None or not classes:
        return data
    seen = y[y >= 0].unique()
    if len(seen) == len(classes):
        return data
    number = torch.full((len(classes) + 1,), -1)  # the last place is that of -1, no label
    number[seen] = torch.arange(len(seen))
    train, held_out = (s if s.y is None else replace(s, y=number[s.y]) for s in (data.train, data.held_out))
    gone = sorted(set(range(len(classes))) - set(seen.tolist()))
    names = ", ".join(classes[i] for i in gone[:5]) + (" ..." if len(gone) > 5 else "")
    num = 0 if data.held_out.y is None else int(torch.isin(data.held_out.y, torch.tensor(gone)).sum())
    what = f"{len(gone)} classes have" if len(gone) > 1 else "1 class has"
    note = f"{what} no training example, and {num:,} held-out examples of it count as unlabelled: {names}."
    info = replace(data.info, classes=tuple(classes[i] for i in seen.tolist()))
    return replace(data, train=train, held_out=held_out, info=info, notes=(*data.notes, note))


def keep_labels(split: Split, info: DataInfo, num: int, seed: int) -> Split:
    """The same examples; only `num` keep their labels, equally many per class. The others become -1.

    The seed chooses them. If `num` is not divisible by the number of classes, some classes (by the seed) have one label
    more. Raises GanvasError without classes, for fewer labels than classes, or for too few examples of a class.
    """
    classes = len(info.classes)
    if split.y is None or not classes:
        raise GanvasError("This data has no labels.", f"Leave out {option('labels')}.")
    if num < classes:
        raise GanvasError(
            f"{num} labels are too few for {classes} classes.",
            f"Use {option('labels', classes)} or more: one of each class.",
        )
    shares = torch.full((classes,), num // classes)
    shares[torch.randperm(classes, generator=generator(seed, "labels", "more"))[: num % classes]] += 1
    kept = torch.full_like(split.y, -1)
    for number, share in enumerate(shares.tolist()):
        members = (split.y == number).nonzero().squeeze(1)
        if len(members) < share:
            raise GanvasError(
                f"Class {info.classes[number]!r} has {len(members)} labelled examples, and {num} labels take {share} of it.",
                f"Give fewer {option('labels')}.",
            )
        chosen = members[torch.randperm(len(members), generator=generator(seed, "labels", number))[:share]]
        kept[chosen] = number
    return replace(split, y=kept)

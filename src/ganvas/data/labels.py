"""Few labels: all but some examples lose theirs."""

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from ganvas.data.dataset import DataInfo, Split
from ganvas.errors import GanvasError
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


def keep_labels(split: Split, info: DataInfo, num: int, seed: int) -> Split:
    """The same examples, of which `num` keep their labels, as many of each class; the others' become -1.

    Which ones is a pure function of the seed. Where `num` does not divide among the classes, some chosen by the seed have
    one label more. Raises GanvasError when there are no classes, fewer labels than classes, or too few examples of one.
    """
    classes = len(info.classes)
    if split.y is None or not classes:
        raise GanvasError("This data has no labels that could be kept.", "Leave out --labels.")
    if num < classes:
        raise GanvasError(
            f"{num} labels do not reach for {classes} classes.", f"Give --labels {classes} or more: one of each class."
        )
    shares = torch.full((classes,), num // classes)
    shares[torch.randperm(classes, generator=generator(seed, "labels", "more"))[: num % classes]] += 1
    kept = torch.full_like(split.y, -1)
    for number, share in enumerate(shares.tolist()):
        members = (split.y == number).nonzero().squeeze(1)
        if len(members) < share:
            raise GanvasError(
                f"Class {info.classes[number]!r} has {len(members)} labelled examples, and {num} labels take {share} of it.",
                "Give fewer --labels.",
            )
        chosen = members[torch.randperm(len(members), generator=generator(seed, "labels", number))[:share]]
        kept[chosen] = number
    return replace(split, y=kept)

"""Representative examples, for curves and pages."""

import torch
from torch import Tensor

from ganvas.data.dataset import Split
from ganvas.machine.rng import generator


def representative(split: Split, num: int, seed: int = 0) -> Tensor:
    """Rows of at most `num` examples in random order, each class with its share, int64 (min(num, N),).

    Any first part of them has each class with its share as well, to within one example or two. Examples without a label
    count as a class. The choice follows from the seed and the classes alone.
    """
    g = generator(seed, "representative")
    shuffled = torch.randperm(len(split), generator=g)
    if split.y is None or not len(split):
        return shuffled[:num]
    # The r-th of a class of n examples comes at (r + u) / n of the whole, with one u of each class.
    _, label, counts = split.y[shuffled].unique(return_inverse=True, return_counts=True)
    by_class = label.argsort(stable=True)
    first = counts.cumsum(0) - counts
    rank = torch.empty(len(split), dtype=torch.float64)
    rank[by_class] = torch.arange(len(split), dtype=torch.float64) - first[label[by_class]]
    offset = torch.rand(len(counts), generator=g, dtype=torch.float64)
    place = (rank + offset[label]) / counts[label]
    return shuffled[place.argsort(stable=True)][:num]

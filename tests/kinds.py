"""Small data of the kind that a recipe learns."""

import torch

from ganvas.core.batch import Batch
from ganvas.data import DataInfo
from ganvas.data.domains.codes import Tokens
from ganvas.machine import rng
from ganvas.recipes import RECIPES
from ganvas.training.recipe import example, learnt


def info_for(name: str, info: DataInfo) -> DataInfo:
    """`info` if the recipe learns its kind of examples, else an example of the first kind that it learns."""
    function = RECIPES[name]
    return info if info.domain.kind in learnt(function) else example(function)


def batch_of(info: DataInfo, seed: int = 0, num: int = 32) -> Batch:
    """Random examples, with classes if the data has some."""
    g, domain = rng.generator(seed), info.domain
    if isinstance(domain, Tokens):
        x = torch.randint(domain.num_tokens, (num, *info.shape), generator=g)
    else:
        x = torch.rand((num, *info.shape), generator=g) * 2 - 1
    return Batch(x, torch.randint(len(info.classes), (num,), generator=g) if info.classes else None)

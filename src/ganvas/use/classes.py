"""The requested class of a conditional run."""

import torch
from torch import Tensor

from ganvas.errors import GanvasError, did_you_mean
from ganvas.use.run import Run


def class_numbers(run: Run, name: str, num: int) -> Tensor:
    """(num,) class numbers for a class name, or for "all"."""
    if name == "all" and "all" not in run.info.classes:
        must_be_conditional(run)
        return torch.arange(num) * len(run.info.classes) // num
    return one_class(run, name).expand(num)


def one_class(run: Run, name: str) -> Tensor:
    """(1,) the number of a class. Raises GanvasError for an unknown class or an unconditional run."""
    must_be_conditional(run)
    names = run.info.classes
    if name not in names:
        raise GanvasError(f"There is no class {name!r}.", did_you_mean(name, names))
    return torch.tensor([names.index(name)])


def must_be_conditional(run: Run) -> None:
    if not run.recipe.num_classes:
        raise GanvasError(
            f"Run {run.path} is not conditional: it was trained without classes.",
            "Train a conditional recipe: cgan, acgan or cvae.",
        )

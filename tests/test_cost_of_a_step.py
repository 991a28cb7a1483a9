"""How many operations and allocations a training step makes: a guard that needs no clock."""

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from ganvas.core.batch import Batch
from ganvas.data import DataInfo, Split, batches
from ganvas.machine import rng
from ganvas.recipes import RECIPES
from ganvas.training.recipe import build
from ganvas.training.trainer import Trainer

# Operations, allocations, and kilobytes allocated by the batch of 16 and the step on it: ceilings, raised by whoever can say
# what the new ones buy. A ceiling that is 15 % too high fails as well: it would let as much slip in.
CEILINGS: dict[str, tuple[dict[str, Any], tuple[int, ...], tuple[int, int, int]]] = {
    "vae": ({"network": "mlp", "width": 32}, (1, 28, 28), (176, 112, 695)),
    "gan": ({"network": "mlp", "width": 32}, (2,), (313, 171, 178)),
    "vaegan": ({"width": 4}, (1, 28, 28), (486, 336, 9261)),
    "dcgan": ({"width": 4}, (3, 32, 32), (222, 206, 3609)),
}


class Cost(TorchDispatchMode):
    """Counts operations, and the tensors that come out of one without having gone into it."""

    def __init__(self) -> None:
        super().__init__()
        self.operations = self.allocations = self.bytes = 0

    def __torch_dispatch__(self, function: Any, types: Any, arguments: Any = (), named: Any = None) -> Any:
        out = function(*arguments, **(named or {}))
        old = {t.untyped_storage().data_ptr() for t in tensors((arguments, named))}
        new = {t.untyped_storage().data_ptr(): t.untyped_storage().nbytes() for t in tensors(out)}
        self.operations += 1
        self.allocations += sum(place not in old for place in new)
        self.bytes += sum(size for place, size in new.items() if place not in old)
        return out


def tensors(tree: Any) -> Iterator[torch.Tensor]:
    return (leaf for leaf in tree_leaves(tree) if isinstance(leaf, torch.Tensor))


@pytest.mark.skipif(not torch.__version__.startswith("2.13."), reason="the ceilings are of torch 2.13")
@pytest.mark.parametrize("name", CEILINGS)
def test_a_step_costs_no_more_than_it_did(name: str) -> None:
    options, shape, ceilings = CEILINGS[name]
    x = torch.zeros(64, *shape, dtype=torch.uint8) if len(shape) == 3 else torch.zeros(64, *shape)
    with rng.seeded(0):
        recipe = build(RECIPES[name], DataInfo(shape, num_train=64, mean=torch.zeros(shape)), options)
    trainer = Trainer(recipe.model, recipe.optimizers, ema_half_life=recipe.ema_half_life, transform=recipe.transform)
    stream = batches(Split(x), 16, seed=0)
    for _ in range(4):  # the fourth is a step of lazy penalties, too
        trainer.step(next(stream))
    with Cost() as cost:
        trainer.step(next(stream))
    found = (cost.operations, cost.allocations, -(-cost.bytes // 1000))
    for what, now, ceiling in zip(("operations", "allocations", "kilobytes"), found, ceilings, strict=True):
        assert now <= ceiling, f"a step of {name} makes {now} {what}, and {ceiling} were enough"
        assert now > 0.85 * ceiling, f"a step of {name} makes only {now} {what}: lower its ceiling of {ceiling}"


def test_the_guard_sees_one_more_copy_of_a_batch() -> None:
    batch = Batch(torch.zeros(16, 1, 28, 28))
    with Cost() as cost:
        copy = batch.replace(x=batch.x + 1)
        copy.x.view(16, -1).add_(1)
    assert (cost.operations, cost.allocations, cost.bytes) == (3, 1, 4 * 16 * 784)

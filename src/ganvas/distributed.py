"""Several processes that train one model: who am I, and the mean of everybody's gradients."""

import os
from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor


@dataclass(frozen=True)
class Place:
    """This process among those that train together."""

    rank: int = 0
    world_size: int = 1

    @property
    def leads(self) -> bool:
        """Whether this process writes the run's files."""
        return self.rank == 0


ALONE = Place()


def join(device: str) -> Place:
    """Joins the others when `torchrun` started this process; alone, it is the whole world."""
    if "WORLD_SIZE" not in os.environ:
        return ALONE
    if not dist.is_initialized():
        if device == "cuda":
            torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))  # which is what "cuda" then means
        dist.init_process_group("nccl" if device.startswith("cuda") else "gloo")
    return Place(dist.get_rank(), dist.get_world_size())


def leave() -> None:
    """The opposite of `join`."""
    if dist.is_initialized():
        dist.destroy_process_group()


def from_leader(value: int, device: str) -> int:
    """The first process's value, for all of them."""
    if not dist.is_initialized() or dist.get_world_size() == 1:
        return value
    told = torch.tensor(value, device=device)
    dist.broadcast(told, src=0)
    return int(told)


def anyone(value: bool, device: str) -> bool:
    """Whether it is so in any of the processes."""
    if not dist.is_initialized() or dist.get_world_size() == 1:
        return value
    counted = torch.tensor(int(value), device=device)
    dist.all_reduce(counted)
    return bool(counted)


def average(tensors: Sequence[Tensor]) -> None:
    """Replaces each tensor by its mean over all processes, in one message of all of them laid end to end."""
    if not dist.is_initialized() or dist.get_world_size() == 1 or not tensors:
        return
    flat = torch.cat([t.reshape(-1) for t in tensors])
    dist.all_reduce(flat)
    flat /= dist.get_world_size()
    for tensor, mean in zip(tensors, flat.split([t.numel() for t in tensors]), strict=True):
        tensor.copy_(mean.view_as(tensor))

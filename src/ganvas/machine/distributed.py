"""Several processes that train one model: who am I, and the mean of everybody's gradients."""

import importlib
import os
import socket
import time
import uuid
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
        # Its functions take the group that there is when it is loaded as a default, so that it would outlive `leave`.
        importlib.import_module("torch.distributed.nn.functional")
        if device == "cuda":
            torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))  # which is what "cuda" then means
        store, rank, size = next(dist.rendezvous("env://"))
        backend = "nccl" if device.startswith("cuda") else "gloo"
        dist.init_process_group(backend, store=met(store, rank, size), rank=rank, world_size=size)
    return Place(dist.get_rank(), dist.get_world_size())


def met(store: dist.Store, rank: int, size: int) -> dist.Store:
    """A part of the store that only these processes know, and none that were here before `torchrun` restarted them.

    What those wrote is still there, their addresses among it, and who reads one waits for the dead. So the first process
    names the part, and answers each that asks for it; who asked in a part of the past is not answered, and asks again.
    """
    own = uuid.uuid4().hex
    if rank == 0:
        store.set("ganvas/part", own)
        for other in range(1, size):
            asked = store.get(f"ganvas/{own}/{other}").decode()  # waits until it is there
            store.set(f"ganvas/{own}/{other}/{asked}", "")
        return dist.PrefixStore(own, store)
    while True:
        part = store.get("ganvas/part").decode()
        store.set(f"ganvas/{part}/{rank}", own)
        for _ in range(10):
            if store.check([f"ganvas/{part}/{rank}/{own}"]):
                return dist.PrefixStore(part, store)
            time.sleep(0.02)


def launch() -> str | None:
    """What tells the launch of `torchrun` that this process belongs to from others; its restarts bear the same name.

    None where it was not torchrun. Without a rendezvous that has a name it is told by torchrun's own process.
    """
    name = os.environ.get("TORCHELASTIC_RUN_ID")
    return f"{socket.gethostname()}:{os.getppid()}" if name == "none" else name


def restarted() -> bool:
    """Whether `torchrun` started this process again after one of the processes had failed."""
    return os.environ.get("TORCHELASTIC_RESTART_COUNT", "0") != "0"


def leave() -> None:
    """The opposite of `join`, which all do together.

    Who does not leave, or leaves while others still talk, may abort when the interpreter ends: the group has threads. They
    end with the group, which nothing else may hold.
    """
    if dist.is_initialized():
        dist.barrier()
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

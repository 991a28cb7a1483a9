"""Several processes that train one model: this process's rank, and averages over all processes."""

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
    """This process's position in its group."""

    rank: int = 0
    world_size: int = 1

    @property
    def leads(self) -> bool:
        """Whether this process writes the run's files."""
        return self.rank == 0


ALONE = Place()


def join(device: str) -> Place:
    """Joins the group if `torchrun` started this process; otherwise the group has one process."""
    if "WORLD_SIZE" not in os.environ:
        return ALONE
    if not dist.is_initialized():
        # Functions of this module keep the group at import time as a default, so import it before the group exists.
        importlib.import_module("torch.distributed.nn.functional")
        if device == "cuda":
            torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))  # the meaning of "cuda" from now on
        store, rank, size = next(dist.rendezvous("env://"))
        backend = "nccl" if device.startswith("cuda") else "gloo"
        dist.init_process_group(backend, store=met(store, rank, size), rank=rank, world_size=size)
    return Place(dist.get_rank(), dist.get_world_size())


def met(store: dist.Store, rank: int, size: int) -> dist.Store:
    """A part of the store for the current processes only, not for those before a restart by `torchrun`.

    Old entries remain in the store, with addresses of dead processes, and reading one would block. So the first process
    names a new part, and answers requests for it. A request in an old part gets no answer and is repeated.
    """
    own = uuid.uuid4().hex
    if rank == 0:
        store.set("ganvas/part", own)
        for other in range(1, size):
            asked = store.get(f"ganvas/{own}/{other}").decode()  # blocks until the key exists
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
    """A name for this launch of `torchrun`; its restarts have the same name.

    None without torchrun. Without a named rendezvous, the process of torchrun gives the name.
    """
    name = os.environ.get("TORCHELASTIC_RUN_ID")
    return f"{socket.gethostname()}:{os.getppid()}" if name == "none" else name


def restarted() -> bool:
    """Whether `torchrun` restarted this process after a failure."""
    return os.environ.get("TORCHELASTIC_RESTART_COUNT", "0") != "0"


def leave() -> None:
    """Leaves the group. All processes must call it together.

    The group has threads. A process that does not leave, or leaves during communication, may abort at its end. The threads
    end with the group, so nothing else may hold a reference to it.
    """
    if dist.is_initialized():
        dist.barrier()
        dist.destroy_process_group()


def from_leader(value: int, device: str) -> int:
    """The first process's value, on all processes."""
    if not dist.is_initialized() or dist.get_world_size() == 1:
        return value
    told = torch.tensor(value, device=device)
    dist.broadcast(told, src=0)
    return int(told)


def anyone(value: bool, device: str) -> bool:
    """Whether `value` is true in any process."""
    if not dist.is_initialized() or dist.get_world_size() == 1:
        return value
    counted = torch.tensor(int(value), device=device)
    dist.all_reduce(counted)
    return bool(counted)


def average(tensors: Sequence[Tensor]) -> None:
    """Replaces each tensor by its mean over all processes, in one flat message."""
    if not dist.is_initialized() or dist.get_world_size() == 1 or not tensors:
        return
    flat = torch.cat([t.reshape(-1) for t in tensors])
    dist.all_reduce(flat)
    flat /= dist.get_world_size()
    for tensor, mean in zip(tensors, flat.split([t.numel() for t in tensors]), strict=True):
        tensor.copy_(mean.view_as(tensor))

"""Batch normalisation in two processes is that of one process on the whole batch."""

import copy
import socket
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from torch import nn

from ganvas.nn.conditioning import ConditionalNorm, conditional_batch_norm
from ganvas.nn.synchronised import SynchronisedBatchNorm, batch_norms, synchronise


def networks() -> dict[str, nn.Module]:
    """Each takes (8, 3, 4, 4)."""
    torch.manual_seed(1)
    return {
        "maps": nn.Sequential(nn.Conv2d(3, 5, 3), nn.BatchNorm2d(5, momentum=0.3), nn.Tanh()),
        "features": nn.Sequential(nn.Flatten(), nn.Linear(48, 6), nn.BatchNorm1d(6, momentum=None), nn.Tanh()),
        "plain": nn.Sequential(nn.BatchNorm2d(3, affine=False, track_running_stats=False), nn.Tanh(), nn.Flatten()),
    }


def looked_at(network: nn.Module, x: torch.Tensor, weight: torch.Tensor) -> dict[str, torch.Tensor]:
    """What one forward, one backward, and the gradient of a penalty on the slope give, and the running statistics."""
    x = x.clone().requires_grad_()
    y = network(x)
    parameters = list(network.parameters())
    gradients = torch.autograd.grad((y.flatten(1) * weight).sum(1).mean(), [x, *parameters], retain_graph=True)
    (slope,) = torch.autograd.grad((y.flatten(1) * weight).sum(), x, create_graph=True)
    second = torch.autograd.grad(slope.square().flatten(1).sum(1).mean(), [x, *parameters], allow_unused=True)
    found = {"y": y.detach(), "x gradient": gradients[0], "x second": second[0]}
    for index, (first, other) in enumerate(zip(gradients[1:], second[1:], strict=True)):
        found |= {f"{index} gradient": first, f"{index} second": torch.zeros_like(first) if other is None else other}
    network.eval()
    return {**found, **network.state_dict(), "evaluated": network(x).detach()}


def examples(name: str) -> tuple[torch.Tensor, torch.Tensor]:
    g = torch.Generator().manual_seed(2)
    x = 3 + torch.randn(8, 3, 4, 4, generator=g) * torch.arange(1.0, 9).view(8, 1, 1, 1)
    return x, torch.randn(8, {"maps": 20, "features": 6, "plain": 48}[name], generator=g)


def _in_one_process(rank: int, port: int, path: str) -> None:
    dist.init_process_group("gloo", init_method=f"tcp://127.0.0.1:{port}", rank=rank, world_size=2)
    try:
        found = {}
        for name, network in networks().items():
            synchronise(network)
            x, weight = (whole.chunk(2)[rank] for whole in examples(name))
            found[name] = looked_at(network, x, weight)
        # Of unequal shares, one of them empty, as where a term is of those examples that have a label.
        norm = SynchronisedBatchNorm(nn.BatchNorm1d(3))
        h = examples("maps")[0].flatten(2).mean(2)
        norm(h[:0] if rank else h)
        found["unequal"] = norm.state_dict()
        half = SynchronisedBatchNorm(nn.BatchNorm1d(3))(h.bfloat16())
        found["half"] = {"y": half}
        torch.save(found, f"{path}/{rank}.pt")
    finally:
        dist.destroy_process_group()


@pytest.mark.slow
def test_two_processes_normalise_as_one(tmp_path: Path) -> None:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    mp.spawn(_in_one_process, args=(port, str(tmp_path)), nprocs=2)
    parts = [torch.load(tmp_path / f"{rank}.pt") for rank in range(2)]
    for name, network in networks().items():
        alone = looked_at(network, *examples(name))
        for key, expected in alone.items():
            first, second = parts[0][name][key], parts[1][name][key]
            if key == "evaluated" and name == "plain":  # without running statistics each looks at its own examples
                continue
            if key in ("y", "evaluated"):
                got = torch.cat([first, second])
            elif key.startswith("x "):  # of the mean of both losses, each of which is a mean of its half
                got = torch.cat([first, second]) / 2
            elif key.endswith(("gradient", "second")):
                got = (first + second) / 2
            else:
                assert torch.equal(first, second), key
                got = first
            torch.testing.assert_close(
                got, expected, rtol=1e-4, atol=1e-5, msg=lambda t, at=f"{name} {key}": f"{at}: {t}"
            )
    norm = nn.BatchNorm1d(3)
    norm(examples("maps")[0].flatten(2).mean(2))
    for part in parts:
        for key, expected in norm.state_dict().items():
            torch.testing.assert_close(part["unequal"][key], expected)
        assert part["half"]["y"].dtype == torch.bfloat16


def test_every_batch_normalisation_is_replaced_and_checkpoints_know_no_difference() -> None:
    shared = nn.BatchNorm1d(4)
    model = nn.ModuleDict({"a": conditional_batch_norm(4, 2, 3), "b": nn.Sequential(shared, nn.Linear(4, 4), shared)})
    before = copy.deepcopy(model.state_dict())
    assert batch_norms(model) == ["a.normalise", "b.0", "b.2"]
    parameters = {id(p) for p in model.parameters()}
    synchronise(model)
    assert not batch_norms(model)
    a, b = model["a"], model["b"]
    assert isinstance(a, ConditionalNorm) and isinstance(a.normalise, SynchronisedBatchNorm)
    assert isinstance(b, nn.Sequential) and b[0] is b[2]
    after = model.state_dict()
    assert list(after) == list(before)
    assert all(torch.equal(after[name], tensor) for name, tensor in before.items())
    assert {id(p) for p in model.parameters()} == parameters, "optimisers would move others"

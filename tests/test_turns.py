"""Compiled turns compute what the written ones do, and go on where the compiler cannot."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch._dynamo.exc import BackendCompilerFailed

import ganvas
from ganvas.errors import GanvasError
from ganvas.training import checkpoint, turns

OPTIONS: dict[str, Any] = {
    "data": "ring8",
    "network": "mlp",
    "width": 8,
    "batch_size": 32,
    "quiet": True,
}


def weights(run: Path) -> dict[str, torch.Tensor]:
    return checkpoint.read(checkpoint.checkpoints(run / "checkpoints")[-1])[1]


@pytest.mark.slow
@pytest.mark.trains
def test_compiled_turns_agree_with_written_ones_and_go_on_exactly(tmp_path: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        calls: list[object] = []
        compiled = torch.compile
        patch.setattr(torch, "compile", lambda f, **o: calls.append(f) or compiled(f, **o))
        ganvas.train("gan", images=320, out=tmp_path / "one", compile=True, **OPTIONS)
        assert calls, "nothing was compiled"
    assert json.loads((tmp_path / "one" / "recipe.json").read_text())["training"]["compile"] is True
    ganvas.train("gan", images=320, out=tmp_path / "written", **OPTIONS)
    one, written = weights(tmp_path / "one"), weights(tmp_path / "written")
    for name, tensor in written.items():
        torch.testing.assert_close(one[name], tensor, rtol=1e-3, atol=1e-5, msg=lambda text, n=name: f"{n}: {text}")

    ganvas.train("gan", images=160, out=tmp_path / "two", compile=True, **OPTIONS)
    ganvas.train(resume=tmp_path / "two", images=320, quiet=True)
    two = weights(tmp_path / "two")
    assert all(torch.equal(two[name], tensor) for name, tensor in one.items())


def test_what_cannot_be_compiled_is_done_as_it_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    def compile(function: Any, **options: object) -> Any:
        def fail(x: torch.Tensor) -> torch.Tensor:
            torch.rand(3)  # a piece that ran before the one that failed
            raise BackendCompilerFailed(compile, RuntimeError("no compiler\nand much more"), None)

        return fail

    monkeypatch.setattr(torch, "compile", compile)
    noise = turns.compiled(lambda x: x + torch.rand(1))
    expected = torch.rand(1)
    torch.manual_seed(0)
    with pytest.warns(UserWarning, match="continues without it: no compiler$"):
        assert torch.equal(noise(torch.zeros(1)), expected)
    noise(torch.zeros(1))


def test_gradients_of_gradients_are_refused(tmp_path: Path) -> None:
    with pytest.raises(GanvasError, match="its own gradients"):
        ganvas.train("consensus-gan", out=tmp_path / "run", compile=True, **OPTIONS)
    assert not (tmp_path / "run").exists()

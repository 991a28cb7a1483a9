"""Training in mixed precision: half where it is safe, float32 where it counts, and as exact to resume as ever."""

import json
from pathlib import Path
from typing import Any, cast

import pytest
import torch
from torch import nn

import ganvas
from ganvas.cli import main
from ganvas.core.model import Terms
from ganvas.data import batches, open_data
from ganvas.errors import GanvasError
from ganvas.losses.penalties import squared_slope
from ganvas.machine import devices, facts
from ganvas.machine.precision import Precision
from ganvas.recipes import RECIPES
from ganvas.training import checkpoint
from ganvas.training.seats import Seat
from ganvas.training.trainer import Trainer
from ganvas.use.opening import seeded_build

Found = dict[str, tuple[Terms, list[torch.Tensor | None]]]


def one_step(recipe: str, precision: Precision, monkeypatch: pytest.MonkeyPatch, **options: object) -> Found:
    """Each move's terms and gradients, which no optimiser takes."""
    data = open_data("digits")
    built = seeded_build(RECIPES[recipe], data.info, options, seed=0)
    trainer = Trainer(built.model, built.optimizers, transform=built.transform, precision=precision)
    found: Found = {}

    def move(seat: Seat, terms: Terms, gradients: list[torch.Tensor | None]) -> list[object]:
        found[f"{seat.player.name}: {' + '.join(terms)}"] = terms, [None if g is None else g.clone() for g in gradients]
        return []

    monkeypatch.setattr(trainer, "_move", move)
    trainer.step(next(batches(data.train, 32, seed=0)))
    return found


@pytest.mark.parametrize("recipe", ["vaegan", "alpha-gan", "gan", "sngan", "vq-vae", "introvae", "soft-introvae"])
def test_a_step_in_bf16_is_nearly_that_in_float32(recipe: str, monkeypatch: pytest.MonkeyPatch) -> None:
    half, whole = (one_step(recipe, p, monkeypatch, network="dcgan", width=8) for p in ("bf16", "float32"))
    assert half.keys() == whole.keys()
    apart = False
    for move, (terms, gradients) in half.items():
        assert all(term.dtype == torch.float32 for term in terms.values()), "terms are summed in float32"
        expected = whole[move][1]
        assert [g is None for g in gradients] == [g is None for g in expected], f"{move}: a parameter is not reached"
        a, b = (torch.cat([g.flatten() for g in gs if g is not None]) for gs in (gradients, expected))
        assert a.dtype == torch.float32
        assert torch.cosine_similarity(a, b, dim=0) > 0.97, move
        apart |= not torch.equal(a, b)
    assert apart, "nothing was computed in bf16"


def test_penalties_leave_half_precision() -> None:
    critic = nn.Sequential(nn.Linear(6, 16), nn.Tanh(), nn.Linear(16, 1))
    x = torch.randn(5, 6)
    expected = squared_slope(lambda x, y: critic(x).squeeze(1), x)
    with torch.autocast("cpu", torch.bfloat16):
        assert critic(x).dtype == torch.bfloat16
        assert torch.equal(squared_slope(lambda x, y: critic(x).squeeze(1), x), expected)


@pytest.mark.trains
def test_training_in_bf16_learns_is_kept_in_float32_and_goes_on_exactly(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(facts, "has_bf16", lambda: True)  # else a processor without it is warned of, and is only slower
    settings: dict[str, Any] = {
        "data": "digits",
        "network": "mlp",
        "width": 32,
        "batch_size": 32,
        "precision": "bf16",
        "quiet": True,
    }
    run = ganvas.train("vae", images=6_400, log_every=640, out=tmp_path / "one", **settings)
    lines = [json.loads(line) for line in (tmp_path / "one" / "metrics.jsonl").read_text().splitlines()]
    losses = [sum(line["players"]["autoencoder"].values()) for line in lines if line.get("split") == "train"]
    assert losses[-1] < 0.8 * losses[0]
    assert json.loads((tmp_path / "one" / "recipe.json").read_text())["training"]["precision"] == "bf16"
    assert torch.isfinite(run.sample(4)).all() and run.sample(4).dtype == torch.float32

    ganvas.train("vae", images=3_200, log_every=640, out=tmp_path / "two", **settings)
    ganvas.train(resume=tmp_path / "two", images=6_400, quiet=True)
    one, two = (checkpoint.read(checkpoint.checkpoints(tmp_path / n / "checkpoints")[-1])[1] for n in ("one", "two"))
    assert {t.dtype for t in one.values() if t.is_floating_point()} == {torch.float32}
    assert all(torch.equal(two[name], tensor) for name, tensor in one.items())


def test_bf16_is_refused_where_there_is_none_and_warned_of_where_it_is_slow(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(GanvasError, match="no bf16 arithmetic"):
        devices.check_precision("bf16", "mps")
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: False)
    with pytest.raises(GanvasError, match="no bf16 arithmetic"):
        devices.check_precision("bf16", "cuda:0")
    devices.check_precision("float32", "cuda:0")
    monkeypatch.setattr(facts, "has_bf16", lambda: False)
    with pytest.warns(UserWarning, match="slower than float32"):
        devices.check_precision("bf16", "cpu")


def test_meaningless_options_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(GanvasError, match="`precision` cannot be 'bf17'"):
        ganvas.train("vae", data="digits", precision=cast(Any, "bf17"), out=tmp_path / "run")
    with pytest.raises(SystemExit) as left:
        main(
            ["train", "vae", "--network", "mlp", "--data", "digits", "--sync-batchnorm", "--out", str(tmp_path / "run")]
        )
    assert left.value.code == 2
    assert "no batch normalisation" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()

"""Findings while a run trains: shown, written down, and the same for a run that was stopped and gone on with."""

import json
from collections.abc import Generator as Yields
from pathlib import Path
from typing import Any

import pytest
from torch import Tensor

import ganvas
from ganvas.networks import Generator

pytestmark = pytest.mark.trains

IMAGES = 7_200
OPTIONS: dict[str, Any] = {"data": "ring8", "width": 16, "latent": 2, "batch_size": 16, "health_every": 800}


@pytest.fixture(scope="module", autouse=True)
def _one_mode() -> Yields[None]:
    """Generators hear one code of each batch, and so say one thing at a time."""
    sound = Generator.forward

    def forward(self: Generator, z: Tensor, y: Tensor | None = None) -> Tensor:
        return sound(self, z[:1].expand_as(z), y)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Generator, "forward", forward)
        yield


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("health") / "whole"
    ganvas.train("gan", out=run, images=IMAGES, checkpoint_every=800, quiet=True, **OPTIONS)
    return run


def lines(run: Path) -> list[dict[str, Any]]:
    clocks = ("seconds", "images_per_second", "peak_memory", "message")
    found = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return [{key: value for key, value in line.items() if key not in clocks} for line in found]


def test_a_generator_of_one_mode_is_found_while_it_trains(whole: Path) -> None:
    told = [line for line in lines(whole) if line.get("illness") == "mode collapse"]
    assert [line["health"] for line in told] == ["found"]
    assert "Two samples are 0.00 times as far apart as two examples" in told[0]["evidence"]
    assert told[0]["advice"].startswith("Try a stronger gradient penalty: --r1 1 (now 0.1)")
    assert told[0]["since"] < told[0]["images"] <= IMAGES


@pytest.mark.parametrize("stop", [5_600, 6_880])
def test_findings_are_shown_and_are_as_if_the_run_had_not_been_stopped(
    whole: Path, tmp_path: Path, stop: int, capsys: pytest.CaptureFixture[str]
) -> None:
    ganvas.train("gan", out=tmp_path, images=stop, checkpoint_every=800, **OPTIONS)
    ganvas.train(resume=tmp_path, images=IMAGES)
    assert lines(tmp_path) == lines(whole)
    (found,) = (line for line in lines(whole) if line.get("illness") == "mode collapse")
    told = f"{found['images']:,} images: mode collapse since {found['since']:,} images: {found['evidence']}"
    assert capsys.readouterr().err.count(told) == 1
    ganvas.train(resume=tmp_path, quiet=True)  # it is at its end already
    assert sorted(map(json.dumps, lines(tmp_path))) == sorted(map(json.dumps, lines(whole)))

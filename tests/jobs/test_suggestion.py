"""`ganvas suggest`: what it proposes, for which data, and that the proposal runs."""

import json
import shlex
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import ganvas
from ganvas import GanvasError, service
from ganvas.cli import main
from ganvas.data import ImageOptions, open_data
from ganvas.data.handedness import told_from_mirrored
from ganvas.jobs.suggestion import budget_of, rounded


def colour(num: int, side: int) -> np.ndarray:
    """Noise, (num, 3, side, side)."""
    return np.random.default_rng(0).integers(0, 256, (num, 3, side, side), dtype=np.uint8)


def saved(path: Path, pictures: np.ndarray) -> str:
    np.save(path, pictures)
    return str(path)


def test_digits_are_told_from_their_mirror_images_and_noise_is_not() -> None:
    digits = told_from_mirrored(open_data("digits").train.x)
    assert digits is not None and digits > 0.7
    noise = told_from_mirrored(torch.from_numpy(colour(1_000, 32)))
    assert noise is not None and abs(noise - 0.5) < 0.06  # four standard errors
    assert told_from_mirrored(torch.from_numpy(colour(100, 32))) is None
    assert told_from_mirrored(torch.zeros(500, 1, 8, 8, dtype=torch.uint8)) == 0.5


def test_colour_pictures_get_two_stages_and_are_mirrored(tmp_path: Path) -> None:
    found = service.suggest(saved(tmp_path / "noise.npy", colour(500, 32)), minutes=1, seconds=0.1)
    assert found.recipe == "pictures" and found.options["flip"] is True
    assert set(found.speeds) == {"autoencoder", "flow"} and min(found.speeds.values()) > 0
    assert "size" not in found.options
    assert found.options["images"] == rounded(30 * found.speeds["autoencoder"])
    assert "--flip" in shlex.split(found.command)


def test_large_pictures_are_made_smaller_unless_a_size_is_given(tmp_path: Path) -> None:
    source = saved(tmp_path / "large.npy", colour(20, 100))
    found = service.suggest(source, minutes=1, seconds=0.05)
    assert found.options["size"] == 64 and "flip" not in found.options
    assert any("pictures are few" in reason for reason in found.reasons)
    given = service.suggest(source, minutes=1, seconds=0.05, image_options=ImageOptions(size=32))
    assert given.options["size"] == 32


def test_pictures_of_several_sizes_are_brought_to_one(tmp_path: Path) -> None:
    for number, picture in enumerate(colour(30, 71)):
        Image.fromarray(picture.transpose(1, 2, 0)[: 70 + number % 2, : 70 + number % 2]).save(
            tmp_path / f"{number}.png"
        )
    assert service.suggest(tmp_path, minutes=1, seconds=0.05).options["size"] == 64


@pytest.mark.parametrize(("source", "recipe"), [("digits", "vaegan"), ("ring8", "flow")])
def test_other_data_get_other_recipes(source: str, recipe: str) -> None:
    found = service.suggest(source, minutes=1, seconds=0.05)
    assert found.recipe == recipe and found.options["images"] >= 100 and found.reasons


@pytest.mark.trains
def test_the_printed_command_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = service.suggest("digits", minutes=0.01, seconds=0.05)
    capsys.readouterr()
    main([*shlex.split(found.command)[1:], "--out", str(tmp_path / "run"), "--quiet"])
    assert ganvas.open(tmp_path / "run").images_seen >= found.options["images"]


def test_the_command_line_prints_the_command_and_why(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = service.Suggestion("flow", {"data": "a b", "flip": True, "images": 900}, {"flow": 15.0}, 1.0, ("Because.",))
    monkeypatch.setattr(service, "suggest", lambda source, **_: made)
    main(["suggest", "a b"])
    assert capsys.readouterr().out.splitlines()[0] == "ganvas train flow --data 'a b' --flip --images 900"
    main(["suggest", "a b", "--json"])
    assert json.loads(capsys.readouterr().out)["reasons"] == ["Because."]


def test_impossible_wishes(tmp_path: Path) -> None:
    with pytest.raises(GanvasError, match="cannot take 0 minutes"):
        service.suggest("digits", minutes=0)
    with pytest.raises(GanvasError, match="repeats them"):
        service.suggest(saved(tmp_path / "few.npy", colour(9, 32)))
    with pytest.raises(GanvasError, match="no folder"):
        service.suggest("./nowhere")


def test_budgets() -> None:
    assert [rounded(v) for v in (0.3, 99, 123, 9_876, 123_456)] == [100, 100, 120, 9_800, 120_000]
    assert budget_of("pictures", {"autoencoder": 10.0, "flow": 60.0}, 10) == {"images": 3_000, "codes": 18_000}
    assert budget_of("vaegan", {"vaegan": 10.0}, 10) == {"images": 6_000}

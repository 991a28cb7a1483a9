"""Training's options are written once: flags, keyword arguments and recipe.json follow from one dataclass."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

import ganvas
from ganvas.cli import main
from ganvas.errors import GanvasError
from ganvas.recipes import RECIPES
from ganvas.runs.settings import RESERVED, Training, training_from_json, training_options
from ganvas.training.recipe import options

TINY: dict[str, Any] = {"data": "digits", "images": 64, "batch_size": 32, "quiet": True}

NOT_DEFAULT: dict[str, Any] = {
    "images": 64, "batch_size": 32, "seed": 3, "labels": None, "device": "cpu", "log_every": 32, "validate_every": 64,
    "checkpoint_every": 32, "keep": 1, "metrics": ["mse"], "metrics_every": 32, "keep_best": "mse", "health_every": 64,
    "rewinds": 1, "skip_gradient_norm": 10.0, "sync_batchnorm": False, "precision": "float32", "compile": False,
}  # fmt: skip
"""Every option; those that stay at their default are ones that a plain VAE on this machine cannot have."""

OWN = '''
from pathlib import Path
from ganvas.data import DataInfo
from ganvas.training.recipe import Recipe
from ganvas.recipes.gan import gan

with open({count!r}, "a") as file:
    file.write("executed\\n")


def mine(data: DataInfo, *, {option}: int = 3) -> Recipe:
    """Mine: a small GAN."""
    return gan(data, latent={option}, width=4)
'''


def test_every_option_is_a_keyword_argument_a_flag_and_kept_in_recipe_json(tmp_path: Path) -> None:
    assert NOT_DEFAULT.keys() == training_options().keys()
    ganvas.train("vae", data="digits", out=tmp_path / "python", width=4, latent=2, quiet=True, **NOT_DEFAULT)
    flags: list[str] = []
    for name, value in NOT_DEFAULT.items():
        if value not in (None, False):
            flags += ["--" + name.replace("_", "-"), ",".join(value) if isinstance(value, list) else str(value)]
    out = ["--out", str(tmp_path / "flags")]
    main(["train", "vae", "--data", "digits", *out, "--width", "4", "--latent", "2", "--quiet", *flags])
    for run in ("python", "flags"):
        kept = json.loads((tmp_path / run / "recipe.json").read_text())["training"]
        assert kept == NOT_DEFAULT
        assert dataclasses.asdict(training_from_json(kept)) == {**kept, "metrics": ("mse",)}


def test_help_says_what_the_dataclass_says(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["train", "vae", "--help"])
    said = "".join(capsys.readouterr().out.split()).replace("│", "")
    for name, (_, about) in training_options().items():
        assert "--" + name.replace("_", "-") in said
        assert "".join(about.help.split()) in said


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("images", 0), ("batch_size", "many"), ("seed", 0.5), ("device", 3), ("keep", 0), ("rewinds", -1),
        ("log_every", 0), ("metrics", "mse"), ("metrics", ["mse", 3]), ("skip_gradient_norm", 1.0),
        ("skip_gradient_norm", float("nan")), ("precision", "float8"), ("compile", "yes"), ("sync_batchnorm", 1),
    ],
)  # fmt: skip
def test_a_wrong_value_is_refused_by_name(name: str, value: object, tmp_path: Path) -> None:
    with pytest.raises(GanvasError, match=f"`{name}`"):
        ganvas.train("vae", out=tmp_path / "run", width=4, latent=2, **{**TINY, name: value})
    with pytest.raises((ValueError, TypeError)):
        training_from_json({**dataclasses.asdict(Training(images=1, batch_size=1)), name: value})
    assert not (tmp_path / "run").exists()


def test_no_recipe_of_ours_has_a_reserved_option() -> None:
    for function in RECIPES.values():
        assert not RESERVED.intersection(options(function)), function


@pytest.mark.parametrize("option", ["channels", "size", "crop", "seed", "labels", "out", "quiet"])
def test_a_recipe_cannot_have_an_option_that_training_takes(
    option: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "mine.py"
    file.write_text(OWN.format(count=str(tmp_path / "count"), option=option))
    with pytest.raises(GanvasError, match=f"has an option '{option}'"):
        ganvas.train(str(file), out=tmp_path / "run", **TINY)
    for verb in ("train", "check"):
        with pytest.raises(SystemExit):
            main([verb, str(file), "--data", "digits"])
        assert f"has an option '{option}'" in capsys.readouterr().err


def test_a_users_file_is_executed_once_in_a_training_run(tmp_path: Path) -> None:
    file, count, run = tmp_path / "mine.py", tmp_path / "count", tmp_path / "run"
    file.write_text(OWN.format(count=str(count), option="latent"))
    size = ["--images", "32", "--batch-size", "32", "--quiet"]
    main(["train", str(file), "--data", "digits", "--out", str(run), *size])
    assert count.read_text() == "executed\n"
    main(["train", str(file), "--resume", str(run), "--images", "64", "--quiet"])
    assert count.read_text() == "executed\n" * 2
    ganvas.train(str(file), out=tmp_path / "python", **TINY).sample(2)
    assert count.read_text() == "executed\n" * 3

"""The files of a run."""

import json
import os
import platform
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import torch

import ganvas
from ganvas.core.model import Model
from ganvas.errors import GanvasError, command, did_you_mean, not_allowed
from ganvas.machine import facts
from ganvas.machine.storage import atomically, leftovers, read_object
from ganvas.runs.log import Log
from ganvas.runs.settings import Settings, text
from ganvas.training import checkpoint
from ganvas.training.recipe import Recipe

PUBLISHED = "model.safetensors"
"""The weights file of a folder from `ganvas export --to hub-folder`. Its config.json replaces recipe.json."""


@dataclass(frozen=True)
class Directory:
    """The files of a run."""

    path: Path

    @property
    def checkpoints(self) -> Path:
        return self.path / "checkpoints"

    @property
    def samples(self) -> Path:
        return self.path / "samples"

    @property
    def priors(self) -> Path:
        return self.path / "priors"

    @property
    def log(self) -> Log:
        return Log(self.path / "metrics.jsonl")

    @property
    def recipe(self) -> Path:
        return self.path / "recipe.json"

    @property
    def published(self) -> bool:
        """Whether this is an export of a run: it can be used, but not trained further."""
        return not self.recipe.is_file() and all((self.path / name).is_file() for name in ("config.json", PUBLISHED))

    def create(self, settings: Settings, recipe: Recipe) -> None:
        """Writes the files that a run has before its first step."""
        self.path.mkdir(parents=True, exist_ok=True)
        self.write("recipe.json", settings.to_json())  # first: a folder with this file is a run
        self.write("environment.json", environment(settings.training.device))
        self.complete(recipe)

    def complete(self, recipe: Recipe) -> None:
        """Writes missing files of a run that was killed during its creation."""
        self.samples.mkdir(exist_ok=True)
        self.checkpoints.mkdir(exist_ok=True)
        self.write("networks.json", networks(recipe.model))
        self.log.file.touch()

    def write(self, name: str, content: object) -> None:
        atomically(self.path / name, lambda part: part.write_text(json.dumps(content, indent=2)))

    def settings(self) -> Settings:
        """Reads `recipe.json`. Raises GanvasError if this is not a run, or if the file is damaged."""
        if not self.path.exists():
            raise GanvasError(f"There is no run at {self.path}.", nearest_runs(self.path))
        if not self.recipe.is_file() and not self.published:
            raise GanvasError(f"{self.path} is not a run: it has no recipe.json.", nearest_runs(self.path))
        file = self.path / "config.json" if self.published else self.recipe
        try:
            return Settings.from_json(read_object(file))
        except PermissionError as error:
            raise not_allowed(file) from error
        except (OSError, ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
            raise GanvasError(f"{file} is damaged, or not from ganvas: {type(error).__name__}: {error}.") from error

    def begun_by(self, launch: str | None) -> bool:
        """Whether this launch of `torchrun` started the run; False without a launch."""
        try:
            return launch is not None and read_object(self.recipe).get("launch") == launch
        except (OSError, ValueError):
            return False

    def machine(self) -> str:
        """The device or processor that trained the run; "" if it was not recorded."""
        try:
            about = read_object(self.path / "environment.json")
            return text(about["processor"] if about["device"] == "cpu" else about["device"])
        except (OSError, ValueError, KeyError, TypeError):
            return ""

    def erase(self) -> None:
        """Removes the files that a run writes, except recipe.json, which `create` replaces.

        If this is interrupted, a run remains that can be overwritten.
        """
        for pattern in RUN_FILES:
            for old in self.path.glob(pattern):
                if old != self.recipe:
                    old.unlink()
        for part in (*leftovers(self.path), *leftovers(self.checkpoints)):
            part.unlink()

    def discard(self) -> None:
        """Removes all files of a run that took no step."""
        self.erase()
        self.recipe.unlink(missing_ok=True)
        for folder in (self.samples, self.checkpoints, self.priors, self.path / "first"):
            if folder.is_dir() and not any(folder.iterdir()):
                folder.rmdir()

    def rewind(self, images: int) -> None:
        """Removes the metrics written after the checkpoint at `images`, and those of the run's end there."""
        self.log.rewind(images)
        for picture in self.samples.glob("*-*.png"):
            seen = picture.stem.rpartition("-")[2]
            if re.fullmatch("[0-9]{1,16}", seen) and int(seen) > images:
                picture.unlink()
        for part in leftovers(self.path):
            part.unlink()
        checkpoint.tidy(self.checkpoints, images)

    def guard(self) -> None:
        """Raises GanvasError if one of the run's files is a link: a hostile run must not make us write elsewhere."""
        folders = (self.samples, self.checkpoints, self.priors)
        files = (found for pattern in RUN_FILES for found in self.path.glob(pattern))
        linked = [path for path in (*folders, *files) if path.is_symlink()]
        if linked:
            raise GanvasError(
                f"{linked[0]} is a link; ganvas writes a run only inside its own folder.",
                "Copy the run together with the targets of its links (cp -rL), and continue the copy.",
            )


FIRST_RUN = "autoencoder"
"""The folder, in the run of a second stage, of its first stage's run, if one command trained both."""

RUN_FILES = (
    "samples/*.png",
    "checkpoints/*.json",
    "checkpoints/*.safetensors",
    "priors/*.json",
    "priors/*.safetensors",
    "recipe.json",
    "data.json",
    "environment.json",
    "networks.json",
    "metrics.jsonl",
    "evaluation.json",
    "neighbours.png",
    "report.html",
    "first/*",
)


def environment(device: str) -> dict[str, str | int]:
    """The machine and versions that train a run."""
    return {
        "ganvas": ganvas.__version__,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "platform": platform.platform(),
        "processor": facts.processor_name(),
        "cores": os.cpu_count() or 1,
        "threads": torch.get_num_threads(),
        "device": torch.cuda.get_device_name(device) if device.startswith("cuda") else device,
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def networks(model: Model) -> dict[str, dict[str, int]]:
    """The number of parameters of each network."""
    counts = {name: sum(p.numel() for p in child.parameters()) for name, child in model.named_children()}
    return {name: {"parameters": count} for name, count in counts.items() if count}


def nearest_runs(path: Path) -> str:
    """A hint with runs near a wrong path."""
    folders = {path.parent, path, Path("runs")}
    runs = sorted({str(p.parent) for f in folders if f.is_dir() for p in f.glob("*/recipe.json")})
    return did_you_mean(str(path), runs) if runs else f"Train one with: {command('train', 'vae', data='glyphs')}"


def numbered(path: Path, number: int) -> Path:
    """The path itself for number 1, else path-2, path-3 ..."""
    return path if number == 1 else path.with_name(f"{path.name}-{number}")

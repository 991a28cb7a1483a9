"""Commands to copy from the page, quoted so that a hostile run cannot insert another command."""

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from ganvas.report.reader import Recipe


@dataclass(frozen=True)
class Command:
    purpose: str
    line: str


def train_again(recipe: Recipe) -> Command:
    """The recorded command, or one built from the settings."""
    try:
        recorded = shlex.split(recipe.command)
    except ValueError:
        recorded = []
    if recorded[:2] == ["ganvas", "train"]:
        return Command("Train it again with the same options (another --out keeps this run)", shlex.join(recorded))
    options = recipe.data_options | recipe.training | recipe.arguments
    line = ["ganvas", "train", recipe.file or recipe.name, "--data", recipe.source, *_flags(options)]
    return Command("Train it again (built from the settings; no command was recorded)", shlex.join(line))


def go_on(recipe: Recipe, directory: Path, has_encoder: bool, finished: bool) -> list[Command]:
    """Commands for the next steps with the run."""
    run = _nearest(directory)
    # A run made from a file opens only if the user names that file.
    named = ["--file", recipe.file] if recipe.file else []
    commands: list[tuple[str, list[str]]] = []
    if not finished:
        file = [recipe.file] if recipe.file else []
        commands.append(("Continue training", ["train", *file, "--resume", run]))
    commands.append(("64 new samples", ["sample", run, "--num", "64", "--out", "grid.png", *named]))
    if has_encoder:
        data = ["--data", recipe.source]
        copies = ["reconstruct", run, *data, "--num", "16", "--out", "reconstructions.png", *named]
        commands.append(("Originals beside reconstructions", copies))
        commands.append(("Compute codes of the data", ["encode", run, *data, "--out", "codes.npz", *named]))
    commands.append(("Draw a walk between two codes", ["interpolate", run, "--out", "walk.gif", *named]))
    commands.append(("This page again", ["report", run]))
    return [Command(purpose, shlex.join(["ganvas", *line])) for purpose, line in commands]


def _flags(options: Mapping[str, object]) -> list[str]:
    """--name value for every option that is a scalar or a list of scalars. None is a default and needs no flag."""
    line: list[str] = []
    for name, value in options.items():
        flag = "--" + name.replace("_", "-")
        if isinstance(value, bool):
            line.append(flag if value else "--no-" + flag[2:])
        elif isinstance(value, str | int | float):
            line += [flag, str(value)]
        elif isinstance(value, list):
            line += [flag, *(str(item) for item in cast(list[object], value))]
    return line


def _nearest(directory: Path) -> str:
    """The run's path relative to here: shorter, and without details of this machine."""
    here, there = Path.cwd(), directory.resolve()
    return there.relative_to(here).as_posix() if there.is_relative_to(here) else str(directory)

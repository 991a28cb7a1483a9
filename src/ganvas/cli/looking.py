"""Verbs that look: at recipes, data, a model of your own, runs and their health."""

from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, arg

from ganvas import service
from ganvas.cli.flags import (
    CaptionColumn,
    Channels,
    Crop,
    FileColumn,
    Frames,
    Json,
    LabelColumn,
    RunPath,
    Size,
    White,
    said,
)
from ganvas.cli.show import show_check, show_data, show_diagnosis, show_recipes, show_runs, show_suggestion
from ganvas.data import ImageOptions
from ganvas.errors import GanvasError
from ganvas.runs import listing

SOURCES = (
    "glyphs, digits, sprites, openmoji, ring8, grid25; a folder or file of pictures; an archive (.zip, .tar, .tar.gz); "
    ".npz, .npy, .mat, .h5, .csv, .bin, .parquet, .arrow; an LMDB; idx:DIR, stacked:DIR, npz:FILE, hf:NAME, codes:RUN"
)


def recipes(*, json: Json = False) -> None:
    """List what you can train, one line each with its paper."""
    show_recipes(service.recipes(), as_json=json)


def data(
    source: Annotated[
        Positional[str | None],
        arg(help=SOURCES),
    ] = None,
    *,
    out: Annotated[Path | None, arg(help="a picture of some examples")] = None,
    num: Annotated[int, arg(help="number of examples in the picture")] = 100,
    size: Size = None,
    crop: Crop = "center",
    channels: Channels = None,
    white: White = None,
    label_column: LabelColumn = None,
    file_column: FileColumn = None,
    caption_column: CaptionColumn = None,
    frames: Frames = False,
    clear_cache: Annotated[bool, arg(help="delete the cache of decoded folders")] = False,
    json: Json = False,
) -> None:
    """Describe a data source: count, size, channels, labels, captions and unreadable files."""
    if clear_cache:
        entries, size_bytes = service.clear_cache()
        print(f"{entries} decoded folders removed, {size_bytes / 2**20:,.0f} MB.")
    if source is None:
        if not clear_cache:
            raise GanvasError("No data source was named.", "Name one: ganvas data glyphs")
        return
    options = ImageOptions(
        size=size,
        crop=crop,
        channels=channels,
        white=white,
        label_column=label_column,
        file_column=file_column,
        caption_column=caption_column,
        frames=frames,
    )
    show_data(service.data(source, out=out, num=num, image_options=options), as_json=json)
    said(out)


def suggest(
    source: Annotated[Positional[str], arg(help="a folder of pictures, or another data source")],
    *,
    minutes: Annotated[float, arg(help="that training may take")] = 60.0,
    size: Size = None,
    crop: Crop = "center",
    channels: Channels = None,
    white: White = None,
    json: Json = False,
) -> None:
    """Propose a command for your data. It looks at the data, and trains for ten seconds to measure this machine."""
    options = ImageOptions(size=size, crop=crop, channels=channels, white=white)
    show_suggestion(service.suggest(source, minutes=minutes, image_options=options), as_json=json)


def check(
    file: Annotated[Positional[str], arg(help="your Python file, or a recipe's name")],
    *,
    data: Annotated[str, arg(help="a data source")] = "glyphs",
    size: Size = None,
    crop: Crop = "center",
    channels: Channels = None,
    white: White = None,
    label_column: LabelColumn = None,
    file_column: FileColumn = None,
    caption_column: CaptionColumn = None,
    frames: Frames = False,
    json: Json = False,
) -> None:
    """Test a model with one dry step: players, their terms, and parameters without a gradient."""
    options = ImageOptions(
        size=size,
        crop=crop,
        channels=channels,
        white=white,
        label_column=label_column,
        file_column=file_column,
        caption_column=caption_column,
        frames=frames,
    )
    show_check(service.check(file, data=data, image_options=options), as_json=json)


def runs(
    folder: Annotated[Positional[Path], arg(help="folder to search")] = Path("runs"), *, json: Json = False
) -> None:
    """List the runs in a folder, newest first: recipe, progress, best scores."""
    show_runs(listing.runs(folder), as_json=json)


def doctor(run: RunPath, *, json: Json = False) -> None:
    """Diagnose a run, finished or in training: problems, their evidence, and what to try."""
    show_diagnosis(service.doctor(run), as_json=json)


def report(run: RunPath) -> None:
    """Write a run's report.html again."""
    said(service.report(run))

"""Verbs that measure: scores of a run, runs side by side, the sweep from VAE to GAN."""

from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, arg

from ganvas import service
from ganvas.cli.flags import (
    NONE,
    Best,
    CaptionColumn,
    Channels,
    Crop,
    Device,
    Features,
    File,
    FileColumn,
    Frames,
    Json,
    LabelColumn,
    RunPath,
    Sampling,
    Size,
    White,
    listed,
    numbers,
    said,
)
from ganvas.cli.show import show_metrics, show_scores
from ganvas.data import ImageOptions
from ganvas.metrics.evaluation import FeaturesName, Protocol
from ganvas.runs.settings import slug
from ganvas.studies.continuum import continuum as sweep
from ganvas.studies.measuring import NEIGHBOURS


def evaluate(
    run: RunPath,
    *,
    data: Annotated[str | None, arg(help="a data source for held-out examples; default: the run's own")] = None,
    metrics: Annotated[
        str, arg(help="names with commas: fid,kid,prdc (see ganvas metrics); default: the usual ones")
    ] = "",
    num: Annotated[int, arg(help="number of samples, and maximum number of held-out examples")] = 10_000,
    features: Features = "auto",
    weights: Annotated[Path | None, arg(help="file with the weights of inception")] = None,
    importance_samples: Annotated[int, arg(help="codes per example for nll and bpd")] = 5_000,
    seed: int = 0,
    best: Best = False,
    file: File = None,
    device: Device = "cpu",
    json: Json = False,
    sampling: Sampling = NONE,
) -> None:
    """Compute scores of a run on held-out data, with those of real data and of the untrained networks."""
    protocol = Protocol(listed(metrics), num, features, weights, importance_samples, seed)
    opened = service.open_run(run, file=file, device=device, best=best)
    opened.sampling(**sampling)
    rows = service.evaluate(opened, data, protocol=protocol)
    show_scores(rows, as_json=json)
    if not json and any(row.score.name == "memorisation" for row in rows):
        said(opened.path / NEIGHBOURS)


def compare(
    runs: Annotated[Positional[tuple[Path, ...]], arg(help="directories of two or more runs")],
    *,
    out: Annotated[Path, arg(help="a folder for index.html and compare.json")],
    data: Annotated[str | None, arg(help="a data source for held-out examples; default: the runs' own")] = None,
    metrics: Annotated[
        str, arg(help="names with commas: fid,kid,prdc (see ganvas metrics); default: the usual ones")
    ] = "",
    num: Annotated[int, arg(help="number of samples per run, and maximum number of held-out examples")] = 10_000,
    features: Features = "auto",
    weights: Annotated[Path | None, arg(help="file with the weights of inception")] = None,
    importance_samples: Annotated[int, arg(help="codes per example for nll and bpd")] = 5_000,
    seed: int = 0,
    file: File = None,
    device: Device = "cpu",
) -> None:
    """Compare runs under one protocol: scores, bars, samples, reconstructions and costs, as a page and as JSON."""
    protocol = Protocol(listed(metrics), num, features, weights, importance_samples, seed)
    opened = [service.open_run(run, file=file, device=device) for run in runs]
    said(service.compare(opened, out, data=data, protocol=protocol))


def metrics(*, json: Json = False) -> None:
    """List the metrics: what each needs, which direction is better, its paper."""
    show_metrics(service.metrics(), as_json=json)


def continuum(
    *,
    data: Annotated[str, arg(help="a data source of images")] = "glyphs",
    out: Annotated[Path | None, arg(help="a new folder; default: runs/continuum-DATA")] = None,
    weights: Annotated[str, arg(help="from 0 (VAE) to 1 (GAN), with commas")] = "0,0.1,0.3,0.5,0.7,0.9,1",
    seeds: Annotated[int, arg(help="runs at each weight")] = 3,
    images: Annotated[int, arg(help="images that each run sees")] = 50_000,
    batch_size: Annotated[int | None, arg(help="images per step")] = None,
    network: Annotated[str, arg(help="networks of all three players: auto, mlp, dcgan or resnet")] = "auto",
    width: Annotated[int | None, arg(help="width of the networks; default: their own")] = None,
    latent: Annotated[int, arg(help="dimensions of the code")] = 32,
    learning_rate: Annotated[float, arg(help="Adam's rate for all three players")] = 1e-3,
    num: Annotated[int, arg(help="number of samples, and maximum number of held-out examples")] = 2_000,
    features: Annotated[FeaturesName, arg(help="feature network; auto chooses by the data")] = "auto",
    size: Size = None,
    crop: Crop = "center",
    channels: Channels = None,
    white: White = None,
    label_column: LabelColumn = None,
    file_column: FileColumn = None,
    caption_column: CaptionColumn = None,
    frames: Frames = False,
    device: Device = "cpu",
    quiet: Annotated[bool, arg(help="print nothing")] = False,
) -> None:
    """Train the same networks from VAE to GAN, and draw gain and cost. A stopped command continues."""
    page = sweep(
        data,
        out or Path("runs") / f"continuum-{slug(data)}",
        weights=numbers(weights),
        seeds=seeds,
        images=images,
        batch_size=batch_size,
        num=num,
        features=features,
        image_options=ImageOptions(
            size=size,
            crop=crop,
            channels=channels,
            white=white,
            label_column=label_column,
            file_column=file_column,
            caption_column=caption_column,
            frames=frames,
        ),
        device=device,
        quiet=quiet,
        network=network,
        width=width,
        latent=latent,
        learning_rate=learning_rate,
    )
    said(page)

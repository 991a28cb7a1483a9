"""Verbs that use a trained run: sample, reconstruct, interpolate, encode, export."""

from pathlib import Path
from typing import Annotated, Literal

from tyro.conf import arg

from ganvas import service
from ganvas.cli.flags import NONE, Best, Device, File, Invert, RunPath, Sampling, Starts, Steps, said
from ganvas.service.using import Part
from ganvas.use.export import Format
from ganvas.use.fitted_priors import Gaussian, GaussianMixture, PostHocPrior, SecondStage
from ganvas.use.inversion import Search

PriorName = Literal["own", "gaussian", "gmm", "vae"]
PRIORS: dict[str, PostHocPrior | None] = {
    "own": None,
    "gaussian": Gaussian(),
    "gmm": GaussianMixture(),
    "vae": SecondStage(),
}

GIVEN = "a data source, or files and folders of pictures"
WHICH = "which examples; default: all of other data"


def given(data: tuple[str, ...]) -> str | tuple[str, ...]:
    """One source by its name, or a list of files and folders."""
    return data[0] if len(data) == 1 else data


def sample(
    run: RunPath,
    *,
    out: Annotated[Path, arg(help="grid.png, a folder, or samples.npz")],
    num: int = 64,
    seed: int = 0,
    classes: Annotated[str | None, arg(name="class", help="class name for a conditional run, or all")] = None,
    prior: Annotated[
        PriorName, arg(help="prior to fit to the training data's codes, instead of the model's own")
    ] = "own",
    best: Best = False,
    file: File = None,
    device: Device = "cpu",
    sampling: Sampling = NONE,
) -> None:
    """Draw samples from a run."""
    opened = service.open_run(run, file=file, device=device, best=best)
    opened.sampling(**sampling)
    made = service.sample(opened, out, num=num, seed=seed, classes=classes, prior=PRIORS[prior])
    said(made)


def reconstruct(
    run: RunPath,
    *,
    data: Annotated[tuple[str, ...], arg(help=GIVEN)],
    out: Annotated[Path, arg(help="grid.png, or pairs.npz with originals, reconstructions and files")],
    split: Annotated[Part | None, arg(help=f"{WHICH}, 32 held-out ones of the run's own data")] = None,
    num: Annotated[int | None, arg(help="number of examples")] = None,
    invert: Invert = False,
    steps: Steps = 300,
    starts: Starts = 4,
    best: Best = False,
    file: File = None,
    device: Device = "cpu",
) -> None:
    """Draw examples of a data source, each row above its reconstructions."""
    search = Search(steps, starts) if invert else None
    opened = service.open_run(run, file=file, device=device, best=best)
    said(service.reconstruct(opened, given(data), out, split=split, num=num, search=search))


def interpolate(
    run: RunPath,
    *,
    out: Annotated[Path, arg(help="strip.png or walk.gif")],
    start: Annotated[Path | None, arg(name="from", help="an image; default: a walk between two samples")] = None,
    end: Annotated[Path | None, arg(name="to", help="an image")] = None,
    num: Annotated[int, arg(help="number of pictures, with both ends")] = 11,
    seed: int = 0,
    class_name: Annotated[
        str | None, arg(name="class", help="class of the walk, for a conditional run; default: chosen by the seed")
    ] = None,
    best: Best = False,
    file: File = None,
    device: Device = "cpu",
    sampling: Sampling = NONE,
) -> None:
    """Draw a walk between two images, or between two samples."""
    opened = service.open_run(run, file=file, device=device, best=best)
    opened.sampling(**sampling)
    said(service.interpolate(opened, out, start=start, end=end, num=num, seed=seed, class_name=class_name))


def encode(
    run: RunPath,
    *,
    data: Annotated[tuple[str, ...], arg(help=GIVEN)],
    out: Annotated[Path, arg(help="codes.npz: mean, scale (N, L), labels, files")],
    split: Annotated[Part | None, arg(help=f"{WHICH}, the training examples of the run's own data")] = None,
    num: Annotated[int | None, arg(help="number of examples from the first on; default: all")] = None,
    invert: Invert = False,
    steps: Steps = 300,
    starts: Starts = 4,
    best: Best = False,
    file: File = None,
    device: Device = "cpu",
) -> None:
    """Compute codes of a data source's examples: the posterior's mean and scale, with labels."""
    search = Search(steps, starts) if invert else None
    opened = service.open_run(run, file=file, device=device, best=best)
    said(service.encode(opened, given(data), out, split=split, limit=num, search=search))


def export(
    run: RunPath,
    *,
    to: Annotated[
        Format,
        arg(help="format: torch.export programs, ONNX programs, a Hugging Face folder, or the hub"),
    ],
    out: Annotated[Path | None, arg(help="a new folder")] = None,
    repo: Annotated[str | None, arg(help="USER/NAME on the hub, for --to hub")] = None,
    best: Best = False,
    file: File = None,
    sampling: Sampling = NONE,
) -> None:
    """Export the networks for samples, reconstructions and codes."""
    opened = service.open_run(run, file=file, best=best)
    opened.sampling(**sampling)
    print(service.export(opened, to, out, repo))

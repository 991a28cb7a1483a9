"""What a user does with a trained run: sample, reconstruct, interpolate, encode."""

import math
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch

from ganvas.core.abilities import Encodes
from ganvas.data import DataInfo, Split, read_image, representative
from ganvas.data.domains.pictures import PAIR_COLUMNS, save_arrays, save_film, save_folder, save_picture
from ganvas.data.sources.by_name import Source
from ganvas.data.whole import whole
from ganvas.errors import GanvasError, either, option
from ganvas.machine import memory
from ganvas.machine.checks import at_least
from ganvas.use.classes import class_numbers, one_class
from ganvas.use.fitted_priors import PostHocPrior
from ganvas.use.inversion import Search
from ganvas.use.kept_priors import fitted
from ganvas.use.opening import as_trained, must_hold_out
from ganvas.use.run import Run

Part = Literal["all", "train", "held-out"]

OWN_RECONSTRUCTED = 32
"""So many held-out examples of a run's own data are reconstructed by default."""


def sample(
    run: Run,
    out: Path,
    *,
    num: int = 64,
    seed: int = 0,
    classes: str | None = None,
    prior: PostHocPrior | None = None,
) -> Path:
    """`num` samples: a grid (.png), arrays (.npz; images are uint8 (N, H, W, C)), or a folder of one file each.

    classes: for a conditional run, a class name, or "all" for equal shares in order.
    prior: a prior to fit to the codes of the run's training data, instead of the model's own.
    """
    at_least(num, 1, "num")
    memory.must_fit(8 * num * math.prod(run.info.shape), f"{num:,} samples", f"Use fewer: {option('num', 64)}")
    if not out.suffix and not run.info.domain.in_rows:
        raise GanvasError(
            "A folder of pictures cannot hold points.", f"Write {option('out', 'samples.npz')} or points.png"
        )
    y = None if classes is None else class_numbers(run, classes, num)
    if prior is not None and "truncation" in run.chosen:
        raise GanvasError(
            "Truncation works only with the model's own prior.",
            f"Leave out {option('prior')} or {option('truncation')}.",
        )
    if prior is None:
        x = run.sample(num, y=y, seed=seed)
    else:
        run.autoencoder("use a fitted prior")
        sampler = fitted(run, prior, seed, lambda: training_codes(run, seed))
        x = run.generate(sampler.sample(num, seed), y, seed=seed)
    if out.suffix == ".npz":
        return save_arrays(out, **run.shown.domain.arrays(x))
    return save_picture(x, out, run.shown) if out.suffix else save_folder(x, out, run.shown)


def training_codes(run: Run, seed: int) -> torch.Tensor:
    """A draw from q(z|x) for each of the run's training examples, (N, L)."""
    train = as_trained(run, run.settings.source).train
    seen = [train.batch(rows) for rows in torch.arange(len(train)).split(1_000)]
    return torch.cat([run.codes(batch.x, batch.y, seed=seed) for batch in seen])


@dataclass(frozen=True, eq=False)
class Chosen:
    """Examples of a source. files: the names of their files, if the source has files. own: whether it is the run's."""

    split: Split
    files: tuple[str, ...]
    own: bool
    info: DataInfo


def chosen(run: Run, data: Source, split: Part | None, usual: Part) -> Chosen:
    """The examples that the user means. split: if None, `usual` of the run's own data, and all of other data."""
    own = isinstance(data, str) and data == run.settings.source
    loaded = as_trained(run, data)
    for left in loaded.skipped:
        warnings.warn(f"{left.path} was skipped: {left.reason}.", stacklevel=3)
    part = split or (usual if own else "all")
    if part == "all":
        examples, files = whole(loaded)
        return Chosen(examples, files, own, loaded.info)
    num = len(loaded.train)
    if part == "train":
        return Chosen(loaded.train, loaded.files[:num], own, loaded.info)
    must_hold_out(loaded.source, len(loaded.held_out))
    return Chosen(loaded.held_out, loaded.files[num:], own, loaded.info)


def reconstruct(
    run: Run,
    data: Source,
    out: Path,
    *,
    split: Part | None = None,
    num: int | None = None,
    search: Search | None = None,
) -> Path:
    """A grid of examples, each row of originals above the row of their reconstructions (.png), or both as arrays (.npz).

    data: the run's own source, of which by default 32 held-out examples are taken, each class with its share; or other
    files, folders and sources, of which by default all are taken, in order. split: all, train or held-out.
    search: the search for codes, for a run without an encoder. An .npz has `originals` and `reconstructions`, uint8
    (N, H, W, C), and `files` if the source has files.
    """
    if num is not None:
        at_least(num, 1, "num")
    if search is None:
        must_encode(run, "reconstruct")
    found = chosen(run, data, split, "held-out")
    rows = representative(found.split, num or OWN_RECONSTRUCTED) if found.own else first(found.split, num)
    memory.must_fit(
        8 * len(rows) * math.prod(run.info.shape), f"{len(rows):,} reconstructions", f"Take fewer: {option('num', 32)}"
    )
    pairs: list[tuple[torch.Tensor, torch.Tensor]] = []
    for part in map(found.split.batch, rows.split(1_000)):
        y = part.y if run.recipe.num_classes else None
        made = run.reconstruct(part.x, part.y) if search is None else search(run.generator, part.x, y).reconstructions
        pairs.append((part.x, made.cpu()))
    x, made = (torch.cat(parts) for parts in zip(*pairs, strict=True))
    if out.suffix == ".npz":
        names = {"files": np.array([found.files[i] for i in rows.tolist()])} if found.files else {}
        originals, reconstructions = (next(iter(run.info.domain.arrays(part).values())) for part in (x, made))
        return save_arrays(out, originals=originals, reconstructions=reconstructions, **names)
    pairs_drawn = run.info.domain.beside(x, made, PAIR_COLUMNS)
    return save_picture(pairs_drawn, out, run.info, columns=min(PAIR_COLUMNS, len(x)))


def first(split: Split, num: int | None) -> torch.Tensor:
    """Rows of the first `num` examples, or of all."""
    return torch.arange(len(split) if num is None else min(num, len(split)))


def must_encode(run: Run, verb: str) -> None:
    """Raises GanvasError if the run's model has no encoder."""
    if not isinstance(run.model, Encodes):
        raise GanvasError(
            f"Recipe {run.settings.recipe!r} cannot {verb}: it has no encoder.",
            f"Search for the codes, with {either('--invert', '`search=Search()`')}, or use a recipe with an encoder:"
            " `ganvas recipes` marks them.",
        )


def interpolate(
    run: Run,
    out: Path,
    *,
    start: Path | None = None,
    end: Path | None = None,
    num: int = 11,
    seed: int = 0,
    class_name: str | None = None,
) -> Path:
    """A walk of `num` pictures between two images, or two draws from the prior: a strip (.png) or a film (.gif).

    class_name: for a conditional run, their class; by default chosen by the seed.
    """
    at_least(num, 2, "num")
    memory.must_fit(
        8 * num * math.prod(run.info.shape), f"A walk of {num:,} pictures", f"Use fewer: {option('num', 11)}"
    )
    if not run.info.domain.in_rows:
        raise GanvasError("The run was trained on points; a walk needs images.")
    if (start is None) != (end is None):
        raise GanvasError(
            "A walk has two ends.",
            f"Give both {option('start', flag='from')} and {option('end', flag='to')}, or neither.",
        )
    y = None if class_name is None else one_class(run, class_name)
    a, b = (
        None if path is None else read_image(path, run.info.shape, run.settings.options.white).unsqueeze(0)
        for path in (start, end)
    )
    walk = run.interpolate(a, b, num, seed, y=y)
    return save_film(walk, out, run.shown) if out.suffix == ".gif" else save_picture(walk, out, run.shown, columns=num)


def encode(
    run: Run,
    data: Source,
    out: Path,
    *,
    split: Part | None = None,
    limit: int | None = None,
    search: Search | None = None,
) -> Path:
    """Codes of a source's examples in an .npz: the posterior's `mean` and `scale` (N, L), and `labels` where known.

    data: the run's own source, of which by default the training examples are taken; or other files, folders and sources,
    of which by default all are taken, in order. Then `files` (N,) names each example's file. split: all, train or held-out.
    limit: number of examples from the first on. search: the search for codes, for a run without an encoder. Then the file has
    each code's mean squared `error` instead of `scale`.
    """
    if limit is not None:
        at_least(limit, 1, "num")
    if search is None:
        must_encode(run, "encode")
    found = chosen(run, data, split, "train")
    examples = found.split
    rows = first(examples, limit)
    parts = [examples.batch(some) for some in rows.split(1_000)]
    if search is None:
        codes = [run.encode(part.x, part.y) for part in parts]
        arrays = {"mean": torch.cat([m for m, _ in codes]).numpy(), "scale": torch.cat([s for _, s in codes]).numpy()}
    else:
        told = [part.y if run.recipe.num_classes else None for part in parts]
        searched = [search(run.generator, part.x, y) for part, y in zip(parts, told, strict=True)]
        arrays = {
            "mean": torch.cat([f.codes for f in searched]).numpy(),
            "error": torch.cat([f.errors for f in searched]).numpy(),
        }
    if examples.y is not None:
        arrays |= {"labels": examples.y[rows].numpy(), "class_names": np.array(found.info.classes)}
    if found.files:
        arrays["files"] = np.array([found.files[i] for i in rows.tolist()])
    return save_arrays(out, **arrays)

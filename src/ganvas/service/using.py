"""What a user does with a trained run: sample, reconstruct, interpolate, encode."""

import math
from pathlib import Path

import numpy as np
import torch

from ganvas.core.model import Autoencoder
from ganvas.data import read_image, representative
from ganvas.data.domains.pictures import PAIR_COLUMNS, save_arrays, save_film, save_folder, save_picture
from ganvas.errors import GanvasError, either, option
from ganvas.machine import memory
from ganvas.machine.checks import at_least
from ganvas.use.classes import class_numbers, one_class
from ganvas.use.fitted_priors import PostHocPrior
from ganvas.use.inversion import Search
from ganvas.use.kept_priors import fitted
from ganvas.use.opening import as_trained, must_hold_out
from ganvas.use.run import Run


def sample(
    run: Run,
    out: Path,
    *,
    num: int = 64,
    seed: int = 0,
    classes: str | None = None,
    prior: PostHocPrior | None = None,
    truncation: float | None = None,
) -> Path:
    """`num` samples: a grid (.png), arrays (.npz; images are uint8 (N, H, W, C)), or a folder of one file each.

    classes: for a conditional run, a class name, or "all" for equal shares in order.
    prior: a prior to fit to the codes of the run's training data, instead of the model's own.
    truncation: ψ, the factor on the distance of codes from the prior's mean: 1 as drawn, 0.7 more typical, less varied.
    """
    at_least(num, 1, "num")
    memory.must_fit(8 * num * math.prod(run.info.shape), f"{num:,} samples", f"Use fewer: {option('num', 64)}")
    if not out.suffix and not run.info.domain.in_rows:
        raise GanvasError(
            "A folder of pictures cannot hold points.", f"Write {option('out', 'samples.npz')} or points.png"
        )
    y = None if classes is None else class_numbers(run, classes, num)
    if prior is not None and truncation is not None:
        raise GanvasError(
            "Truncation works only with the model's own prior.",
            f"Leave out {option('prior')} or {option('truncation')}.",
        )
    if prior is None:
        x = run.sample(num, y=y, seed=seed, truncation=truncation)
    else:
        run.autoencoder("use a fitted prior")
        sampler = fitted(run, prior, seed, lambda: training_codes(run, seed))
        x = run.generate(sampler.sample(num, seed), y, seed=seed)
    if out.suffix == ".npz":
        return save_arrays(out, **run.info.domain.arrays(x))
    return save_picture(x, out, run.info) if out.suffix else save_folder(x, out, run.info)


def training_codes(run: Run, seed: int) -> torch.Tensor:
    """A draw from q(z|x) for each of the run's training examples, (N, L)."""
    train = as_trained(run, run.settings.source).train
    seen = [train.batch(rows) for rows in torch.arange(len(train)).split(1_000)]
    return torch.cat([run.codes(batch.x, batch.y, seed=seed) for batch in seen])


def reconstruct(run: Run, data: str, out: Path, *, num: int = 32, search: Search | None = None) -> Path:
    """A grid of held-out examples of a source, each row of originals above the row of their reconstructions.

    search: the search for codes, for a run without an encoder.
    """
    at_least(num, 1, "num")
    if search is None:
        must_encode(run, "reconstruct")
    split = as_trained(run, data).held_out
    must_hold_out(data, len(split))
    batch = split.batch(representative(split, num))
    y = batch.y if run.recipe.num_classes else None
    made = run.reconstruct(batch.x, batch.y) if search is None else search(run.model, batch.x, y).reconstructions
    return save_picture(
        run.info.domain.beside(batch.x, made.cpu(), PAIR_COLUMNS), out, run.info, columns=min(PAIR_COLUMNS, len(batch))
    )


def must_encode(run: Run, verb: str) -> None:
    """Raises GanvasError if the run's model has no encoder."""
    if not isinstance(run.model, Autoencoder):
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
    a, b = (None if path is None else read_image(path, run.info.shape).unsqueeze(0) for path in (start, end))
    walk = run.interpolate(a, b, num, seed, y=y)
    return save_film(walk, out, run.info) if out.suffix == ".gif" else save_picture(walk, out, run.info, columns=num)


def encode(
    run: Run, data: str, out: Path, *, split: str = "train", limit: int | None = None, search: Search | None = None
) -> Path:
    """Codes of a source's examples in an .npz: the posterior's `mean` and `scale` (N, L), and `labels` where known.

    limit: number of examples from the first on. search: the search for codes, for a run without an encoder. Then the file has
    each code's mean squared `error` instead of `scale`.
    """
    if search is None:
        must_encode(run, "encode")
    loaded = as_trained(run, data)
    examples = {"train": loaded.train, "held-out": loaded.held_out}[split]
    must_hold_out(data, len(examples))
    rows = torch.arange(len(examples) if limit is None else min(limit, len(examples)))
    parts = [examples.batch(some) for some in rows.split(1_000)]
    if search is None:
        codes = [run.encode(part.x, part.y) for part in parts]
        arrays = {"mean": torch.cat([m for m, _ in codes]).numpy(), "scale": torch.cat([s for _, s in codes]).numpy()}
    else:
        told = [part.y if run.recipe.num_classes else None for part in parts]
        found = [search(run.model, part.x, y) for part, y in zip(parts, told, strict=True)]
        arrays = {
            "mean": torch.cat([f.codes for f in found]).numpy(),
            "error": torch.cat([f.errors for f in found]).numpy(),
        }
    if examples.y is not None:
        arrays |= {"labels": examples.y[rows].numpy(), "class_names": np.array(loaded.info.classes)}
    return save_arrays(out, **arrays)

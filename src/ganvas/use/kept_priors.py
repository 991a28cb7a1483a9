"""Priors that were fitted to a run's codes, kept in the run's folder `priors`.

A second stage takes minutes to train. It depends on the weights, on the kind of prior with its options, and on the seed.
These are its key: `priors/KIND-KEY.safetensors` has the tensors, and a JSON file beside it has the key and their SHA-256.
"""

import hashlib
import json
import warnings
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, is_dataclass
from typing import Any

import torch
from safetensors import SafetensorError
from torch import Tensor

from ganvas.machine.storage import atomically, read_object
from ganvas.machine.tensor_files import load_tensors, save_tensors
from ganvas.runs.directory import Directory
from ganvas.training import checkpoint
from ganvas.use.fitted_priors import PostHocPrior, Sampler
from ganvas.use.run import Run

LARGEST = 2**30
"""Bytes. A file of a fitted prior is far smaller."""


def fitted(run: Run, prior: PostHocPrior, seed: int, codes: Callable[[], Tensor]) -> Sampler:
    """The prior, fitted to a run's codes: the one that is kept with the run, or a new one, which is kept from now on.

    codes: computes the codes (N, L), if they are needed. An export keeps none, nor does a folder that cannot be written.
    """
    key = None if run.directory.published else key_of(run, prior, seed)
    if key is None:
        return prior.fit(codes(), seed)
    stem = run.directory.priors / f"{key['prior'].lower()}-{digest(key)}"
    if stem.with_suffix(".json").is_file():
        try:
            return read(run, prior, key)
        except (OSError, ValueError, KeyError, TypeError, RuntimeError, SafetensorError) as error:
            warnings.warn(f"The fitted prior {stem.name} is damaged and is fitted again: {error}", stacklevel=3)
    sampler = prior.fit(codes(), seed)
    with suppress(OSError):  # a folder of somebody else's, for example
        write(run, sampler, key)
    return sampler


def key_of(run: Run, prior: PostHocPrior, seed: int) -> dict[str, Any] | None:
    """What a fitted prior depends on; None if the checkpoint does not say its SHA-256."""
    try:
        facts = read_object(checkpoint.path_of(run.directory.checkpoints, run.images_seen))
        options = asdict(prior) if is_dataclass(prior) and not isinstance(prior, type) else {}
        weights = {"images": run.images_seen, "checkpoint": str(facts["sha256"])}
        return {"prior": type(prior).__name__, "options": options, "seed": seed, **weights}
    except (OSError, ValueError, KeyError):
        return None


def digest(key: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()[:16]


def read(run: Run, prior: PostHocPrior, key: dict[str, Any]) -> Sampler:
    """The kept prior. Raises an error of many kinds if it is damaged: it may be a stranger's."""
    stem = run.directory.priors / f"{key['prior'].lower()}-{digest(key)}"
    data = stem.with_suffix(".safetensors")
    facts = read_object(stem.with_suffix(".json"))
    if data.stat().st_size > LARGEST:
        raise ValueError(f"it is larger than {LARGEST >> 20} MiB")
    if facts["key"] != json.loads(json.dumps(key)) or facts["sha256"] != checkpoint.sha256(data):
        raise ValueError("it is not what was written")
    sampler = prior.restored(load_tensors(data))
    drawn, wanted = sampler.sample(2), run.generator.draw_codes(2)
    if drawn.shape != wanted.shape or not bool(torch.isfinite(drawn).all()):
        raise ValueError("its codes are not those of the run")
    return sampler


def write(run: Run, sampler: Sampler, key: dict[str, Any]) -> None:
    """Keeps a fitted prior, and removes those of checkpoints that are gone. Raises OSError if it cannot be written."""
    folder = run.directory.priors
    if folder.is_symlink():
        raise OSError(f"{folder} is a link")
    folder.mkdir(exist_ok=True)
    stem = folder / f"{key['prior'].lower()}-{digest(key)}"
    tensors = {name: tensor.contiguous() for name, tensor in sampler.tensors().items()}
    data = atomically(stem.with_suffix(".safetensors"), lambda part: save_tensors(tensors, part))
    facts = json.dumps({"key": key, "sha256": checkpoint.sha256(data)}, indent=2)
    atomically(stem.with_suffix(".json"), lambda part: part.write_text(facts))
    for file in folder.glob("*.json"):
        if not is_current(run.directory, file):
            file.with_suffix(".safetensors").unlink(missing_ok=True)
            file.unlink()


def is_current(directory: Directory, file: Any) -> bool:
    """Whether the checkpoint that a prior was fitted to is still there."""
    try:
        key = read_object(file)["key"]
        facts = read_object(checkpoint.path_of(directory.checkpoints, checkpoint.count(key["images"])))
        return facts["sha256"] == key["checkpoint"]
    except (OSError, ValueError, KeyError, TypeError):
        return False

"""The model of an exported folder."""

from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors import SafetensorError

from ganvas.core.model import Model
from ganvas.errors import not_allowed
from ganvas.machine.storage import read_object
from ganvas.machine.tensor_files import load_tensors
from ganvas.runs.directory import PUBLISHED
from ganvas.runs.settings import text
from ganvas.training import state


def without(model: Model, networks: Sequence[str]) -> Model:
    """The model without these networks."""
    for name in networks:
        setattr(model, name, torch.nn.Identity())
    return model


def published_model(path: Path, model: Model) -> Model:
    """The model of an exported folder: its networks and weights, and no others."""
    try:
        facts = read_object(path / "config.json")
        kept = set(map(text, facts["networks"]))
        seen = state.count(facts["images_seen"])
        tensors = load_tensors(path / PUBLISHED)
    except PermissionError as error:
        raise not_allowed(error.filename) from error
    except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
        raise state.DamagedCheckpoint(
            f"The model in {path} cannot be read: {type(error).__name__}: {error}."
        ) from error
    unnamed = [(name, part) for name, part in model.named_children() if name not in kept]
    model = without(model, [name for name, part in unnamed if part.state_dict()])  # a prior may have no weights
    state.fill(model, tensors, "")
    model.clock.images = seen
    return model


def finite(model: Model, path: Path) -> Model:
    """The model. Raises DamagedCheckpoint for NaN or infinity in weights, which training never writes."""
    for name, weights in model.named_parameters():
        if not torch.isfinite(weights).all():
            raise state.DamagedCheckpoint(
                f"The model in {path} has NaN or infinity in its weights: {name}.",
                "The file changed after training. Copy it again from its source, or train again.",
            )
    return model

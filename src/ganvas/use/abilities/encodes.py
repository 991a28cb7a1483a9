"""Codes of examples, and reconstructions from them."""

from typing import cast

from torch import Tensor, nn

from ganvas.core.abilities import Encodes
from ganvas.core.model import Model
from ganvas.data.domains.pictures import PAIR_COLUMNS
from ganvas.errors import GanvasError
from ganvas.machine import rng
from ganvas.use.abilities.ability import Ability, Drawing, Moment, Way, told
from ganvas.use.walks import WALK, line_walk


class Encode(nn.Module):
    """Examples x (N, ...), and classes y (N,) for a conditional model, to the posterior's mean and scale."""

    def __init__(self, model: Encodes) -> None:
        super().__init__()
        self.model = model

    def forward(self, x: Tensor, y: Tensor | None = None) -> tuple[Tensor, Tensor]:
        q = self.model.encode(x, y)
        return q.mean, q.stddev


def encoder(model: Model, recipe: str, verb: str) -> Encodes:
    """The model, known to have an encoder. Raises GanvasError if it has none. verb: what it is needed for."""
    if not isinstance(model, Encodes):
        raise GanvasError(
            f"Recipe {recipe!r} cannot {verb}: it has no encoder.",
            "Use a recipe with an encoder; `ganvas recipes` marks them.",
        )
    return model


def pictures(model: Encodes, moment: Moment) -> dict[str, Drawing]:
    """Held-out examples beside their reconstructions, and a walk between two of them."""
    shown = moment.shown
    if shown is None:
        return {}
    pairs = moment.domain.beside(shown.x, model.reconstruct(shown.x, shown.y), PAIR_COLUMNS)
    walk = line_walk(model, shown.x[:1], shown.x[-1:], None if shown.y is None else shown.y[:1], WALK)
    return {"reconstruction": Drawing(pairs, PAIR_COLUMNS), "walk": Drawing(walk, WALK)}


def ways(model: Encodes, num: int, y: Tensor | None) -> list[Way]:
    """The encoder. Its example inputs are samples of the model."""
    with rng.seeded("export"):
        x = model.generate(model.draw_codes(num).contiguous(), y).contiguous()
    return [Way("encoder", lambda m: Encode(cast(Encodes, m)), {"x": x, **told(y)}, ("mean", "scale"))]


ENCODES = Ability("encodes", "has an encoder", Encodes, pictures, ways, ("z, scale = run.encode(x)",))

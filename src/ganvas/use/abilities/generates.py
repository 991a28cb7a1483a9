"""Drawing examples from codes."""

from typing import cast

from torch import Tensor, nn

from ganvas.core.abilities import Generates, HasLikelihood
from ganvas.core.model import FromCodes, Model
from ganvas.errors import GanvasError
from ganvas.machine import rng
from ganvas.use.abilities.ability import Ability, Drawing, Moment, Way, told
from ganvas.use.walks import WALK, prior_walk


class Generate(nn.Module):
    """Codes of the prior z (N, ...), and classes y (N,) for a conditional model, to examples x (N, ...).

    Options of the model's sampling hold, truncation too.
    """

    def __init__(self, model: Generates) -> None:
        super().__init__()
        self.model = model

    def forward(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        return self.model.generate(self.model.truncated(z), y)


def generator(model: Model, recipe: str) -> FromCodes:
    """The model, known to make examples from codes. Raises GanvasError if it does not."""
    if not isinstance(model, Generates):
        raise GanvasError(f"Recipe {recipe!r} makes no examples from codes.")
    return cast(FromCodes, model)


def pictures(model: Generates, moment: Moment) -> dict[str, Drawing]:
    """Samples, and a walk between two of them."""
    drawn = {"prior": Drawing(model.sample(moment.num, moment.y))}
    if moment.shown is None:
        return drawn
    y = None if moment.y is None else moment.y[:1]
    return drawn | {"walk": Drawing(prior_walk(model, y, WALK), WALK)}


def ways(model: Generates, num: int, y: Tensor | None) -> list[Way]:
    """The generator, called decoder if it is a p(x|z)."""
    with rng.seeded("export"):
        z = model.prior().sample((num,)).contiguous()
    name = "decoder" if isinstance(model, HasLikelihood) else "generator"
    return [Way(name, lambda m: Generate(cast(Generates, m)), {"z": z, **told(y)}, ("x",))]


GENERATES = Ability("samples", "draws samples", Generates, pictures, ways, ("x = run.sample(64)",))

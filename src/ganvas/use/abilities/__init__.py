"""What a model can do, one ability a file. Code elsewhere loops over `ABILITIES`, and asks no model what it is."""

from ganvas.core.abilities import Classifies, HasLikelihood, Judges, Tokenizes
from ganvas.core.model import Model
from ganvas.use.abilities.ability import Ability, Drawing, Moment, Way
from ganvas.use.abilities.encodes import ENCODES, encoder
from ganvas.use.abilities.generates import GENERATES, generator

ABILITIES: tuple[Ability, ...] = (
    GENERATES,
    ENCODES,
    Ability("likelihood", "has a likelihood", HasLikelihood),
    Ability("tokens", "has tokens for codes", Tokenizes),
    Ability("classifies", "names the class", Classifies),
    Ability("judges", "has a critic whose scores are checked", Judges),
)
"""In this order pictures, exports and lists name them."""


def abilities_of(model: Model) -> list[Ability]:
    """The abilities that a model has."""
    return [ability for ability in ABILITIES if isinstance(model, ability.protocol)]


__all__ = ["ABILITIES", "Ability", "Drawing", "Moment", "Way", "abilities_of", "encoder", "generator"]

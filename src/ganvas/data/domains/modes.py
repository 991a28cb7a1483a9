"""The components of a mixture whose samples are points."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Modes:
    """The components of a mixture of equally likely spherical Gaussians. centres: K points; sigma: their one scale."""

    centres: tuple[tuple[float, ...], ...]
    sigma: float

    def to_json(self) -> dict[str, Any]:
        return {"centres": [list(c) for c in self.centres], "sigma": self.sigma}

    @classmethod
    def from_json(cls, stored: dict[str, Any]) -> "Modes":
        return cls(tuple(tuple(float(v) for v in c) for c in stored["centres"]), float(stored["sigma"]))

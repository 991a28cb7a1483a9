"""Facts of small data of each kind: to list and test recipes without data."""

import torch
from torch import Tensor

from ganvas.data.dataset import DataInfo
from ganvas.data.domains.codes import Codes, Tokens
from ganvas.data.domains.domain import Domain, Images


class Blank:
    """A first stage that decodes everything to zeros of a domain."""

    def __init__(self, domain: Domain) -> None:
        self.domain = domain

    def decode(self, x: Tensor) -> Tensor:
        return torch.zeros(len(x), *self.domain.shape)


def info(shape: tuple[int, ...], given: Domain | None = None) -> DataInfo:
    return DataInfo(shape, classes=("a", "b", "c"), num_train=1_000, mean=torch.zeros(shape), given=given)


_FIRST = Images((1, 28, 28))

EXAMPLES: dict[str, DataInfo] = {
    "images": info((1, 28, 28)),
    "points": info((2,)),
    "codes": info((4, 8, 8), Codes((4, 8, 8), _FIRST, Blank(_FIRST))),
    "tokens": info((4, 4), Tokens((4, 4), 16, _FIRST, Blank(_FIRST))),
}
"""By kind of example."""

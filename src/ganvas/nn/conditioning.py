"""Conditioning on a class: with the input, by normalisation, or in a critic's score."""

import torch
from torch import Tensor, nn

from ganvas.errors import GanvasError
from ganvas.machine.precision import full
from ganvas.nn.norms import Norm, batch_norm


class ClassEmbedding(nn.Module):
    """A learned vector for each class, and one more for examples without a label.

    y: (N,) int64, -1 for no label. Returns (N, size).
    Raises GanvasError without labels, or (on the CPU, where the check is cheap) for an unknown class.
    """

    def __init__(self, num_classes: int, size: int) -> None:
        super().__init__()
        self.num_classes = num_classes
        self.table = nn.Embedding(num_classes + 1, size)

    def forward(self, y: Tensor | None) -> Tensor:
        if y is None:
            raise GanvasError(
                f"This network was built for {self.num_classes} classes, but got no labels.",
                "Pass y, the class numbers, or train on data without classes.",
            )
        looked_at = (
            y.device.type == "cpu" and not torch.compiler.is_compiling()
        )  # a compiled graph cannot branch on values
        if looked_at and len(y) and (int(y.min()) < -1 or int(y.max()) >= self.num_classes):
            wrong = sorted({c for c in y.tolist() if not -1 <= c < self.num_classes})
            raise GanvasError(f"There is no class {wrong[0]}.", f"The classes are 0 to {self.num_classes - 1}.")
        return self.table(torch.where(y < 0, self.num_classes, y))


ALONE, BESIDE = 32, 8
"""Sizes of a class embedding: as the only class input, and if the normalisation is conditional too."""


class Concatenation(nn.Module):
    """Appends a class embedding to a code or features. Mirza & Osindero 2014.

    h: (N, F) or (N, F, H, W); y: (N,). Returns (N, F + num_added, ...): h itself without classes.
    """

    def __init__(self, num_classes: int | None, size: int = ALONE) -> None:
        super().__init__()
        self.embedding = ClassEmbedding(num_classes, size) if num_classes else None
        self.num_added = size if num_classes else 0

    def forward(self, h: Tensor, y: Tensor | None = None) -> Tensor:
        if self.embedding is None:
            return h
        e: Tensor = self.embedding(y)
        e = e.reshape(*e.shape, *[1] * (h.ndim - 2)).expand(-1, -1, *h.shape[2:])
        return torch.cat([h, e.to(h.dtype)], dim=1)


class ClassChannel(nn.Module):
    """Adds a channel to the input: one learned picture for each class.

    x: (N, C, H, W); y: (N,). Returns (N, C + num_added, H, W): x itself without classes.
    """

    def __init__(self, num_classes: int | None, height: int, width: int) -> None:
        super().__init__()
        self.embedding = ClassEmbedding(num_classes, height * width) if num_classes else None
        self.num_added = 1 if num_classes else 0

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        if self.embedding is None:
            return x
        e: Tensor = self.embedding(y)
        return torch.cat([x, e.reshape(-1, 1, *x.shape[2:]).to(x.dtype)], dim=1)


class ConditionalNorm(nn.Module):
    """A normalisation with a gain and a bias for each class. Dumoulin et al. 2017; de Vries et al. 2017.

    h: (N, C, ...); y: (N,). Returns a tensor with the shape of h. Starts with gain 1 and bias 0 for every class.
    """

    def __init__(self, normalise: nn.Module, num_features: int, num_classes: int) -> None:
        super().__init__()
        self.normalise = normalise
        self.gain = ClassEmbedding(num_classes, num_features)
        self.bias = ClassEmbedding(num_classes, num_features)
        nn.init.ones_(self.gain.table.weight)
        nn.init.zeros_(self.bias.table.weight)

    def forward(self, h: Tensor, y: Tensor | None = None) -> Tensor:
        per_channel = (h.shape[0], -1, *[1] * (h.ndim - 2))
        gain, bias = self.gain(y).reshape(per_channel), self.bias(y).reshape(per_channel)
        return self.normalise(h) * gain + bias


def conditional_batch_norm(num_features: int, dims: int, num_classes: int | None = None) -> nn.Module:
    """Batch normalisation with a gain and a bias for each class; ordinary batch normalisation without classes."""
    if num_classes is None:
        return batch_norm(num_features, dims)
    normalise = nn.BatchNorm2d if dims == 2 else nn.BatchNorm1d
    return ConditionalNorm(normalise(num_features, affine=False), num_features, num_classes)


def embedding_size(norm: Norm) -> int:
    """The size of the class embedding next to a generator's code; small if the normalisation is conditional too.

    With size 32 it dominated a code of 64: after 60,000 digits, all samples of one class looked the same.
    """
    return BESIDE if norm is conditional_batch_norm else ALONE


class ScoreHead(nn.Module):
    """A critic's score w·h + b, plus v_y·h with classes: the projection discriminator. Miyato & Koyama 2018, eq. 4.

    h: (N, num_features); y: (N,). Returns (N,).
    """

    def __init__(self, num_features: int, num_classes: int | None = None) -> None:
        super().__init__()
        self.num_classes = num_classes
        self.linear = nn.Linear(num_features, 1)
        self.projection = ClassEmbedding(num_classes, num_features) if num_classes else None
        if self.projection is not None:
            nn.init.xavier_uniform_(self.projection.table.weight)

    def forward(self, h: Tensor, y: Tensor | None = None) -> Tensor:
        score = full(self.linear(h)).squeeze(1)
        return score if self.projection is None else score + (self.projection(y) * full(h)).sum(dim=1)


class ClassHead(nn.Module):
    """An auxiliary classifier on a critic's features. h: (N, num_features). Returns logits (N, num_classes).

    Odena et al. 2017.
    """

    def __init__(self, num_features: int, num_classes: int) -> None:
        super().__init__()
        self.num_classes = num_classes
        self.linear = nn.Linear(num_features, num_classes)

    def forward(self, h: Tensor) -> Tensor:
        return full(self.linear(h))

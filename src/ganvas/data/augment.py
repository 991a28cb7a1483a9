"""Views of a critic's inputs: callables from (x, images seen) to an x of the same shape.

A view is drawn for each example, is differentiable in x, and applies to real and generated examples. So the generator
learns the data, not the views. Noise comes from torch's current generators.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ganvas.errors import GanvasError, did_you_mean
from ganvas.machine import rng

View = Callable[[Tensor, int], Tensor]


@dataclass(frozen=True)
class InstanceNoise:
    """x + σ ε, ε ~ N(0, I): the two distributions then overlap; σ falls during training.

    scale: σ of the images seen.

    Sønderby et al. 2017, "Amortised MAP Inference for Image Super-resolution", section 4.2, https://arxiv.org/abs/1610.04490
    """

    scale: Callable[[int], float]

    def __call__(self, x: Tensor, images_seen: int) -> Tensor:
        sigma = self.scale(images_seen)
        return x + sigma * rng.randn(*x.shape, like=x) if sigma > 0 else x


@dataclass(frozen=True)
class DiffAugment:
    """Random colour, translation or cutout of each image, through which gradients flow. Images (N, C, H, W) in [−1, 1].

    policy: some of "color", "translation", "cutout", in the order of application.

    Zhao et al. 2020, "Differentiable Augmentation for Data-Efficient GAN Training", section 3.2 and appendix A,
    https://arxiv.org/abs/2006.10738; program: mit-han-lab/data-efficient-gans
    """

    policy: tuple[str, ...] = ("color", "translation", "cutout")

    def __post_init__(self) -> None:
        for name in self.policy:
            if name not in POLICIES:
                raise GanvasError(f"DiffAugment has no {name!r}.", did_you_mean(name, POLICIES))

    def __call__(self, x: Tensor, images_seen: int) -> Tensor:
        for name in self.policy:
            for augment in POLICIES[name]:
                x = augment(x)
        return x


class Views(nn.Module):
    """Views applied in order."""

    def __init__(self, views: Sequence[View]) -> None:
        super().__init__()
        self.views = tuple(views)
        for number, view in enumerate(self.views):
            if isinstance(view, nn.Module):  # so that its state is in checkpoints
                self.add_module(str(number), view)

    def forward(self, x: Tensor, images_seen: int) -> Tensor:
        for view in self.views:
            x = view(x, images_seen)
        return x


def brightness(x: Tensor) -> Tensor:
    """Plus U(−½, ½)."""
    return x + (each(x) - 0.5)


def saturation(x: Tensor) -> Tensor:
    """The distance from each pixel's grey, times U(0, 2)."""
    grey = x.mean(dim=1, keepdim=True)
    return grey + (x - grey) * (2 * each(x))


def contrast(x: Tensor) -> Tensor:
    """The distance from the image's mean, times U(½, 3/2)."""
    mean = x.mean(dim=(1, 2, 3), keepdim=True)
    return mean + (x - mean) * (each(x) + 0.5)


def translation(x: Tensor) -> Tensor:
    """Moves images by up to an eighth of each side; new pixels are 0."""
    rows, columns = (x.shape[d] // 8 for d in (2, 3))
    down, right = whole(x, 2 * rows + 1) - rows, whole(x, 2 * columns + 1) - columns
    for dim, shift in ((2, down), (3, right)):
        size = x.shape[dim]
        source = torch.arange(size, device=x.device) - shift[:, None]
        index = source.clamp(0, size - 1).view(len(x), *(size if d == dim else 1 for d in (1, 2, 3)))
        inside = ((source >= 0) & (source < size)).view_as(index)
        x = x.gather(dim, index.expand_as(x)) * inside
    return x


def cutout(x: Tensor) -> Tensor:
    """Sets a rectangle of half of each side, at a random centre, to 0."""
    hidden = torch.ones((), dtype=torch.bool, device=x.device)
    for dim in (2, 3):
        size = x.shape[dim]
        half = size // 2
        start = whole(x, size + (1 - half % 2)) - half // 2
        place = torch.arange(size, device=x.device) - start[:, None]
        within = (place >= 0) & (place < half)
        hidden = hidden & within.view(len(x), *(size if d == dim else 1 for d in (1, 2, 3)))
    return x * ~hidden


POLICIES: dict[str, tuple[Callable[[Tensor], Tensor], ...]] = {
    "color": (brightness, saturation, contrast),
    "translation": (translation,),
    "cutout": (cutout,),
}


def each(x: Tensor) -> Tensor:
    """One number of U(0, 1) for each image, (N, 1, 1, 1)."""
    return rng.rand(len(x), 1, 1, 1, like=x)


def whole(x: Tensor, below: int) -> Tensor:
    """A whole number from 0 to `below` − 1 for each image, (N,)."""
    return (rng.rand(len(x), like=x).double() * below).long()

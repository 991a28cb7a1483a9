"""Compares ADA here with the authors' program: the same random numbers, then augmented images and their gradients.

    git clone https://github.com/NVlabs/stylegan2-ada-pytorch CHECKOUT
    python benchmarks/agreement/ada.py CHECKOUT

It imports the checkout. Nothing of it is part of this project. It prints the largest difference over images of uniform noise,
divided by the largest value, and fails if one is above 1e-4. Images only mirrored or turned by quarters are left out:
here they are exact, and the authors' program resamples them with a filter that is not symmetric. The last line says by how
much that differs.
"""

import argparse
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import Tensor

from ganvas.data.ada import Ada

NAMES = [
    "xflip",
    "rotate90",
    "xint",
    "scale",
    "rotate",
    "aniso",
    "xfrac",
    "brightness",
    "contrast",
    "lumaflip",
    "hue",
    "saturation",
]


class Watched(Ada):
    """Remembers which images have general geometry, and which have blits."""

    def warped(self, other: Tensor, x: Tensor, matrix: Tensor, chosen: Tensor) -> Tensor:
        self.general, self.blit = chosen, (other != x).flatten(1).any(1)
        return super().warped(other, x, matrix, chosen)


def pipe(checkout: Path, names: list[str], p: float) -> Any:
    sys.path.insert(0, str(checkout))
    sys.modules.setdefault("requests", ModuleType("requests"))  # they import it for downloads only
    from training import augment  # pyright: ignore[reportMissingImports]

    made = augment.AugmentPipe(**dict.fromkeys(names, 1))
    made.p.fill_(p)
    return made


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkout", type=Path)
    checkout = parser.parse_args().checkout
    worst = 0.0
    for channels, side in ((3, 64), (1, 32)):
        for p in (0.0, 0.1, 0.3, 0.6, 1.0):
            theirs, ours = pipe(checkout, NAMES, p), Watched()
            ours.p.fill_(p)
            x = (torch.rand(64, channels, side, side) * 2 - 1).requires_grad_()
            results: list[tuple[Tensor, Tensor]] = []
            for function in (lambda x, a=ours: a(x, 0), theirs):
                torch.manual_seed(3)
                out = function(x)
                (slope,) = torch.autograd.grad(out.square().sum(), x)
                results.append((out.detach(), slope))
            kept = ours.general | ~ours.blit
            image, slope = (float((a - b)[kept].abs().max() / b.abs().max()) for a, b in zip(*results, strict=True))
            print(f"{channels} channels, p = {p}: images {image:.1e}, gradients {slope:.1e} ({int(kept.sum())} of 64)")
            worst = max(worst, image, slope)
    x = torch.rand(64, 3, 64, 64) * 2 - 1
    mirrored = pipe(checkout, ["xflip"], 1.0)(x)
    exact = torch.minimum((mirrored - x).abs().flatten(1).amax(1), (mirrored - x.flip(3)).abs().flatten(1).amax(1))
    print(f"their mirrored images differ from exact ones by {float(exact.max()):.2f}")
    assert worst < 1e-4, "the programs differ"


if __name__ == "__main__":
    main()

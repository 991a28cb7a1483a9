"""`stacked:DIR`: three digits as red, green and blue, so ten classes give a thousand modes."""

from dataclasses import replace

import torch

from ganvas.data.dataset import Data, Split, check_limit, gather
from ganvas.data.domains.image_files import ImageOptions
from ganvas.data.sources.idx import idx
from ganvas.errors import GanvasError, option
from ganvas.machine.rng import generator


def stacked(directory: str, options: ImageOptions, limit: int | None = None) -> Data:
    """As many triples as `idx:DIR` has images in each split, uint8 (N, 3, H, W), unlabelled.

    Each image occurs once in each channel. `channels` holds the single images with their classes, to train a classifier
    of modes. A limit takes the first triples. GanvasError for other than three channels.

    References: Metz et al. 2017, "Unrolled Generative Adversarial Networks", section 3.3.1
    """
    check_limit(limit)
    if options.channels not in (None, 3):
        raise GanvasError(
            f"Stacked digits have 3 channels, not {options.channels}.", f"Leave out {option('channels')}."
        )
    single = idx(directory, replace(options, channels=1))
    train, held_out = (
        _stack(part, name, limit) for part, name in ((single.train, "train"), (single.held_out, "held out"))
    )
    data = gather(f"stacked:{directory}", train, held_out)
    return replace(data, channels=(single.train, single.held_out))


def _stack(single: Split, name: str, limit: int | None) -> Split:
    num = len(single)
    orders = [torch.randperm(num, generator=generator("stacked", name, c))[:limit] for c in range(3)]
    return Split(torch.cat([single.x[order] for order in orders], dim=1))

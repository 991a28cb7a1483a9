"""`digits`: scikit-learn's 1,797 handwritten digits of 8x8 pixels."""

import numpy as np
import torch

from ganvas.data.dataset import Data, Split, gather
from ganvas.data.domains.image_files import ImageOptions, adapt
from ganvas.data.sources.splits import keep_rows
from ganvas.machine.rng import generator

NUM_HELD_OUT = 297


def digits(options: ImageOptions, limit: int | None = None) -> Data:
    """1,500 training and 297 held-out digits, a fixed split; their 17 levels of grey spread over 0 to 255.

    Alpaydin & Kaynak 1998, the test set of "Optical Recognition of Handwritten Digits".
    """
    from sklearn.datasets import load_digits

    pixels, labels = load_digits(return_X_y=True)
    x = torch.from_numpy(np.rint(np.asarray(pixels) * (255 / 16)).astype(np.uint8)).view(-1, 1, 8, 8)
    whole = Split(x, torch.from_numpy(np.asarray(labels, dtype=np.int64)))
    order = torch.randperm(len(whole), generator=generator("digits", "split"))
    held_out, train = whole.select(order[:NUM_HELD_OUT]), whole.select(order[NUM_HELD_OUT:])
    train, held_out = (adapt(s.select(keep_rows(len(s), limit)), options) for s in (train, held_out))
    return gather("digits", train, held_out, classes=[str(i) for i in range(10)])

"""Vital signs: a few cheap numbers about a model in training, from which `health` tells what ails it."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from ganvas import rng
from ganvas.batch import Batch
from ganvas.data import Data
from ganvas.metrics.distances import nearest, squared_distances
from ganvas.model import Autoencoder, Judged, Model
from ganvas.nn.quantize import k_means

Signs = dict[str, float | list[float]]

NUM = 256
"""Samples, and held-out examples, that are looked at: a few hundred forward passes each time."""

NUM_TRAIN = 2_000
"""Training examples that copies are looked for among. Only small training sets are memorised whole."""

LEAST = 16
"""With fewer held-out examples nothing can be said."""

SIDE = 16
"""Images are compared after they were averaged down to so many pixels a side: what ails a model shows coarsely."""

NUM_BINS = 10

ACTIVE = 0.01
"""A dimension of the code is active where the variance of its posterior mean is above this. Burda et al. 2016, section 5."""

FAR = 1e3
"""What is not finite, or farther than this from data in [-1, 1], counts as so far away."""


class Examination:
    """Takes the signs of a model. The examples it compares with are chosen once, by the data and the seed alone.

    Of the model that samples come from:
        spread: mean distance between two samples, in units of that between two held-out examples.
        distance: energy distance between samples and held-out examples, in units of the latter's spread; 0 where they agree.
            Székely & Rizzo 2013, "Energy statistics".
        bins: share of the samples in each bin; bins are the cells of k-means centres of the data.
            Richardson & Weiss 2018, "On GANs and GMMs", section 3.
        bins_in_common: Σ min(sample's share, data's share) over bins, 1 where all modes are as frequent as in the data.
        copies: share of samples whose nearest training example is three times as near as the second nearest, less the same
            share of held-out examples. Yoon et al. 2023, "Diffusion models generalize when they fail to memorize".
        nearer_train: share of samples nearer to training examples than to equally many held-out ones; 0.5 without copying.
    Of an `Autoencoder`, besides:
        active_units: share of the code's dimensions whose posterior mean varies with x. unexplained: squared error of
        held-out reconstructions, in units of the data's variance. overfit: the same error over that of training examples.
    Of a model that is `Judged`, with the weights that train:
        critic_auc: how often the critic scores a held-out example above a generated one; 0.5 where it cannot tell.
    """

    def __init__(
        self,
        data: Data,
        seed: int,
        device: str,
        num_classes: int = 0,
        transform: Callable[[Batch], Batch] | None = None,
    ) -> None:
        self.seed, self.num_classes, self.transform = seed, num_classes, transform
        with rng.seeded(seed, "examination"):
            order = torch.randperm(len(data.train))[:NUM_TRAIN]
            least = min(len(data.held_out), NUM)
            rows = torch.randperm(len(data.held_out))[: 1 << max(least.bit_length() - 1, 0)]
            self.held_out = data.held_out.batch(rows, device)
            self.train = data.train.batch(order[: len(rows)], device)
            self.known = view(data.train.batch(order, device).x)
            self.seen = view(self.held_out.x)
            self.centres = k_means(self.known, min(NUM_BINS, len(order)))[0]
        self.num = len(rows)
        self.usual = self.shares(self.known)
        self.alike = copies(self.seen, self.known)
        self.spread = mean_distance(self.seen, self.seen)

    @property
    def possible(self) -> bool:
        """Whether there are enough examples, and different ones, to compare with."""
        return self.num >= LEAST and self.spread > 0

    def __call__(self, model: Model, best: Model) -> Signs:
        """model: with the weights that train. best: what samples come from. Both in evaluation mode, without gradients."""
        with rng.seeded(self.seed, "signs"):
            y = torch.randint(self.num_classes, (self.num,)).to(self.held_out.x.device) if self.num_classes else None
            signs = self.of_samples(view(best.sample(self.num, y)))
            held_out, train = (self.transform(b) if self.transform else b for b in (self.held_out, self.train))
            if isinstance(best, Autoencoder):
                signs |= self.of_codes(best, held_out, train)
            if isinstance(model, Judged):
                real, fake = model.judged(model(held_out))
                signs["critic_auc"] = auc(real, fake)
        return signs

    def of_samples(self, samples: Tensor) -> Signs:
        bins = self.shares(samples)
        between, within = mean_distance(samples, self.seen), mean_distance(samples, samples)
        equally = min(self.num, len(self.known))
        near, near_too = (nearest(samples, examples[:equally])[0] for examples in (self.known, self.seen))
        nearer = (near < near_too).double() + 0.5 * (near == near_too)
        return {
            "spread": within / self.spread,
            "distance": max(0.0, 2 * between - within - self.spread) / self.spread,
            "bins": bins.tolist(),
            "bins_in_common": float(torch.minimum(bins, self.usual).sum()),
            "copies": copies(samples, self.known) - self.alike,
            "nearer_train": float(nearer.mean()),
        }

    def of_codes(self, model: Autoencoder, held_out: Batch, train: Batch) -> Signs:
        means = model.encode(held_out.x, held_out.y).mean
        errors = [error(model, batch) for batch in (held_out, train)]
        variance = float((held_out.x - held_out.x.mean(0)).square().mean())
        signs: Signs = {"unexplained": errors[0] / max(variance, 1e-12), "overfit": errors[0] / max(errors[1], 1e-12)}
        if means.dim() == 2:
            signs["active_units"] = float((means.var(0) > ACTIVE).float().mean())
        return signs

    def shares(self, x: Tensor) -> Tensor:
        """How much of x (N, F) lies in each bin, (K,)."""
        bins = nearest(x, self.centres)[1][:, 0]
        return torch.bincount(bins, minlength=len(self.centres)).double() / len(x)


def view(x: Tensor) -> Tensor:
    """Examples as they are compared: coarse and flat, (N, F), within bounds."""
    x = x.float().nan_to_num(FAR, FAR, -FAR).clamp(-FAR, FAR)
    if x.dim() == 4 and x.shape[-1] > SIDE:
        x = F.adaptive_avg_pool2d(x, SIDE)
    return x.flatten(1)


def mean_distance(a: Tensor, b: Tensor) -> float:
    """Of all pairs; of all pairs of two different rows, where a is b."""
    total = sum(float(part.sqrt().sum()) for _, part in squared_distances(a, b))
    if a is b:
        return total / max(1, len(a) * (len(a) - 1))
    return total / (len(a) * len(b))


def copies(x: Tensor, known: Tensor) -> float:
    """Share of x whose nearest neighbour in `known` is three times as near as the second nearest."""
    found = nearest(x, known, min(2, len(known)))[0]
    return float((3 * found[:, 0] < found[:, -1]).double().mean())


def auc(above: Tensor, below: Tensor) -> float:
    """P(a > b) + ½ P(a = b) for scores a of `above` (N,) and b of `below` (M,)."""
    a, b = above.double().view(-1, 1), below.double().view(1, -1)
    return float(((a > b).double() + 0.5 * (a == b)).mean())


def error(model: Autoencoder, batch: Batch) -> float:
    """Mean squared error of the reconstructions."""
    difference = (model.reconstruct(batch.x, batch.y) - batch.x).nan_to_num(FAR, FAR, -FAR)
    return float(difference.square().mean())

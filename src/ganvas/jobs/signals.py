"""Vital signs: cheap numbers about a model in training; `health` uses them for its diagnosis."""

from collections.abc import Callable

import torch
from torch import Tensor

from ganvas.core.abilities import Encodes, Judges, Samples
from ganvas.core.batch import Batch
from ganvas.core.model import Model
from ganvas.data import Data, representative
from ganvas.data.domains.domain import FAR
from ganvas.machine import rng
from ganvas.metrics.distances import squared_distances
from ganvas.nn.quantize import k_means

Signs = dict[str, float | list[float]]

NUM = 256
"""Number of samples, and of held-out examples, that are compared."""

NUM_CODED = 128
"""Number of held-out and of training examples that pass the networks each time: the costly part."""

NUM_KNOWN = 2_000
"""Number of training examples used for bins and for the search for copies."""

SEARCHED = 10_000
"""The largest training set in which copies are searched: in larger ones too few examples would be compared."""

LEAST = 16
"""The minimum number of held-out examples."""

FEW_DIMENSIONS = 16
"""Up to this many dimensions, neighbours are so close that distances use float64, else float32."""

NUM_BINS = 10

LEAST_OF_CLASS = 6
"""With fewer samples or held-out examples the spread of a single class says little."""

ACTIVE = 0.01
"""A code dimension is active if the variance of its posterior mean is above this. Burda et al. 2016, section 5."""


class Examination:
    """Computes the signs of a model. Data and seed determine the examples for comparison, once.

    For the averaged model (if any):
        spread: mean distance between two samples, in units of that between two held-out examples.
        distance: energy distance between samples and held-out examples, in units of the latter's spread; 0 if they agree.
            Székely & Rizzo 2013, "Energy statistics".
        bins: share of the samples in each bin; bins are the cells of k-means centres of the data.
            Richardson & Weiss 2018, "On GANs and GMMs", section 3.
        bins_in_common: Σ min(sample's share, data's share) over bins; 1 if all modes are as frequent as in the data.
        copies: share of samples whose nearest training example is three times as near as the second nearest, minus the same
            share of held-out examples. Only for training sets up to `SEARCHED`.
            Yoon et al. 2023, "Diffusion models generalize when they fail to memorize".
        distinct: share of different examples among the training examples that are known; 1 where none is repeated.
        nearer_train: share of samples closer to training examples than to equally many held-out ones; 0.5 without copies.
    Of a model that is told the class, besides:
        class_spread: as spread, but of pairs within one class; mean over classes. least_class_spread: the least of all
        classes with at least `LEAST_OF_CLASS` samples and held-out examples.
        unexplained_in_class: as unexplained below, in units of the data's variance about its class's mean.
    For a model with an encoder also:
        active_units: share of the code's dimensions whose posterior mean varies with x. unexplained: squared error of
        held-out reconstructions, in units of the data's variance. overfit: the same error over that of training examples.
    For a `Judges` model, with the weights in training:
        critic_auc: how often the critic scores a held-out example above a generated one; 0.5 is chance.
    """

    def __init__(
        self,
        data: Data,
        seed: int,
        device: str,
        num_classes: int = 0,
        transform: Callable[[Batch], Batch] | None = None,
    ) -> None:
        self.domain = data.info.domain
        self.seed, self.num_classes, self.transform = seed, num_classes, transform
        with rng.seeded(seed, "examination"):
            order = representative(data.train, NUM_KNOWN, seed)
            least = min(len(data.held_out), NUM)
            rows = representative(data.held_out, 1 << max(least.bit_length() - 1, 0), seed)
            self.held_out = data.held_out.batch(rows[:NUM_CODED], device)
            self.train = data.train.batch(order[: len(self.held_out)], device)
            known, seen = data.train.batch(order, device), data.held_out.batch(rows, device)
            self.known, self.seen = self.domain.view(known.x), self.domain.view(seen.x)
            centres = k_means(self.known, min(NUM_BINS, len(order)))[0]
        self.num, self.num_bins = len(rows), len(centres)
        self.usual = self.shares(squared(self.known, centres))
        self.distinct = len(self.known.unique(dim=0)) / max(1, len(self.known))
        if num_classes:
            assert known.y is not None and seen.y is not None
            self.class_means = class_means(known.x, known.y, num_classes)
            self.class_spreads = spreads(squared(self.seen, self.seen), seen.y, num_classes)
        self.searched = len(data.train) <= SEARCHED
        if self.searched:
            self.alike = copies(squared(self.seen, self.known))
        else:
            self.known = self.known[: self.num]
        self.references = torch.cat([self.known, self.seen, centres])
        self.spread = apart(squared(self.seen, self.seen))

    @property
    def possible(self) -> bool:
        """Whether there are enough different examples for a comparison."""
        return self.num >= LEAST and self.spread > 0

    def __call__(self, model: Model, best: Model) -> Signs:
        """model: the trained one. best: the averaged one (if any). Both in evaluation mode, without gradients."""
        with rng.seeded(self.seed, "signs"):
            y = (
                rng.integers(self.num_classes, self.num, device="cpu").to(self.held_out.x.device)
                if self.num_classes
                else None
            )
            signs = self.of_samples(self.domain.view(best.sample(self.num, y)), y) if isinstance(best, Samples) else {}
            held_out, train = (self.transform(b) if self.transform else b for b in (self.held_out, self.train))
            if isinstance(best, Encodes):
                signs |= self.of_codes(best, held_out, train)
            if isinstance(model, Judges):
                real, fake = model.judged(model(held_out))
                signs["critic_auc"] = auc(real, fake)
        return signs

    def of_samples(self, samples: Tensor, y: Tensor | None = None) -> Signs:
        sizes = [len(self.known), self.num, self.num_bins]
        to_known, to_seen, to_centres = squared(samples, self.references).split(sizes, 1)
        pairs = squared(samples, samples)
        bins, between, within = self.shares(to_centres), mean(to_seen.sqrt()), apart(pairs)
        equally = min(self.num, len(self.known))
        near, near_too = (to[:, :equally].amin(1) for to in (to_known, to_seen))
        nearer = (near < near_too).double() + 0.5 * (near == near_too)
        signs: Signs = {
            "spread": within / self.spread,
            "distance": max(0.0, 2 * between - within - self.spread) / self.spread,
            "bins": bins.tolist(),
            "bins_in_common": float(torch.minimum(bins, self.usual).sum()),
            "nearer_train": float(nearer.mean()),
            "distinct": self.distinct,
        }
        if y is not None:
            signs |= self.of_classes(pairs, y)
        return signs | {"copies": copies(to_known) - self.alike} if self.searched else signs

    def of_classes(self, pairs: Tensor, y: Tensor) -> Signs:
        """pairs: squared distances between samples, (N, N), of the classes y (N,)."""
        ours, num = spreads(pairs, y, self.num_classes)
        data, num_data = self.class_spreads
        both = (num >= 2) & (num_data >= 2) & (data > 0)
        many = both & (num >= LEAST_OF_CLASS) & (num_data >= LEAST_OF_CLASS)
        signs: Signs = {"class_spread": float((ours / data)[both].mean())} if both.any() else {}
        return signs | ({"least_class_spread": float((ours / data)[many].min())} if many.any() else {})

    def of_codes(self, model: Encodes, held_out: Batch, train: Batch) -> Signs:
        x = torch.cat([held_out.x, train.x])
        y = None if held_out.y is None or train.y is None else torch.cat([held_out.y, train.y])
        codes = model.encode(x, y).mean
        difference = (model.generate(codes, y) - x).nan_to_num(FAR, FAR, -FAR)
        num = len(held_out)
        error, error_train = (float(part.square().mean()) for part in (difference[:num], difference[num:]))
        variance = float((held_out.x - held_out.x.mean(0)).square().mean())
        signs: Signs = {"unexplained": error / max(variance, 1e-12), "overfit": error / max(error_train, 1e-12)}
        if self.num_classes and held_out.y is not None:
            about = (held_out.x - self.class_means[held_out.y]).square().mean()  # -1, no class, has the mean of all
            signs["unexplained_in_class"] = error / max(float(about), 1e-12)
        if codes.dim() == 2:
            signs["active_units"] = float((codes[:num].var(0) > ACTIVE).float().mean())
        return signs

    def shares(self, to_centres: Tensor) -> Tensor:
        """The share of examples in each bin, (K,), from squared distances to the bins' centres, (N, K)."""
        bins = to_centres.argmin(1)
        return torch.bincount(bins, minlength=self.num_bins).double() / len(bins)


def squared(a: Tensor, b: Tensor) -> Tensor:
    """|aᵢ − bⱼ|² of examples from `view`, (N, M)."""
    dtype = torch.float64 if a.shape[1] <= FEW_DIMENSIONS else torch.float32
    return torch.cat([part for _, part in squared_distances(a, b, dtype)])


def apart(pairs: Tensor) -> float:
    """Mean distance of all pairs of two different examples, by all squared distances (N, N)."""
    return mean(pairs.fill_diagonal_(0).sqrt()) * len(pairs) / max(1, len(pairs) - 1)


def spreads(pairs: Tensor, y: Tensor, num_classes: int) -> tuple[Tensor, Tensor]:
    """Each class's mean distance of two different examples, (K,), and its number of examples, (K,).

    pairs: squared distances, (N, N). y: (N,), -1 for no class. A class with fewer than two examples has a mean of 0.
    """
    members = torch.zeros(len(y), num_classes + 1, dtype=torch.float64, device=y.device)
    members[torch.arange(len(y), device=y.device), y] = 1.0  # -1 goes to the last column
    members = members[:, :num_classes]
    num = members.sum(0)
    total = (members * (pairs.fill_diagonal_(0).sqrt().double() @ members)).sum(0)
    return total / (num * (num - 1)).clamp_min(1), num


def class_means(x: Tensor, y: Tensor, num_classes: int) -> Tensor:
    """The mean example of each class, and of all as the last row, (K + 1, ...). Classes without one have that of all."""
    x = x.float()
    everything = x.mean(0)
    means = [x[y == number].mean(0) if (y == number).any() else everything for number in range(num_classes)]
    return torch.stack([*means, everything])


def mean(x: Tensor) -> float:
    return float(x.mean(dtype=torch.float64))


def copies(to_known: Tensor) -> float:
    """Share of examples whose nearest neighbour is three times as near as the second nearest, by squared distances (N, M)."""
    nearby = to_known <= 9 * to_known.amin(1, keepdim=True)
    return float((nearby.sum(1, dtype=torch.int32) == 1).double().mean())


def auc(above: Tensor, below: Tensor) -> float:
    """P(a > b) + ½ P(a = b) for scores a of `above` (N,) and b of `below` (M,)."""
    a, b = above.double().view(-1, 1), below.double().view(1, -1)
    return float(((a > b).double() + 0.5 * (a == b)).mean())

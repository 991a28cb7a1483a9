"""The source codes:RUN: the codes of a frozen run, for the second stage of a model."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn

from ganvas.core.abilities import Encodes, Tokenizes
from ganvas.data import Data, DataInfo, ImageOptions, Split
from ganvas.data.domains.codes import Coded, Codes, Tokens
from ganvas.errors import GanvasError
from ganvas.machine import rng
from ganvas.use.run import Run

PREFIX = "codes:"

FIRST = "first"
"""The folder of a run that holds the networks of its first stage."""

STANDARD = "codes.json"
"""In that folder, the mean and scale of its codes."""

PART = 256
"""Examples that are encoded or decoded together."""


class Decoding(nn.Module):
    """From codes (N, *shape) of a second stage to examples of the first: scaled back and decoded.

    run: the first stage. mean, scale: of its codes, per channel; None for tokens.
    """

    def __init__(self, run: Run, mean: Tensor | None, scale: Tensor | None) -> None:
        super().__init__()
        self.model = run.model
        self.tokens = scale is None
        self.register_buffer("mean", mean)
        self.register_buffer("scale", scale)

    def forward(self, x: Tensor) -> Tensor:
        if self.tokens:
            return cast(Tokenizes, self.model).from_tokens(x)
        return cast(Encodes, self.model).generate(torch.addcmul(cast(Tensor, self.mean), x, cast(Tensor, self.scale)))


class FirstStage:
    """A frozen run whose codes are learned. GanvasError for a run that has none, or that decodes by class.

    standard: mean and scale of its codes, if they are known.
    """

    def __init__(self, run: Run, standard: Sequence[Tensor] | None = None) -> None:
        if not isinstance(run.recipe.model, Encodes):
            raise GanvasError(
                f"The run {run.path} has no encoder, so it has no codes to learn.",
                "Train an autoencoder first: autoencoder, vq-vae, vqgan or vae, for example.",
            )
        if run.recipe.num_classes:
            raise GanvasError(
                f"The run {run.path} decodes by class, which a second stage does not support.",
                "Train its first stage without classes.",
            )
        self.run, self.standard = run, standard
        self.num_tokens = run.recipe.model.num_tokens if isinstance(run.recipe.model, Tokenizes) else 0
        self.made: Decoding | None = None

    @property
    def decoding(self) -> Decoding:
        """The decoder, made once."""
        if self.made is None:
            mean, scale = (None, None) if self.standard is None else self.standard
            self.made = Decoding(self.run, mean, scale).eval().requires_grad_(False)
        return self.made

    @torch.no_grad()
    def decode(self, x: Tensor) -> Tensor:
        """Examples (N, ...) on the CPU for codes (N, *shape) on any device."""
        device = self.run.device
        return torch.cat([self.decoding(part.to(device)).cpu() for part in x.split(PART)])

    def domain(self, shape: tuple[int, ...]) -> Coded:
        first = self.run.info.domain
        return Tokens(shape, self.num_tokens, first, self) if self.num_tokens else Codes(shape, first, self)

    @torch.no_grad()
    def encode(self, split: Split) -> Tensor:
        """Codes of all examples, as the encoder draws them; or tokens."""
        model, found = self.run.model, list[Tensor]()
        with rng.seeded("codes"):
            for rows in torch.arange(len(split)).split(PART):
                x = split.batch(rows, self.run.device).x
                if isinstance(model, Tokenizes):
                    found.append(model.tokens(x).cpu())
                else:
                    found.append(cast(Encodes, model).encode(x).sample().cpu())
        return torch.cat(found) if found else torch.zeros(0)


def standard_of(codes: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of codes (N, L) or (N, D, h, w) per channel, shaped to broadcast."""
    axes = [0, *range(2, codes.dim())]
    mean = codes.mean(axes, keepdim=True)[0]
    return mean, codes.std(axes, keepdim=True)[0].clamp_min(1e-6)


def read_codes(run: Run, first_data: Data, options: ImageOptions, source: str) -> Data:
    """The codes of a run's own data, in the same splits, with the same labels and captions."""
    if options != ImageOptions():
        raise GanvasError(f"{source} holds codes, not pictures.", "Leave out the options of images.")
    stage = FirstStage(run)
    parts = [stage.encode(split) for split in (first_data.train, first_data.held_out)]
    if not stage.num_tokens:
        stage.standard = standard_of(parts[0])
        mean, scale = stage.standard
        parts = [(part - mean) / scale if len(part) else part for part in parts]
    train, held_out = (
        Split(x, split.y, split.text) for x, split in zip(parts, (first_data.train, first_data.held_out), strict=True)
    )
    shape = tuple(parts[0].shape[1:])
    about = first_data.info
    info = DataInfo(
        shape=shape,
        classes=about.classes,
        captions=about.captions,
        num_train=about.num_train,
        mean=parts[0].float().mean(0),
        given=stage.domain(shape),
    )
    return Data(source, train, held_out, info, first=lambda: first_data)


def stored(stage: FirstStage) -> dict[str, Any]:
    """What a second stage keeps of its first besides the networks, for JSON."""
    if stage.standard is None:
        return {}
    return {"mean": stage.standard[0].tolist(), "scale": stage.standard[1].tolist()}


def stage_of(domain: Coded) -> FirstStage:
    """The first stage that a domain of codes decodes with."""
    assert isinstance(domain.stage, FirstStage)
    return domain.stage


def standard_from(kept: dict[str, Any]) -> list[Tensor] | None:
    """The opposite of `stored`. KeyError, TypeError or ValueError for what it did not write."""
    if not kept:
        return None
    mean, scale = (torch.tensor(kept[name], dtype=torch.float32) for name in ("mean", "scale"))
    if mean.shape != scale.shape or not (mean.isfinite().all() and scale.isfinite().all()):
        raise ValueError("the mean and the scale of the codes do not fit")
    return [mean, scale]


def with_domain(info: DataInfo, run: Run, standard: Sequence[Tensor] | None) -> DataInfo:
    """A second stage's info with the domain of its codes. run: its first stage. standard: mean and scale of its codes."""
    return replace(info, given=FirstStage(run, standard).domain(info.shape))


def is_codes(source: str) -> bool:
    return source.startswith(PREFIX)


def first_path(source: str) -> Path:
    """The folder of the first stage that a source names."""
    return Path(source.removeprefix(PREFIX))

"""Systems of two stages, trained by one command: pictures is an autoencoder and then a flow on its codes."""

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ganvas.data import ImageOptions
from ganvas.errors import GanvasError, did_you_mean, option
from ganvas.jobs import start
from ganvas.machine.checks import at_least
from ganvas.recipes.pictures import BATCH_SIZE, CRITIC_AFTER
from ganvas.runs.directory import FIRST_RUN
from ganvas.runs.settings import slug
from ganvas.use.opening import Found
from ganvas.use.run import Run

BLIND_SHARE = 0.4
"""Of a short first stage, before its critic joins."""

USUAL_BATCH = 64
"""The flow's; of fewer codes a batch holds all."""


def pictures(
    data: str | None = None,
    *,
    images: int = 60_000,
    codes: int = 300_000,
    seed: int = 0,
    device: str = "cpu",
    flip: bool = False,
    code_channels: int = 8,
    width: int = 64,
    out: str | Path | None = None,
    image_options: ImageOptions = ImageOptions(),
    overwrite: bool = False,
    quiet: bool = False,
) -> Run:
    """Pictures in two stages: a perceptual autoencoder with a late critic, then a rectified flow on its codes.

    Paper: Rombach et al. 2022, "High-Resolution Image Synthesis with Latent Diffusion Models", https://arxiv.org/abs/2112.10752

    The autoencoder's run is the folder `autoencoder` in that of the flow. The same command goes on with whatever stage was
    stopped. Returns the flow's run; the autoencoder's if training was stopped before its end.

    Args:
        images: images that the autoencoder sees.
        codes: codes that the flow sees; it is about six times as fast.
        seed: of both stages.
        device: cpu, cuda, mps or auto.
        flip: whether images are mirrored at random. Not for text or digits.
        code_channels: numbers at each place of the code's grid.
        width: of the flow's network.
    """
    for name, value in (("images", images), ("codes", codes)):
        at_least(value, 1, name)
    if data is None:
        raise GanvasError("No data was named.", f"Name a folder of pictures: {option('data', 'FOLDER')}")
    path = Path(out) if out is not None else Path("runs") / f"pictures-{slug(data)}"
    first = path / FIRST_RUN
    shared: dict[str, Any] = {"seed": seed, "device": device, "quiet": quiet, "overwrite": overwrite}
    shared["resume_if_there"] = not overwrite
    looks = {"image_options": image_options, "flip": flip, "code_channels": code_channels}
    looks["critic_after"] = critic_after(images)
    autoencoder = start.train("autoencoder", data=data, out=first, images=images, **looks, **shared)
    if autoencoder.images_seen < images:
        if not quiet:
            print("Stopped in the first of two stages. The same command goes on.")
        return autoencoder
    own = {"width": width, "batch_size": _batch_size(autoencoder)}
    return start.train("flow", data=f"codes:{first}", out=path, images=codes, **own, **shared)


def critic_after(images: int) -> int:
    """The step of a first stage of so many images at which its critic joins, so that a short one has a critic, too."""
    return min(CRITIC_AFTER, int(BLIND_SHARE * images / BATCH_SIZE))


def _batch_size(autoencoder: Run) -> int | None:
    """The flow's: all codes if there are fewer than a usual batch, else the recipe's own."""
    num = autoencoder.info.num_train
    return num if num < USUAL_BATCH else None


STAGED: dict[str, Callable[..., Run]] = {"pictures": pictures}
"""What `train` takes besides recipes."""


def train(recipe: str | Found | None = None, **options: Any) -> Run:
    """Trains a recipe, see `jobs.start.train`, or a system of two stages, see `STAGED`."""
    if not isinstance(recipe, str) or recipe not in STAGED:
        return start.train(recipe, **options)
    known = inspect.signature(STAGED[recipe]).parameters
    for name in options:
        if name not in known:
            raise GanvasError(f"{recipe!r} has no option {name!r}.", did_you_mean(name, known))
    return STAGED[recipe](**options)

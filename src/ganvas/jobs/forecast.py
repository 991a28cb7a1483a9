"""How long a training on large images will take: said after its first steps."""

from collections.abc import Callable

from ganvas.training.trainer import Trainer

LARGE = 128
"""Images of more pixels a side get a forecast."""

STEPS, SECONDS = 20, 5.0
"""It is made after so many steps, or after so many seconds; the first step is not counted, because it prepares memory."""


class Forecast:
    """Says once how long the images that are left will take, by the speed of this session's first steps.

    side: of the images. total: images to see. clock: the training time in seconds.
    """

    def __init__(self, side: int, total: int, clock: Callable[[], float], say: Callable[[str], None]) -> None:
        self.side, self.total, self.clock, self.say = side, total, clock, say
        self.first: tuple[int, int, float] | None = None
        self.said = side <= LARGE

    def when(self, before: int, after: int) -> bool:
        return not self.said

    def __call__(self, trainer: Trainer) -> None:
        if self.said or trainer.images_seen == 0:
            return
        if self.first is None:
            self.first = trainer.steps, trainer.images_seen, self.clock()
            return
        steps, images, seconds = self.first
        taken = self.clock() - seconds
        if trainer.steps - steps < STEPS and taken < SECONDS:
            return
        self.said = True
        speed = (trainer.images_seen - images) / max(taken, 1e-9)
        left = max(0, self.total - trainer.images_seen) / max(speed, 1e-9)
        self.say(
            f"Images of {self.side}x{self.side} pixels: {speed:.3g} images a second, so training will take {span(left)}."
            f" At size 64 they have {(self.side / 64) ** 2:.2g} times fewer pixels."
        )


def span(seconds: float) -> str:
    """A time in one unit: 40 seconds, 12 minutes, 3.5 hours, 2.1 days."""
    for unit, length in (("days", 86_400), ("hours", 3_600), ("minutes", 60)):
        if seconds >= 2 * length:
            return f"about {seconds / length:.2g} {unit}"
    return f"about {seconds:.0f} seconds"

"""The clock that training goes by."""

from dataclasses import dataclass


@dataclass(eq=False)
class Clock:
    """How many images were seen and how many steps were taken. The trainer sets it before each step.

    A model and its averaged copy share one clock. Schedules are functions of `images`.
    """

    images: int = 0
    steps: int = 0

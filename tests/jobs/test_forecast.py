"""What is said of the time that large images will take."""

import pytest

from ganvas.jobs.forecast import Forecast, span


class Fake:
    images_seen, steps = 0, 0


def said_after(side: int, seconds_a_step: float, steps: int = 40) -> list[str]:
    now, trainer, told = 0.0, Fake(), list[str]()
    forecast = Forecast(side, 100_000, lambda: now, told.append)
    for _ in range(steps):
        now += seconds_a_step
        trainer.images_seen += 8
        trainer.steps += 1
        if forecast.when(trainer.images_seen - 8, trainer.images_seen):
            forecast(trainer)  # type: ignore[arg-type]
    return told


def test_images_of_more_than_128_pixels_get_one_forecast() -> None:
    (told,) = said_after(256, 4.0)
    assert told.startswith("Images of 256x256 pixels: 2 images a second, so training will take about 14 hours.")
    assert "At size 64 they have 16 times fewer pixels." in told
    assert len(said_after(256, 0.01)) == 1
    assert said_after(128, 4.0) == []


def test_it_waits_for_steps_or_seconds() -> None:
    assert said_after(256, 0.01, steps=20) == []
    assert len(said_after(256, 0.01, steps=21)) == 1
    assert len(said_after(256, 6.0, steps=2)) == 1


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(40, "about 40 seconds"), (720, "about 12 minutes"), (12_600, "about 3.5 hours"), (181_440, "about 2.1 days")],
)
def test_times_in_words(seconds: float, words: str) -> None:
    assert span(seconds) == words

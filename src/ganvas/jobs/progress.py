"""Progress of training, on a terminal or in a log."""

import math
import time
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

Terms = Mapping[str, Mapping[str, float]]
"""player -> term -> value"""

SECONDS_BETWEEN_LINES = 10.0
SECONDS_BETWEEN_FRAMES = 0.1


class Progress:
    """Images seen, speed, time left and each player's terms: live on a terminal, else a plain line every ten seconds.

    total_images: planned images. title: what is trained.
    console: where to write; by default standard error, because standard output is for results.
    quiet: write nothing at all.
    clock: a function that returns increasing seconds.
    """

    def __init__(
        self,
        total_images: int,
        title: str,
        console: Console | None = None,
        *,
        quiet: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.total_images = total_images
        self.title = title
        self.console = console or Console(stderr=True)
        self.quiet = quiet
        self._clock = clock
        self._live: Live | None = None
        self._running = False
        self._begin(0)

    def _begin(self, images: int) -> None:
        self._start_images = self._images = images
        self._start_time = self._clock()
        self._images_per_second = math.nan
        self._terms: Terms = {}
        self._shown_at = -math.inf
        self._stale = False

    def start(self, images: int = 0) -> None:
        """Starts the display. images: already seen by a resumed run; they do not count in the speed."""
        self._begin(images)
        self._running = True
        if self.quiet or not self.console.is_terminal:
            return
        if self._live is None:
            self._live = Live(console=self.console, auto_refresh=False)
            self._live.start()
        self._live.update(self._frame(), refresh=True)

    def update(self, images: int, images_per_second: float, terms: Terms) -> None:
        """Updates the display. images: seen in all, with earlier sessions. terms: player -> term -> value."""
        assert self._running, "start() comes before update()"
        self._images, self._images_per_second, self._terms = images, images_per_second, terms
        self._stale = True
        period = SECONDS_BETWEEN_FRAMES if self._live else SECONDS_BETWEEN_LINES
        if self._clock() - self._shown_at >= period:
            self._show()

    def advance(self, images: int) -> None:
        """Updates only the images seen; speed and terms stay. Does nothing before the first `update`."""
        if self._terms and images > self._images:
            self.update(images, self._images_per_second, self._terms)

    def message(self, text: str) -> None:
        """Prints a permanent line: above the display on a terminal, or into the log."""
        if not self.quiet:
            self.console.print(text, markup=False, highlight=False, soft_wrap=self._live is None)

    def stop(self) -> None:
        """Shows the newest state and ends the display. A second call does nothing."""
        if not self._running:
            return
        if self._stale:
            self._show()
        if self._live:
            self._live.stop()
            self._live = None
        self._running = False

    def __enter__(self) -> Self:
        if not self._running:
            self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def seconds_left(self) -> float:
        """Seconds until the end, at the average speed since start(); NaN while unknown."""
        elapsed, seen = self._clock() - self._start_time, self._images - self._start_images
        pace = seen / elapsed if elapsed > 0 and seen > 0 else self._images_per_second
        left = max(0, self.total_images - self._images)
        return left / pace if pace > 0 else math.nan

    def _show(self) -> None:
        self._shown_at, self._stale = self._clock(), False
        if self.quiet:
            return
        if self._live:
            self._live.update(self._frame(), refresh=True)
        else:
            # One long line: grep needs logs without wrapping.
            self.console.print(self._line(), markup=False, highlight=False, soft_wrap=True)

    def _counts(self) -> list[str]:
        share = self._images / self.total_images if self.total_images > 0 else 1.0
        return [
            f"{self._images:,} / {self.total_images:,} images ({min(share, 1):.0%})",
            f"{_speed(self._images_per_second)} images/s",
            f"ETA {_clock_time(self.seconds_left())}",
        ]

    def _line(self) -> str:
        players = [f"{player}: {_values(terms, ', ')}" for player, terms in self._terms.items()]
        return "  ".join([self.title, *self._counts(), *players])

    def _frame(self) -> RenderableType:
        elapsed = _clock_time(self._clock() - self._start_time)
        bar = Table.grid(padding=(0, 1), expand=True)
        bar.add_column(no_wrap=True, overflow="ellipsis")
        bar.add_column(ratio=1, min_width=10)
        bar.add_row(Text(self.title, "bold"), ProgressBar(max(1, self.total_images), self._images))
        counts = Text(" · ".join([*self._counts(), f"{elapsed} elapsed"]))
        players = Table.grid(padding=(0, 2))
        players.add_column(style="cyan", no_wrap=True, overflow="ellipsis")
        players.add_column()
        for player, terms in self._terms.items():
            players.add_row(Text(player), Text(_values(terms, "  ")))
        return Group(bar, counts, players) if self._terms else Group(bar, counts)


def _values(terms: Mapping[str, float], separator: str) -> str:
    return separator.join(f"{name.replace('_', ' ')} {_number(value)}" for name, value in terms.items())


def _number(value: float) -> str:
    """Four significant digits: 93.12, 0.0013, 520.1."""
    if not math.isfinite(value):
        return str(value)
    if value == 0 or 1e-4 <= abs(value) < 1e5:
        decimals = 3 - math.floor(math.log10(abs(value))) if value else 0
        return f"{value:.{min(max(decimals, 0), 6)}f}"
    return f"{value:.2e}"


def _speed(images_per_second: float) -> str:
    if not math.isfinite(images_per_second):
        return "--"
    return f"{images_per_second:.0f}" if images_per_second >= 100 else f"{images_per_second:.3g}"


def _clock_time(seconds: float) -> str:
    """0:41, 4:12, 1:03:09; -- when unknown."""
    if not math.isfinite(seconds):
        return "--"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"

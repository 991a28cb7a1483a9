"""The geometry of a line chart. chart.html draws it in the page's colours."""

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ganvas.report.figures import plain, short

Points = Sequence[tuple[float, float]]

WIDTH, HEIGHT = 360, 212
LEFT, RIGHT, TOP, BOTTOM = 46, 10, 16, 40

MAX_POINTS = 240
"""The maximum number of points of a line. More are grouped: mean of a group, over a band from minimum to maximum."""


@dataclass(frozen=True)
class Tick:
    at: float
    label: str


@dataclass(frozen=True)
class Dot:
    x: float
    y: float


@dataclass(frozen=True)
class Curve:
    """One line, as SVG path data. colour: index of the page's line colours. last: its newest value, as text."""

    name: str
    colour: int
    path: str
    band: str
    dots: tuple[Dot, ...]
    last: str


@dataclass(frozen=True)
class Chart:
    """A chart, in units of WIDTH x HEIGHT. readout: values for the pointer, as JSON."""

    title: str
    unit: str
    logarithmic: bool
    description: str
    curves: tuple[Curve, ...]
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    marks: tuple[Tick, ...]
    readout: dict[str, object]
    width: int = WIDTH
    height: int = HEIGHT
    left: int = LEFT
    right: int = WIDTH - RIGHT
    top: int = TOP
    bottom: int = HEIGHT - BOTTOM


@dataclass(frozen=True)
class Scale:
    """A scale from values to positions. low, high: the values at the positions start, end."""

    low: float
    high: float
    start: float
    end: float
    logarithmic: bool = False

    def __call__(self, value: float) -> float:
        low, high = self.low, self.high
        if self.logarithmic:
            low, high, value = math.log(low), math.log(high), math.log(value)
        return round(self.start + (value - low) / (high - low) * (self.end - self.start), 1)


@dataclass(frozen=True)
class _Group:
    """Neighbouring points, drawn as one point."""

    x: float
    y: float
    low: float
    high: float


def line_chart(
    title: str, lines: Mapping[str, Points], unit: str = "", marks: Sequence[tuple[float, str]] = (), until: float = 0
) -> Chart | None:
    """A chart of lines over images seen; None if no line has a finite value.

    lines: name -> (images, value); NaN or infinity leaves a gap. marks: (images, label).
    The value axis is logarithmic if all values are positive and a linear axis would flatten most of them.
    """
    lines = {name: [(x, _drawable(y)) for x, y in points] for name, points in lines.items()}
    finite = {name: [(x, y) for x, y in points if math.isfinite(y)] for name, points in lines.items()}
    values = [y for points in finite.values() for _, y in points]
    if not values:
        return None
    logarithmic = wants_logarithm(values)
    groups = {name: thin(points) for name, points in lines.items() if finite[name]}
    places = [x for points in lines.values() for x, _ in points]
    x_scale = _scale(0.0, max(until, *places), LEFT, WIDTH - RIGHT)
    y_scale = _value_scale([g for line in groups.values() for g in line], logarithmic)
    curves = tuple(
        _curve(name, i, line, x_scale, y_scale, plain(finite[name][-1][1]))
        for i, (name, line) in enumerate(groups.items())
    )
    y_ticks = log_ticks(y_scale.low, y_scale.high) if logarithmic else nice_ticks(y_scale.low, y_scale.high, 5)
    return Chart(
        title=title,
        unit=unit,
        logarithmic=logarithmic,
        description="; ".join(
            f"{name}: from {plain(points[0][1])} to {plain(points[-1][1])}" for name, points in finite.items() if points
        ),
        curves=curves,
        x_ticks=tuple(Tick(x_scale(v), short(v)) for v in nice_ticks(x_scale.low, x_scale.high, 5)),
        y_ticks=tuple(Tick(y_scale(v), short(v)) for v in y_ticks),
        marks=tuple(Tick(x_scale(x), what) for x, what in marks if x_scale.low <= x <= x_scale.high),
        readout=_readout(groups, x_scale, y_scale),
    )


def _drawable(value: float) -> float:
    """Limits of drawn values: their sums, ratios and logarithms must stay finite for any file."""
    if abs(value) < 1e-30:
        return 0.0
    return value if abs(value) < 1e30 else math.nan


def wants_logarithm(values: Sequence[float]) -> bool:
    """Whether the range of the finite `values` is so large that a linear axis would flatten most of them."""
    least, most = min(values), max(values)
    if least <= 0:
        return False
    return most / least >= 50 or most / statistics.median(values) >= 4


def thin(points: Points, at_most: int = MAX_POINTS) -> list[_Group]:
    """Points in groups of neighbours. A group's value is the mean of its finite values, or NaN."""
    size = math.ceil(len(points) / at_most)
    groups: list[_Group] = []
    for start in range(0, len(points), size):
        part = points[start : start + size]
        finite = [y for _, y in part if math.isfinite(y)]
        x = part[-1][0]
        if finite:
            groups.append(_Group(x, statistics.fmean(finite), min(finite), max(finite)))
        else:
            groups.append(_Group(x, math.nan, math.nan, math.nan))
    return groups


def nice_ticks(low: float, high: float, about: int) -> list[float]:
    """Multiples of 1, 2 or 5 times a power of ten within [low, high], roughly `about` of them."""
    rough = (high - low) / about
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * m for m in (1, 2, 5, 10) if power * m >= rough * 0.999)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [round(i * step, 12) if abs(step) > 1e-9 else i * step for i in range(first, last + 1)]


def log_ticks(low: float, high: float) -> list[float]:
    """Powers of ten within [low, high], with 2 and 5 between them if there is room, else every k-th power."""
    room = 1e-3
    exponents = range(math.ceil(math.log10(low) - room), math.floor(math.log10(high) + room) + 1)
    if len(exponents) > 2:
        return [10.0**e for e in exponents[:: math.ceil(len(exponents) / 6)]]
    finer = [m * 10.0**e for e in range(exponents.start - 1, exponents.stop + 1) for m in (1, 2, 5)]
    inside = [tick for tick in finer if low <= tick <= high]
    return inside if len(inside) >= 2 else nice_ticks(low, high, 4)


def _scale(low: float, high: float, start: float, end: float, logarithmic: bool = False) -> Scale:
    if high <= low:  # one value only: add a margin
        room = abs(low) * 0.1 or 1.0
        low, high = (low / 1.5, low * 1.5) if logarithmic else (low - room, high + room)
    return Scale(low, high, start, end, logarithmic)


def _value_scale(groups: Sequence[_Group], logarithmic: bool) -> Scale:
    low = min(g.low for g in groups if math.isfinite(g.low))
    high = max(g.high for g in groups if math.isfinite(g.high))
    if logarithmic:
        room = (high / low) ** 0.06
        low, high = low / room, high * room
    else:
        room = (high - low) * 0.06
        low, high = low - room if low < 0 or low - room > 0 else 0.0, high + room
    return _scale(low, high, HEIGHT - BOTTOM, TOP, logarithmic)


def _curve(name: str, colour: int, line: Sequence[_Group], x: Scale, y: Scale, last: str) -> Curve:
    runs = _unbroken(line)
    path = " ".join(_path([(x(g.x), y(g.y)) for g in run]) for run in runs if len(run) > 1)
    grouped = any(g.low < g.high for g in line)
    band = " ".join(
        _path([(x(g.x), y(g.high)) for g in run] + [(x(g.x), y(g.low)) for g in reversed(run)]) + "Z"
        for run in runs
        if grouped and len(run) > 1
    )
    few = sum(len(run) for run in runs) <= 16
    dots = tuple(Dot(x(g.x), y(g.y)) for run in runs if few or len(run) == 1 for g in run)
    return Curve(name, colour, path, band, dots, last)


def _unbroken(line: Sequence[_Group]) -> list[list[_Group]]:
    """The parts of a line between its gaps."""
    runs: list[list[_Group]] = [[]]
    for group in line:
        if math.isfinite(group.y):
            runs[-1].append(group)
        elif runs[-1]:
            runs.append([])
    return [run for run in runs if run]


def _path(places: Sequence[tuple[float, float]]) -> str:
    return "M" + "L".join(f"{x:g},{y:g}" for x, y in places)


def _readout(groups: dict[str, list[_Group]], x: Scale, y: Scale) -> dict[str, object]:
    return {
        "lines": [
            {
                "name": name,
                "points": [[int(g.x), plain(g.y), x(g.x), y(g.y)] for g in line if math.isfinite(g.y)],
            }
            for name, line in groups.items()
        ]
    }

"""The page of a continuum: the perception–distortion plane, pictures of each weight, and the numbers."""

import base64
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import jinja2
from markupsafe import Markup

from ganvas.machine.storage import atomically
from ganvas.report.charts import Scale, Tick, log_ticks, nice_ticks, wants_logarithm
from ganvas.report.figures import count, plain, short

HERE = Path(__file__).parent

LABEL_WIDTH, LABEL_HEIGHT = 7.2, 14
"""Sizes of a letter and of a line of a label, in units of a plane."""

CHARTS = {
    "mse": (
        "Paid: distortion",
        "Mean squared error of held-out reconstructions, in units of [−1, 1]. Lower is better.",
    ),
    "fid": ("Gain: sample quality", "Fréchet distance of samples and held-out data in features. Lower is better."),
    "kid": ("Gain: sample quality", "Kernel distance of samples and held-out data in features. Lower is better."),
    "coverage": ("Coverage", "Share of held-out examples with a sample among their neighbours. Higher is better."),
}
"""The scores drawn over the weight: title and meaning."""

QUALITY = ("fid", "kid")
"""Distances of samples from the data. The first one that all points have is used."""

COLUMNS = {
    "mse": "mean squared error",
    "fid": "FID",
    "kid": "KID",
    "precision": "precision",
    "recall": "recall",
    "density": "density",
    "coverage": "coverage",
}
"""The scores in the table and their headings."""


@dataclass(frozen=True)
class Point:
    """One trained model of the sweep. samples, reconstructions: its strips, PNG files."""

    weight: float
    seed: int
    run: str
    scores: Mapping[str, float]
    samples: Path
    reconstructions: Path


@dataclass(frozen=True)
class Sweep:
    """The content of the page. wanted: total number of points. floor: scores of real data. settings: names, values.

    originals: a PNG file of held-out examples, which the points' strips reconstruct.
    """

    source: str
    images: int
    features: str
    wanted: int
    points: Sequence[Point]
    floor: Mapping[str, float]
    originals: Path
    settings: Sequence[tuple[str, str]]
    command: str


def write_continuum(directory: Path, sweep: Sweep) -> Path:
    """Writes index.html, one file that opens offline, and returns its path."""
    return atomically(
        directory / "index.html", lambda part: part.write_text(render(sweep), encoding="utf-8", errors="replace")
    )


def render(sweep: Sweep) -> str:
    """The page as HTML."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(HERE),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(count=count, plain=plain, png=png)
    weights = by_weight(sweep.points)
    quality = quality_of(sweep.points)
    return environment.get_template("continuum.html").render(
        sweep=sweep,
        weights=weights,
        plane=trade(weights, quality, sweep.floor),
        charts=[
            (over_weight(weights, name, title, sweep.floor.get(name)), meaning)
            for name, (title, meaning) in CHARTS.items()
            if name not in QUALITY or name == quality
        ],
        columns={name: COLUMNS[name] for name in COLUMNS if all(name in point.scores for point in sweep.points)},
        spread=spread,
        style=Markup((HERE / "page.css").read_text("utf-8") + (HERE / "continuum.css").read_text("utf-8")),
    )


def png(picture: Path) -> str:
    return f"data:image/png;base64,{base64.b64encode(picture.read_bytes()).decode('ascii')}"


def quality_of(points: Sequence[Point]) -> str:
    return next(name for name in QUALITY if all(name in point.scores for point in points))


def by_weight(points: Sequence[Point]) -> dict[float, list[Point]]:
    """The points of each weight, sorted by weight and seed."""
    ordered = sorted(points, key=lambda point: (point.weight, point.seed))
    weights = dict.fromkeys(point.weight for point in ordered)
    return {weight: [point for point in ordered if point.weight == weight] for weight in weights}


def spread(points: Sequence[Point], name: str) -> str:
    """A score's mean over seeds, and its standard deviation."""
    values = [point.scores[name] for point in points]
    mean = statistics.fmean(values)
    return plain(mean, 3) if len(values) == 1 else f"{plain(mean, 3)} ± {plain(statistics.stdev(values), 2)}"


@dataclass(frozen=True)
class Spot:
    """A dot in a plane. share: the weight, for the colour. label: at (label_x, label_y). about: tooltip."""

    x: float
    y: float
    share: float
    about: str
    label: str = ""
    label_x: float = 0
    label_y: float = 0
    anchor: str = "start"


@dataclass(frozen=True)
class Plane:
    """A chart of points, in units of width x height. seeds: one per model. means: one per weight, joined by `path`."""

    title: str
    x_label: str
    y_label: str
    width: int
    height: int
    left: int
    right: int
    top: int
    bottom: int
    seeds: Sequence[Spot]
    means: Sequence[Spot]
    path: str
    x_ticks: Sequence[Tick]
    y_ticks: Sequence[Tick]
    floor: Tick | None


Places = Mapping[float, Sequence[tuple[float, float, str]]]
"""For each weight, its models: x, y and name."""


def trade(weights: Mapping[float, Sequence[Point]], quality: str, floor: Mapping[str, float]) -> Plane:
    """The plane: distortion on the x axis, distance of samples on the y axis; the lower left is best."""
    places = {w: [(p.scores["mse"], p.scores[quality], said(p)) for p in points] for w, points in weights.items()}
    return plane(
        "Distortion and sample quality", "→ distortion: mean squared error", f"↑ samples: {COLUMNS[quality]}", places,
        floor.get(quality), (620, 560), labelled=True,
    )  # fmt: skip


def over_weight(weights: Mapping[float, Sequence[Point]], name: str, title: str, floor: float | None) -> Plane:
    places = {w: [(w, p.scores[name], said(p)) for p in points] for w, points in weights.items()}
    return plane(title, "adversarial weight", COLUMNS[name], places, floor, (360, 220), labelled=False)


def said(point: Point) -> str:
    values = ", ".join(f"{COLUMNS[name]} {plain(point.scores[name], 3)}" for name in CHARTS if name in point.scores)
    return f"weight {point.weight:g}, seed {point.seed}: {values}"


def plane(
    title: str,
    x_label: str,
    y_label: str,
    places: Places,
    floor: float | None,
    size: tuple[int, int],
    labelled: bool,
) -> Plane:
    """Points and the line through their means. floor: the y of real data, drawn if there is one."""
    width, height = size
    left, right, top, bottom = 52, width - 14, 14, height - 40
    found = [place for some in places.values() for place in some]
    ys = [y for _, y, _ in found] + ([] if floor is None else [floor])
    x = scale([x for x, _, _ in found], left, right)
    y = scale(ys, bottom, top)
    middles = {
        w: (statistics.fmean(x for x, _, _ in s), statistics.fmean(y for _, y, _ in s)) for w, s in places.items()
    }
    means = [Spot(x(a), y(b), w, f"weight {w:g}: {plain(a, 3)}, {plain(b, 3)}") for w, (a, b) in middles.items()]
    return Plane(
        title, named(x_label, x), named(y_label, y), width, height, left, right, top, bottom,
        seeds=[Spot(x(a), y(b), w, about) for w, some in places.items() for a, b, about in some],
        means=beside(means, right) if labelled else means,
        path="M" + "L".join(f"{spot.x:g},{spot.y:g}" for spot in means),
        x_ticks=ticks(x),
        y_ticks=ticks(y),
        floor=None if floor is None else Tick(y(floor), f"real data {plain(floor, 3)}"),
    )  # fmt: skip


def scale(values: Sequence[float], start: float, end: float) -> Scale:
    """A scale from values to positions, with a margin."""
    low, high = min(values), max(values)
    if wants_logarithm(values):
        room = (high / low) ** 0.07
        return Scale(low / room, high * room, start, end, logarithmic=True)
    room = 0.07 * (high - low) or 0.1 * abs(high) or 1.0
    return Scale(low - room, high + room, start, end)


def named(label: str, axis: Scale) -> str:
    return f"{label} (log scale)" if axis.logarithmic else label


def ticks(axis: Scale) -> list[Tick]:
    values = log_ticks(axis.low, axis.high) if axis.logarithmic else nice_ticks(axis.low, axis.high, 5)
    return [Tick(axis(value), short(value)) for value in values]


def beside(means: Sequence[Spot], right: float) -> list[Spot]:
    """The spots with labels of their weights, placed without overlap if possible."""
    placed: list[tuple[float, float, float, float]] = [(s.x - 6, s.y - 6, s.x + 6, s.y + 6) for s in means]
    spots: list[Spot] = []
    for spot in means:
        label = {0.0: "0 (VAE)", 1.0: "1 (GAN)"}.get(spot.share, f"{spot.share:g}")
        length = LABEL_WIDTH * len(label)
        # Right above, right below, left above, left below, then farther away.
        choices = [
            (dx, dy, anchor)
            for far in (0, 14)
            for dx, anchor in ((11, "start"), (-11, "end"))
            for dy in (-8 - far, 17 + far)
        ]
        boxes = [box(spot.x + dx, spot.y + dy, length, anchor) for dx, dy, anchor in choices]
        free = [n for n, b in enumerate(boxes) if b[2] <= right + 10 and not any(overlap(b, other) for other in placed)]
        chosen = free[0] if free else 0
        placed.append(boxes[chosen])
        dx, dy, anchor = choices[chosen]
        spots.append(Spot(spot.x, spot.y, spot.share, spot.about, label, spot.x + dx, spot.y + dy, anchor))
    return spots


def box(x: float, y: float, length: float, anchor: str) -> tuple[float, float, float, float]:
    """The box of a label: left, top, right, bottom."""
    start = x if anchor == "start" else x - length
    return start, y - LABEL_HEIGHT, start + length, y


def overlap(a: tuple[float, float, float, float], b: tuple[float, float, float, float]) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]

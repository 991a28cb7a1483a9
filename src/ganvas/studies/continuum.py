"""The sweep from VAE to GAN: the same networks at several adversarial weights and seeds, trained, measured and drawn.

Each point is an ordinary run in DIR/runs. DIR/continuum.json lists finished points, which are not trained again.
"""

import dataclasses
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from ganvas.data import Data, ImageOptions, open_data, representative
from ganvas.data.domains.pictures import save_picture
from ganvas.errors import GanvasError, option
from ganvas.jobs.start import train
from ganvas.machine.checks import at_least
from ganvas.machine.storage import atomically
from ganvas.metrics import evaluation
from ganvas.metrics.catalog import Row
from ganvas.metrics.evaluation import FeaturesName, Protocol
from ganvas.metrics.features import extract
from ganvas.recipes import RECIPES
from ganvas.report.continuum import COLUMNS, QUALITY, Point, Sweep, write_continuum
from ganvas.report.figures import count, plain
from ganvas.runs.settings import command_line, slug
from ganvas.studies.measuring import evaluate
from ganvas.training import checkpoint
from ganvas.training.recipe import build, resolved
from ganvas.use.opening import open_run
from ganvas.use.run import Run

RECIPE = "continuum"
WEIGHTS = (0.0, 0.1, 0.3, 0.5, 0.7, 0.9, 1.0)
METRICS = ("mse", "fid", "kid", "prdc")
SHOWN = 12
"""Number of pictures in a strip."""

MIN_EXAMPLES = 10
"""The minimum number of held-out examples: coverage uses the fifth neighbour."""


@dataclass(frozen=True)
class Plan:
    """The settings that all points of a sweep share. They cannot change when a sweep continues.

    options: the recipe's arguments without the weight. num, features: see `Protocol`.
    """

    source: str
    image_options: ImageOptions
    images: int
    batch_size: int | None
    num: int
    features: FeaturesName
    options: dict[str, Any]

    def to_json(self) -> dict[str, Any]:
        return dataclasses.asdict(self)


@dataclass
class Ledger:
    """DIR with its continuum.json: the plan, the finished points, and the scores of real data."""

    path: Path
    plan: Plan
    protocol: Protocol
    points: dict[tuple[float, int], Point]
    floor: dict[str, float]
    features: str

    @classmethod
    def open(cls, path: Path, plan: Plan, protocol: Protocol) -> "Ledger":
        """The sweep in `path`, or a new one. Raises GanvasError for another content, or a sweep of another plan."""
        file = path / "continuum.json"
        if not file.exists():
            if path.exists() and (not path.is_dir() or any(path.iterdir())):
                raise GanvasError(
                    f"{path} exists and is not a continuum, so it is not overwritten.", f"Name another {option('out')}."
                )
            return cls(path, plan, protocol, {}, {}, "")
        try:
            found = json.loads(file.read_text())
            points = [point_from_json(path, entry) for entry in found["points"]]
            floor = {str(name): float(value) for name, value in found["floor"].items()}
            before, features = dict(found["plan"]), str(found["features"])
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise GanvasError(
                f"{file} is damaged, or not from a continuum: {type(error).__name__}: {error}.",
                f"Name another {option('out')}. The runs in this one can still be used singly.",
            ) from error
        # A plan without any trained point may change: it may have been a mistake.
        if any((path / "runs").glob("*/recipe.json")):
            agree(path, before, plan.to_json())
        points_here = {(p.weight, p.seed): p for p in points if whole(path, p)}
        return cls(path, plan, protocol, points_here, floor, features)

    def save(self) -> None:
        content = {
            "plan": self.plan.to_json(),
            "features": self.features,
            "floor": self.floor,
            "points": [point_to_json(point) for _, point in sorted(self.points.items())],
        }
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            target = self.path / "continuum.json"
            atomically(target, lambda part: part.write_text(json.dumps(content, indent=2)))
        except OSError as error:
            raise GanvasError(f"The continuum cannot be written to {self.path}: {error}.") from error

    def add(self, point: Point, rows: Sequence[Row]) -> None:
        """Records a finished point."""
        self.points[point.weight, point.seed] = point
        self.floor = {row.score.name: row.floor.value for row in rows if row.floor and row.score.name in COLUMNS}
        self.features = next((row.score.card.features or "" for row in rows if row.score.name == "kid"), "")
        self.save()


def point_to_json(point: Point) -> dict[str, Any]:
    return {"weight": point.weight, "seed": point.seed, "run": point.run, "scores": dict(point.scores)}


def point_from_json(path: Path, entry: Mapping[str, Any]) -> Point:
    given = entry["scores"]
    scores = {name: float(given[name]) for name in COLUMNS if name != "fid" or name in given}
    return point_at(path, float(entry["weight"]), int(entry["seed"]), scores)


def point_at(path: Path, weight: float, seed: int, scores: Mapping[str, float]) -> Point:
    """A point of the sweep in `path`, with its file paths."""
    name = f"weight-{weight:g}-seed-{seed}"
    pictures = path / "pictures"
    return Point(
        weight, seed, f"runs/{name}", scores, pictures / f"samples-{name}.png", pictures / f"reconstructions-{name}.png"
    )


def whole(path: Path, point: Point) -> bool:
    """Whether all files of a finished point exist."""
    return (path / point.run / "recipe.json").is_file() and point.samples.is_file() and point.reconstructions.is_file()


def agree(path: Path, before: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    """Raises GanvasError if a sweep would continue with other settings."""
    then, wanted = flat(before), json.loads(json.dumps(flat(now)))
    for name in sorted(then.keys() | wanted.keys()):
        if then.get(name) != wanted.get(name):
            raise GanvasError(
                f"The continuum in {path} was started with {name} = {then.get(name)}, not {wanted.get(name)};"
                " its points would not be comparable.",
                f"Use the old value, or name another {option('out')}. You may add weights and seeds.",
            )


def flat(plan: Mapping[str, Any]) -> dict[str, Any]:
    """A plan's settings by name, with those of its parts."""
    parts = {name: value for name, value in plan.items() if not isinstance(value, dict)}
    return parts | {name: value for part in plan.values() if isinstance(part, dict) for name, value in part.items()}


def continuum(
    data: str,
    out: Path,
    *,
    weights: Sequence[float] = WEIGHTS,
    seeds: int = 3,
    images: int = 50_000,
    batch_size: int | None = None,
    num: int = 2_000,
    features: FeaturesName = "auto",
    image_options: ImageOptions = ImageOptions(),
    device: str = "cpu",
    quiet: bool = False,
    **options: Any,
) -> Path | None:
    """Trains the recipe `continuum` at every weight with seeds 0 … seeds − 1, and writes index.html and continuum.json.

    data: a source of images. out: a new folder, or one with a sweep of the same settings, which then continues.
    images: that each run sees. num: of samples, and maximum of held-out examples. features: see `Protocol`.
    options: of the recipe. Returns the page, or None if stopped before the first point was finished.
    Raises GanvasError for all mistakes of a user.
    """
    chosen = checked(weights)
    at_least(seeds, 1, "seeds")
    at_least(images, 1, "images")
    at_least(num, MIN_EXAMPLES, "num")
    if "weight" in options:
        raise GanvasError("A continuum sets the weight itself.", f"Use {option('weights', '0,0.5,1')}.")
    loaded = open_data(data, image_options)
    build(RECIPES[RECIPE], loaded.info, options)
    arguments = {name: value for name, value in resolved(RECIPES[RECIPE], options).items() if name != "weight"}
    plan = Plan(data, image_options, images, batch_size, num, features, arguments)
    ledger = Ledger.open(out, plan, protocol_for(loaded, plan))
    ledger.save()
    wanted = [(weight, seed) for seed in range(seeds) for weight in chosen]
    total = len({*wanted, *ledger.points})
    for weight, seed in wanted:
        if (weight, seed) in ledger.points:
            continue
        run = trained(ledger, weight, seed, device, quiet)
        if run.images_seen < plan.images:
            if not quiet:
                print("Stopped. The same command continues.")
            break
        point, rows = measured(ledger, run, weight, seed, loaded)
        ledger.add(point, rows)
        page(ledger, loaded, total)
        if not quiet:
            print(f"{len(ledger.points)} of {total}: {said(point)}")
    return page(ledger, loaded, total) if ledger.points else None


def checked(weights: Sequence[float]) -> list[float]:
    """The weights in order, without duplicates (differences below a millionth)."""
    if not weights:
        raise GanvasError("A continuum needs at least one weight.", f"Use {option('weights', '0,0.5,1')}.")
    for weight in weights:
        if not 0 <= weight <= 1:
            raise GanvasError(f"A weight must be from 0 (VAE) to 1 (GAN), not {weight:g}.")
    return sorted({round(float(weight), 6) for weight in weights})


def protocol_for(data: Data, plan: Plan) -> Protocol:
    """The protocol for points; without FID if there are too few examples.

    Raises GanvasError before training if samples of this data cannot be measured.
    """
    if data.info.domain.kind != "images":
        raise GanvasError(f"{plan.source!r} has points, but a continuum needs images.", "Use glyphs, or a folder.")
    if len(data.held_out) < MIN_EXAMPLES:
        raise GanvasError(f"{plan.source!r} has {len(data.held_out)} held-out examples; {MIN_EXAMPLES} are needed.")
    protocol = Protocol(METRICS, num=plan.num, features=plan.features)
    num_features = extract(evaluation.feature_network(protocol, data), data.held_out.x[:1]).shape[1]
    if min(plan.num, len(data.held_out)) > num_features:
        return protocol
    return dataclasses.replace(protocol, metrics=tuple(name for name in METRICS if name != "fid"))


def trained(ledger: Ledger, weight: float, seed: int, device: str, quiet: bool) -> Run:
    """Trains the run of a point, or continues it from its newest checkpoint. It may be stopped again."""
    path, plan = ledger.path / point_at(ledger.path, weight, seed, {}).run, ledger.plan
    saved = checkpoint.checkpoints(path / "checkpoints")
    if not saved:  # it ended before its first checkpoint: nothing is lost
        return train(
            RECIPE,
            data=plan.source,
            out=path,
            images=plan.images,
            batch_size=plan.batch_size,
            seed=seed,
            device=device,
            image_options=plan.image_options,
            overwrite=True,
            quiet=quiet,
            weight=weight,
            **plan.options,
        )
    run = open_run(path, device=device)
    if run.images_seen >= plan.images:
        return run
    return train(resume=path, device=device, quiet=quiet)


def measured(ledger: Ledger, run: Run, weight: float, seed: int, data: Data) -> tuple[Point, list[Row]]:
    """A trained point with its scores (also stored in the run) and its strips."""
    rows = evaluate(run, protocol=ledger.protocol)
    scores = {row.score.name: row.score.value for row in rows}
    point = point_at(ledger.path, weight, seed, {name: scores[name] for name in COLUMNS if name in scores})
    save_picture(run.sample(SHOWN), point.samples, data.info, columns=SHOWN)
    save_picture(run.reconstruct(shown(data)), point.reconstructions, data.info, columns=SHOWN)
    return point, rows


def shown(data: Data) -> torch.Tensor:
    """The held-out examples for the reconstructions of every point."""
    return data.held_out.batch(representative(data.held_out, SHOWN)).x


def page(ledger: Ledger, data: Data, total: int) -> Path:
    """Writes index.html."""
    plan = ledger.plan
    originals = save_picture(shown(data), ledger.path / "pictures" / "originals.png", data.info, columns=SHOWN)
    settings = {
        "data": plan.source,
        "images a run": count(plan.images),
        "batch size": plan.batch_size or build(RECIPES[RECIPE], data.info, plan.options).batch_size,
        "samples judged": count(plan.num),
        "features": ledger.features,
        **{name.replace("_", " "): "its own" if value is None else value for name, value in plan.options.items()},
    }
    sweep = Sweep(
        source=slug(plan.source),
        images=plan.images,
        features=ledger.features,
        wanted=total,
        points=list(ledger.points.values()),
        floor=ledger.floor,
        originals=originals,
        settings=[(name, str(value)) for name, value in settings.items()],
        command=command_line(),
    )
    return write_continuum(ledger.path, sweep)


def said(point: Point) -> str:
    values = ", ".join(
        f"{name} {plain(point.scores[name], 3)}" for name in ("mse", *QUALITY, "coverage") if name in point.scores
    )
    return f"weight {point.weight:g}, seed {point.seed}: {values}"

"""The sweep from VAE to GAN: the same networks at several adversarial weights and seeds, trained, measured and drawn.

Each point is an ordinary run under DIR/runs. What is finished stands in DIR/continuum.json and is not done again.
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
from ganvas.errors import GanvasError
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
"""Pictures in a strip."""

MIN_EXAMPLES = 10
"""Fewer examples have no fifth neighbours to speak of."""


@dataclass(frozen=True)
class Plan:
    """What all points of a sweep share, and what therefore cannot change when it goes on.

    options: the recipe's arguments but for the weight. num, features: see `Protocol`.
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
    """DIR with its continuum.json: the plan, the points that are finished, and the scores of real data."""

    path: Path
    plan: Plan
    protocol: Protocol
    points: dict[tuple[float, int], Point]
    floor: dict[str, float]
    features: str

    @classmethod
    def open(cls, path: Path, plan: Plan, protocol: Protocol) -> "Ledger":
        """The sweep in `path`, or a new one. Raises GanvasError when something else is there, or another plan's sweep."""
        file = path / "continuum.json"
        if not file.exists():
            if path.exists() and (not path.is_dir() or any(path.iterdir())):
                raise GanvasError(
                    f"{path} exists and is not a continuum, so it will not be touched.", "Name another --out."
                )
            return cls(path, plan, protocol, {}, {}, "")
        try:
            found = json.loads(file.read_text())
            points = [point_from_json(path, entry) for entry in found["points"]]
            floor = {str(name): float(value) for name, value in found["floor"].items()}
            before, features = dict(found["plan"]), str(found["features"])
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise GanvasError(
                f"{file} is damaged, or no continuum's: {type(error).__name__}: {error}.",
                "Name another --out; the runs in this one can still be used one by one.",
            ) from error
        # A plan under which nothing was trained binds nobody: it may have been a mistake.
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
        """Notes a finished point."""
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
    """A point of the sweep in `path`, with its places."""
    name = f"weight-{weight:g}-seed-{seed}"
    pictures = path / "pictures"
    return Point(
        weight, seed, f"runs/{name}", scores, pictures / f"samples-{name}.png", pictures / f"reconstructions-{name}.png"
    )


def whole(path: Path, point: Point) -> bool:
    """Whether all that a finished point left is still there."""
    return (path / point.run / "recipe.json").is_file() and point.samples.is_file() and point.reconstructions.is_file()


def agree(path: Path, before: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    """Raises GanvasError when a sweep would go on with other settings than it began with."""
    then, wanted = flat(before), json.loads(json.dumps(flat(now)))
    for name in sorted(then.keys() | wanted.keys()):
        if then.get(name) != wanted.get(name):
            raise GanvasError(
                f"The continuum in {path} was begun with {name} = {then.get(name)}, not {wanted.get(name)};"
                " its points could not be compared.",
                "Give it as it was, or name another --out. Weights and seeds may be added.",
            )


def flat(plan: Mapping[str, Any]) -> dict[str, Any]:
    """A plan's settings by their names, those of its parts beside its own."""
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

    data: a source of images. out: a folder of its own; one that holds a sweep of the same settings is gone on with.
    images: how many each run sees. num: samples drawn and held-out examples used at most. features: see `Protocol`.
    options: the recipe's own. Returns the page; None when it was stopped before the first point was finished.
    Raises GanvasError for all that a user can get wrong.
    """
    chosen = checked(weights)
    at_least(seeds, 1, "seeds")
    at_least(images, 1, "images")
    at_least(num, MIN_EXAMPLES, "num")
    if "weight" in options:
        raise GanvasError("A continuum goes over weights.", "Use --weights 0,0.5,1.")
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
                print("Stopped. The same command goes on.")
            break
        point, rows = measured(ledger, run, weight, seed, loaded)
        ledger.add(point, rows)
        page(ledger, loaded, total)
        if not quiet:
            print(f"{len(ledger.points)} of {total}: {said(point)}")
    return page(ledger, loaded, total) if ledger.points else None


def checked(weights: Sequence[float]) -> list[float]:
    """The weights in order, each once; those that differ by less than a millionth are one."""
    if not weights:
        raise GanvasError("A continuum needs at least one weight.", "Use --weights 0,0.5,1.")
    for weight in weights:
        if not 0 <= weight <= 1:
            raise GanvasError(f"A weight goes from 0 (VAE) to 1 (GAN), and {weight:g} is not between them.")
    return sorted({round(float(weight), 6) for weight in weights})


def protocol_for(data: Data, plan: Plan) -> Protocol:
    """How points are measured; without FID where there are too few examples for it.

    Raises GanvasError, before anything is trained, when samples of this data could not be judged.
    """
    if len(data.info.shape) != 3:
        raise GanvasError(
            f"{plan.source!r} has points, and a continuum's samples are judged as images.", "Use glyphs, or a folder."
        )
    if len(data.held_out) < MIN_EXAMPLES:
        raise GanvasError(f"{plan.source!r} has {len(data.held_out)} held-out examples; {MIN_EXAMPLES} are needed.")
    protocol = Protocol(METRICS, num=plan.num, features=plan.features)
    num_features = extract(evaluation.feature_network(protocol, data), data.held_out.x[:1]).shape[1]
    if min(plan.num, len(data.held_out)) > num_features:
        return protocol
    return dataclasses.replace(protocol, metrics=tuple(name for name in METRICS if name != "fid"))


def trained(ledger: Ledger, weight: float, seed: int, device: str, quiet: bool) -> Run:
    """The run of a point, trained from its newest checkpoint on if it was stopped. It may be stopped again."""
    path, plan = ledger.path / point_at(ledger.path, weight, seed, {}).run, ledger.plan
    saved = checkpoint.checkpoints(path / "checkpoints")
    if not saved:  # what is there ended before its first checkpoint: nothing is lost with it
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
    """A trained point with its scores, which the run keeps as well, and its strips."""
    rows = evaluate(run, protocol=ledger.protocol)
    scores = {row.score.name: row.score.value for row in rows}
    point = point_at(ledger.path, weight, seed, {name: scores[name] for name in COLUMNS if name in scores})
    save_picture(run.sample(SHOWN), point.samples, data.info, columns=SHOWN)
    save_picture(run.reconstruct(shown(data)), point.reconstructions, data.info, columns=SHOWN)
    return point, rows


def shown(data: Data) -> torch.Tensor:
    """The held-out examples of which every point draws its reconstructions."""
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

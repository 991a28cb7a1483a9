"""Each verb: its flags, and one call of the service."""

import dataclasses
import inspect
import re
import sys
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro
from tyro.conf import DisallowNone, Positional, arg

from ganvas import service
from ganvas.cli import fail
from ganvas.cli.show import show_check, show_data, show_diagnosis, show_metrics, show_recipes, show_runs, show_scores
from ganvas.data import ImageOptions
from ganvas.errors import GanvasError, printable
from ganvas.machine import distributed
from ganvas.machine.precision import Precision
from ganvas.metrics.evaluation import FeaturesName, Protocol
from ganvas.runs import listing
from ganvas.runs.settings import GROWING, slug
from ganvas.studies.continuum import continuum as sweep
from ganvas.studies.measuring import NEIGHBOURS
from ganvas.training import recipe as recipe_module
from ganvas.use.export import Format
from ganvas.use.fitted_priors import Gaussian, GaussianMixture, PostHocPrior, SecondStage
from ganvas.use.inversion import Search
from ganvas.use.opening import find_recipe

Json = Annotated[bool, arg(help="print JSON", help_behavior_hint="")]
Size = Annotated[int | None, arg(help="side of a square in pixels, to which images are scaled")]
Crop = Annotated[Literal["center", "none"], arg(help="what happens to an image that is not square")]
Channels = Annotated[int | None, arg(help="1 grey, 3 RGB, 4 RGB and alpha")]
RunPath = Annotated[Positional[Path], arg(help="a run's directory")]
File = Annotated[str | None, arg(help="your own Python file, for a run that was made from one; it is executed")]
Best = Annotated[bool, arg(help="the checkpoint that --keep-best kept, in place of the newest")]
Invert = Annotated[bool, arg(help="search for the codes, where there is no encoder")]
Steps = Annotated[int, arg(help="of the search")]
Starts = Annotated[int, arg(help="of the search: draws of the prior that it begins from")]
Features = Annotated[
    str,
    arg(
        help="what sees the images: lenet (auto with labels), random (auto without), inception, efficientnet, or FILE.py: "
        "a file of yours, which is executed, with a function `def f() -> nn.Module` or a class that is an nn.Module; "
        "FILE.py:NAME where it has several"
    ),
]
PriorName = Literal["own", "gaussian", "gmm", "vae"]
PRIORS: dict[str, PostHocPrior | None] = {
    "own": None,
    "gaussian": Gaussian(),
    "gmm": GaussianMixture(),
    "vae": SecondStage(),
}
Device = Annotated[str, arg(help="cpu, cuda, mps or auto")]
CHANGED_DATA = "go on with a run although examples or labels were added, taken away or changed"
PLAIN = (DisallowNone,)
"""What may be left out is left out, and not given as the word None: then help says INT, not {None}|INT."""


def recipes(*, json: Json = False) -> None:
    """What can be trained, one line each with its paper."""
    show_recipes(service.recipes(), as_json=json)


def data(
    source: Annotated[
        Positional[str | None],
        arg(help="glyphs, digits, sprites, ring8, grid25, a folder, idx:DIR, stacked:DIR, npz:FILE, hf:NAME"),
    ] = None,
    *,
    out: Annotated[Path | None, arg(help="a picture of some examples")] = None,
    num: Annotated[int, arg(help="how many are on the picture")] = 100,
    size: Size = None,
    crop: Crop = "center",
    channels: Channels = None,
    clear_cache: Annotated[bool, arg(help="remove what was kept of folders that were read before")] = False,
    json: Json = False,
) -> None:
    """Look at a data source: count, size, channels, labels, captions, and the files that cannot be read."""
    if clear_cache:
        entries, size_bytes = service.clear_cache()
        print(f"{entries} decoded folders removed, {size_bytes / 2**20:,.0f} MB.")
    if source is None:
        if not clear_cache:
            raise GanvasError("What data?", "Name a source: ganvas data glyphs")
        return
    options = ImageOptions(size=size, crop=crop, channels=channels)
    show_data(service.data(source, out=out, num=num, image_options=options), as_json=json)
    said(out)


def check(
    file: Annotated[Positional[str], arg(help="your Python file, or a recipe's name")],
    *,
    data: Annotated[str, arg(help="a data source")] = "glyphs",
    size: Size = None,
    crop: Crop = "center",
    channels: Channels = None,
    json: Json = False,
) -> None:
    """One dry step of a model: its players, their terms, and the parameters that no term reaches."""
    options = ImageOptions(size=size, crop=crop, channels=channels)
    show_check(service.check(file, data=data, image_options=options), as_json=json)


def sample(
    run: RunPath,
    *,
    out: Annotated[Path, arg(help="grid.png, a folder, or samples.npz")],
    num: int = 64,
    seed: int = 0,
    classes: Annotated[str | None, arg(name="class", help="of a conditional run: a class's name, or all")] = None,
    prior: Annotated[PriorName, arg(help="fitted to the training data's codes, in place of the model's own")] = "own",
    truncation: Annotated[
        float | None, arg(help="0.7, say: codes nearer to the prior's mean, more typical and less varied; 1 as drawn")
    ] = None,
    best: Best = False,
    file: File = None,
    device: Device = "cpu",
) -> None:
    """Draw samples from a run."""
    opened = service.open_run(run, file=file, device=device, best=best)
    made = service.sample(opened, out, num=num, seed=seed, classes=classes, prior=PRIORS[prior], truncation=truncation)
    said(made)


def reconstruct(
    run: RunPath,
    *,
    data: Annotated[str, arg(help="a data source; its held-out examples are taken")],
    out: Annotated[Path, arg(help="grid.png")],
    num: int = 32,
    invert: Invert = False,
    steps: Steps = 300,
    starts: Starts = 4,
    best: Best = False,
    file: File = None,
    device: Device = "cpu",
) -> None:
    """Examples of a data source, each row above what the run makes of it."""
    search = Search(steps, starts) if invert else None
    opened = service.open_run(run, file=file, device=device, best=best)
    said(service.reconstruct(opened, data, out, num=num, search=search))


def interpolate(
    run: RunPath,
    *,
    out: Annotated[Path, arg(help="strip.png or walk.gif")],
    start: Annotated[Path | None, arg(name="from", help="an image; without it the walk is between two samples")] = None,
    end: Annotated[Path | None, arg(name="to", help="an image")] = None,
    num: Annotated[int, arg(help="pictures on the way, both ends included")] = 11,
    seed: int = 0,
    class_name: Annotated[
        str | None, arg(name="class", help="of a conditional run: the class of the whole walk; else one by the seed")
    ] = None,
    best: Best = False,
    file: File = None,
    device: Device = "cpu",
) -> None:
    """A walk between two images, or between two samples."""
    opened = service.open_run(run, file=file, device=device, best=best)
    said(service.interpolate(opened, out, start=start, end=end, num=num, seed=seed, class_name=class_name))


def encode(
    run: RunPath,
    *,
    data: Annotated[str, arg(help="a data source")],
    out: Annotated[Path, arg(help="codes.npz: mean, scale (N, L), labels")],
    split: Literal["train", "held-out"] = "train",
    num: Annotated[int | None, arg(help="so many of the first examples; all if none")] = None,
    invert: Invert = False,
    steps: Steps = 300,
    starts: Starts = 4,
    best: Best = False,
    file: File = None,
    device: Device = "cpu",
) -> None:
    """Codes of a data source's examples: the posterior's mean and scale, with the labels."""
    search = Search(steps, starts) if invert else None
    opened = service.open_run(run, file=file, device=device, best=best)
    said(service.encode(opened, data, out, split=split, limit=num, search=search))


def evaluate(
    run: RunPath,
    *,
    data: Annotated[
        str | None, arg(help="a data source, whose held-out examples are taken; the run's own if none")
    ] = None,
    metrics: Annotated[str, arg(help="names with commas: fid,kid,prdc (see ganvas metrics); else the usual")] = "",
    num: Annotated[int, arg(help="samples drawn, and held-out examples used at most")] = 10_000,
    features: Features = "auto",
    weights: Annotated[Path | None, arg(help="inception's file of weights")] = None,
    importance_samples: Annotated[int, arg(help="codes an example for nll and bpd")] = 5_000,
    seed: int = 0,
    best: Best = False,
    file: File = None,
    device: Device = "cpu",
    json: Json = False,
) -> None:
    """Scores of a run on held-out data, beside those of real data and of the untrained networks."""
    protocol = Protocol(listed(metrics), num, features, weights, importance_samples, seed)
    opened = service.open_run(run, file=file, device=device, best=best)
    rows = service.evaluate(opened, data, protocol=protocol)
    show_scores(rows, as_json=json)
    if not json and any(row.score.name == "memorisation" for row in rows):
        said(opened.path / NEIGHBOURS)


def compare(
    runs: Annotated[Positional[tuple[Path, ...]], arg(help="two runs' directories, or more")],
    *,
    out: Annotated[Path, arg(help="a folder for index.html and compare.json")],
    data: Annotated[
        str | None, arg(help="a data source, whose held-out examples are taken; the runs' own if none")
    ] = None,
    metrics: Annotated[str, arg(help="names with commas: fid,kid,prdc (see ganvas metrics); else the usual")] = "",
    num: Annotated[int, arg(help="samples drawn of each, and held-out examples used at most")] = 10_000,
    features: Features = "auto",
    weights: Annotated[Path | None, arg(help="inception's file of weights")] = None,
    importance_samples: Annotated[int, arg(help="codes an example for nll and bpd")] = 5_000,
    seed: int = 0,
    file: File = None,
    device: Device = "cpu",
) -> None:
    """Runs side by side under one protocol: scores, bars, samples, reconstructions and costs, as a page and as JSON."""
    protocol = Protocol(listed(metrics), num, features, weights, importance_samples, seed)
    opened = [service.open_run(run, file=file, device=device) for run in runs]
    said(service.compare(opened, out, data=data, protocol=protocol))


def metrics(*, json: Json = False) -> None:
    """What can be measured: what each metric needs, which way is better, its paper."""
    show_metrics(service.metrics(), as_json=json)


def continuum(
    *,
    data: Annotated[str, arg(help="a data source of images")] = "glyphs",
    out: Annotated[Path | None, arg(help="a folder of its own; runs/continuum-DATA if none is named")] = None,
    weights: Annotated[str, arg(help="from 0 (VAE) to 1 (GAN), with commas")] = "0,0.1,0.3,0.5,0.7,0.9,1",
    seeds: Annotated[int, arg(help="runs at each weight")] = 3,
    images: Annotated[int, arg(help="how many each run sees")] = 50_000,
    batch_size: Annotated[int | None, arg(help="images in a step")] = None,
    network: Annotated[str, arg(help="of all three players: auto, mlp, dcgan or resnet")] = "auto",
    width: Annotated[int | None, arg(help="of the networks; their own if none")] = None,
    latent: Annotated[int, arg(help="dimensions of the code")] = 32,
    learning_rate: Annotated[float, arg(help="Adam's, for all three")] = 1e-3,
    num: Annotated[int, arg(help="samples drawn, and held-out examples used at most")] = 2_000,
    features: Annotated[FeaturesName, arg(help="what sees the images; auto: lenet with labels, else random")] = "auto",
    size: Size = None,
    crop: Crop = "center",
    channels: Channels = None,
    device: Device = "cpu",
    quiet: Annotated[bool, arg(help="print nothing")] = False,
) -> None:
    """Train the same networks from VAE to GAN, and draw what is bought and what is paid. It goes on where it was stopped."""
    page = sweep(
        data,
        out or Path("runs") / f"continuum-{slug(data)}",
        weights=numbers(weights),
        seeds=seeds,
        images=images,
        batch_size=batch_size,
        num=num,
        features=features,
        image_options=ImageOptions(size=size, crop=crop, channels=channels),
        device=device,
        quiet=quiet,
        network=network,
        width=width,
        latent=latent,
        learning_rate=learning_rate,
    )
    said(page)


def numbers(text: str) -> list[float]:
    """Numbers with commas between them."""
    try:
        return [float(word) for word in text.split(",") if word.strip()]
    except ValueError as error:
        raise GanvasError(f"{text!r} is not a list of numbers.", "Write for example --weights 0,0.5,1") from error


def runs(folder: Annotated[Positional[Path], arg(help="where to look")] = Path("runs"), *, json: Json = False) -> None:
    """The runs below a folder, newest first: what each is, how far it came, its best scores."""
    show_runs(listing.runs(folder), as_json=json)


def doctor(run: RunPath, *, json: Json = False) -> None:
    """What ails a run, finished or in training: findings with their evidence, and what to try."""
    show_diagnosis(service.doctor(run), as_json=json)


def export(
    run: RunPath,
    *,
    to: Annotated[
        Format,
        arg(help="torch.export programs, ONNX programs, a folder as the Hugging Face hub has it, or the hub itself"),
    ],
    out: Annotated[Path | None, arg(help="a new folder")] = None,
    repo: Annotated[str | None, arg(help="USER/NAME on the hub, for --to hub")] = None,
    best: Best = False,
    file: File = None,
) -> None:
    """The networks that samples, reconstructions and codes are made with, as others take them."""
    print(service.export(service.open_run(run, file=file, best=best), to, out, repo))


def report(run: RunPath) -> None:
    """Write a run's report.html again."""
    said(service.report(run))


def grows(period: str) -> str:
    """What is said of a period that need not be given."""
    how = GROWING[period]
    return f"if not given, {how.first:,} at first, and up to {1 << how.doublings} times as many later"


@dataclasses.dataclass
class Training:
    """The flags of `train` that every recipe has."""

    data: Annotated[
        str | None, arg(help="a data source: glyphs (taken if none is named), digits, ring8, a folder ...")
    ] = None
    out: Annotated[Path | None, arg(help="the run's directory; runs/RECIPE-DATA if none is named")] = None
    images: Annotated[int | None, arg(help="how many images to see in all")] = None
    batch_size: Annotated[int | None, arg(help="images in a step")] = None
    seed: int = 0
    labels: Annotated[
        int | None, arg(help="so many training examples keep theirs, for recipes that learn from few labels; else all")
    ] = None
    device: Device = "cpu"
    size: Size = None
    crop: Crop = "center"
    channels: Channels = None
    log_every: Annotated[int | None, arg(help=f"images between two lines of metrics; {grows('log_every')}")] = None
    validate_every: Annotated[
        int | None,
        arg(help=f"images between two looks at held-out data; {grows('validate_every')}"),
    ] = None
    checkpoint_every: Annotated[
        int | None,
        arg(help="images between two checkpoints; if not given, 5 seconds, or 200 times as long as saving takes"),
    ] = None
    keep: Annotated[int, arg(help="so many of the newest checkpoints, besides the best")] = 2
    metrics: Annotated[str, arg(help="taken during training: names of ganvas metrics, with commas")] = ""
    metrics_every: Annotated[int | None, arg(help=f"images between two measurements; {grows('metrics_every')}")] = None
    keep_best: Annotated[str | None, arg(help="the metric whose best checkpoint is kept, for --best")] = None
    health_every: Annotated[
        int | None,
        arg(help=f"images between two looks at the model's health; {grows('health_every')}"),
    ] = None
    rewinds: Annotated[int, arg(help="how often to go back to a checkpoint when numbers are not finite")] = 3
    skip_gradient_norm: Annotated[
        float | None, arg(help="skip moves whose gradient norm is so many times the usual one; 10, say")
    ] = None
    precision: Annotated[
        Precision,
        arg(help="of networks in training: bf16 is for hardware that has it; what needs float32 keeps it"),
    ] = "float32"
    compile: Annotated[
        bool, arg(help="make one graph of each player's turn by torch.compile; takes a minute first")
    ] = False
    sync_batchnorm: Annotated[
        bool, arg(help="several processes normalise over the whole batch together, as one process does")
    ] = False
    overwrite: Annotated[bool, arg(help="replace the run that is at --out")] = False
    resume_if_there: Annotated[bool, arg(help="go on with the run at --out if there is one, else begin it")] = False
    changed_data: Annotated[bool, arg(help=CHANGED_DATA)] = False
    quiet: Annotated[bool, arg(help="print nothing")] = False


def train(arguments: Sequence[str]) -> None:
    """Train a recipe on a data source. The recipe's own options are flags, too."""
    given = list(arguments)
    name = given.pop(0) if given and not given[0].startswith("-") else None
    resume = take_resume(given)
    if resume is not None:
        parsed = tyro.cli(
            Resume, args=given, prog="ganvas train --resume RUN", description=Resume.__doc__, config=PLAIN
        )
        if resume and parsed.out is not None:
            fail(
                "--resume names the run that goes on, and --out names one, too.", "Leave --out out: a run stays there."
            )
        resume = resume or parsed.out
        if resume is None:
            fail("Which run should go on?", "Name it: ganvas train --resume RUN")
        service.train(
            name,
            resume=resume,
            images=parsed.images,
            device=parsed.device,
            changed_data=parsed.changed_data,
            quiet=parsed.quiet,
        )
        return
    if name is None:
        if any(flag in given for flag in ("-h", "--help")):
            print(TRAIN_HELP)
            return
        fail("What should be trained?", "Name a recipe, or your own file: ganvas train vae --data glyphs")
    assert name is not None
    function, _ = find_recipe(name)
    known = recipe_module.options(function)
    kind = dataclasses.make_dataclass("Options", fields_of(function), bases=(Training,), kw_only=True)
    about = recipe_module.card(function)
    parsed = tyro.cli(
        kind, args=given, prog=f"ganvas train {name}", description=f"{about.summary}. {about.paper}", config=PLAIN
    )
    values = {field.name: getattr(parsed, field.name) for field in dataclasses.fields(parsed)}
    options = {key: values.pop(key) for key in known}
    values["metrics"] = listed(values["metrics"])
    image_options = ImageOptions(**{key: values.pop(key) for key in ("size", "crop", "channels")})
    service.train(name, image_options=image_options, **values, **options)


@dataclasses.dataclass
class Resume:
    """Go on with a run. Its data, batch size and options stay as they were."""

    out: Annotated[Path | None, arg(help="the run, if --resume does not name it")] = None
    images: Annotated[int | None, arg(help="how many images to see in all, if more than planned")] = None
    device: Device = "cpu"
    changed_data: Annotated[bool, arg(help=CHANGED_DATA)] = False
    quiet: Annotated[bool, arg(help="print nothing")] = False


TRAIN_HELP = """\
usage: ganvas train RECIPE|FILE [--data SOURCE] [--out DIR] [--images N] [--batch-size B] [--seed S] [--device D] ...
       ganvas train RECIPE --help         all flags, with the recipe's own
       ganvas train --resume RUN          go on where a run stopped
       ganvas recipes                     what RECIPE can be; FILE is a Python file of yours"""


def take_resume(arguments: list[str]) -> Path | str | None:
    """Takes `--resume [RUN]` out of the arguments: None where it is not, "" where it names no run."""
    for index, argument in enumerate(arguments):
        if argument == "--resume":
            named = index + 1 < len(arguments) and not arguments[index + 1].startswith("-")
            run = arguments[index + 1] if named else ""
            del arguments[index : index + 1 + named]
            return run
        if argument.startswith("--resume="):
            return arguments.pop(index).partition("=")[2]
    return None


def fields_of(function: Callable[..., Any]) -> list[tuple[str, Any, Any]]:
    """A recipe's arguments as fields of a dataclass, each with its line of the docstring's `Args:` as help."""
    text = inspect.getdoc(function) or ""
    lines = dict(re.findall(r"^ {4}(\w+): (.+)$", text.partition("Args:")[2], re.MULTILINE))
    return [
        (o.name, Annotated[o.type, arg(help=lines.get(o.name, ""))], dataclasses.field(default=o.default))
        for o in recipe_module.options(function).values()
    ]


def listed(names: str) -> tuple[str, ...]:
    """The names between commas."""
    return tuple(name.strip() for name in names.split(",") if name.strip())


def said(path: Path | None) -> None:
    if path is not None:
        print(path)


COMMANDS: dict[str, Callable[..., None]] = {
    "recipes": recipes,
    "data": data,
    "check": check,
    "sample": sample,
    "reconstruct": reconstruct,
    "interpolate": interpolate,
    "encode": encode,
    "evaluate": evaluate,
    "compare": compare,
    "metrics": metrics,
    "continuum": continuum,
    "runs": runs,
    "doctor": doctor,
    "export": export,
    "report": report,
}


def run(verb: str, arguments: Sequence[str]) -> None:
    """Parses a verb's arguments and does it."""
    warnings.showwarning = lambda message, *_, **__: print(f"warning: {printable(str(message))}", file=sys.stderr)
    if verb == "train":
        train(arguments)
        distributed.leave()  # not after an error, of which the others may not know
    else:
        command = COMMANDS[verb]
        tyro.cli(command, args=list(arguments), prog=f"ganvas {verb}", config=PLAIN)

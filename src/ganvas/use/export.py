"""Exports a run: programs for torch and ONNX, and folders for the Hugging Face hub.

An export holds only the networks for inference, with averaged weights if the run has them.
"""

import copy
import json
import logging
import tempfile
import warnings
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

import ganvas
from ganvas.core.model import Autoencoder, LatentVariableModel, Model
from ganvas.data.domains.pictures import save_picture
from ganvas.errors import GanvasError, needs_extra
from ganvas.machine import rng
from ganvas.machine.storage import atomically
from ganvas.runs.directory import PUBLISHED
from ganvas.runs.scores import from_json as row_from_json
from ganvas.runs.scores import kept, rounded
from ganvas.runs.settings import published_settings
from ganvas.training import state
from ganvas.use.published import without
from ganvas.use.run import Run

Format = Literal["torch", "onnx", "hub-folder", "hub"]

EXAMPLES = 8
"""Number of codes and examples stored with an export, and used to check it."""

RELATIVE, ABSOLUTE = 1e-3, 1e-4
"""The tolerance of another runtime's outputs against torch's, in float32."""


class Generate(nn.Module):
    """Codes z (N, ...), and classes y (N,) for a conditional model, to examples x (N, ...)."""

    def __init__(self, model: Model) -> None:
        super().__init__()
        self.model = model

    def forward(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        return self.model.generate(z, y)


class Encode(nn.Module):
    """Examples x (N, ...), and classes y (N,) for a conditional model, to the posterior's mean and scale."""

    def __init__(self, model: Model) -> None:
        super().__init__()
        self.model = model

    def forward(self, x: Tensor, y: Tensor | None = None) -> tuple[Tensor, Tensor]:
        assert isinstance(self.model, Autoencoder)
        q = self.model.encode(x, y)
        return q.mean, q.stddev


@dataclass(frozen=True)
class Program:
    """One function of the networks. name: of its file. inputs: named example tensors, each (N, ...)."""

    name: str
    module: nn.Module
    inputs: dict[str, Tensor]
    outputs: tuple[str, ...]

    def __call__(self) -> tuple[Tensor, ...]:
        return as_tuple(self.module(*self.inputs.values()))


def export(run: Run, kind: Format, out: Path | None = None, repo: str | None = None) -> str:
    """Exports a run's inference networks. Returns the folder, or the page on the hub.

    kind: "torch" writes programs of torch.export, which need only torch. "onnx" writes programs for any ONNX runtime,
    checked against torch's outputs. "hub-folder" writes safetensors, config.json and a model card, and ganvas opens it like a
    run. "hub" uploads that folder to the Hugging Face hub as `repo`.
    """
    if kind == "hub":
        if repo is None or out is not None:
            raise GanvasError("An upload to the hub needs --repo and no --out.", "Write --repo USER/NAME without --out")
        return push(run, repo)
    if out is None or repo is not None:
        raise GanvasError("This export needs --out; --repo is only for --to hub.", "Write --out FOLDER without --repo")
    with new_folder(out) as folder:
        if kind == "hub-folder":
            write_hub_folder(run, folder)
        else:
            write_programs(run, folder, write_torch if kind == "torch" else write_onnx)
    return str(out)


@contextmanager
def new_folder(out: Path) -> Generator[Path]:
    """A temporary folder, renamed to `out` when complete. Never overwrites."""
    if out.exists() and not (out.is_dir() and not any(out.iterdir())):
        raise GanvasError(f"{out} exists and is not overwritten.", "Name a new folder.")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=out.parent, prefix=".export-") as place:
            folder = Path(place) / "whole"
            folder.mkdir()
            yield folder
            folder.replace(out)
    except OSError as error:
        raise GanvasError(f"{out} cannot be written: {error}.") from error


def programs(run: Run) -> list[Program]:
    """The functions of a run's networks, with examples: the generator (called decoder for a p(x|z)) and the encoder."""
    model = copy.deepcopy(run.model).cpu().eval().requires_grad_(False)
    with rng.seeded("export"):
        z = model.prior().sample((EXAMPLES,)).contiguous()
        y = torch.arange(EXAMPLES) % run.recipe.num_classes if run.recipe.num_classes else None
        told = {} if y is None else {"y": y}
        generator = Generate(only(model, Generate, z, y))
        x = generator(z, y).contiguous()
        name = "decoder" if isinstance(model, LatentVariableModel) else "generator"
        found = [Program(name, generator.eval(), {"z": z, **told}, ("x",))]
        if isinstance(model, Autoencoder):
            encoder = Encode(only(model, Encode, x, y)).eval()
            found.append(Program("encoder", encoder, {"x": x, **told}, ("mean", "scale")))
    return found


def only(model: Model, way: Callable[[Model], nn.Module], *inputs: Tensor | None) -> Model:
    """A copy of a model with only the networks that one function uses."""
    needed = reached(model, way, *inputs)
    return without(copy.deepcopy(model), [name for name, _ in model.named_children() if name not in needed])


def reached(model: Model, way: Callable[[Model], nn.Module], *inputs: Tensor | None) -> set[str]:
    """The networks that a function of the model uses: called ones, ones with a gradient, and ones without weights."""
    probe = copy.deepcopy(model).requires_grad_(True)
    called: set[str] = set()
    for name, child in probe.named_children():
        for part in child.modules():
            part.register_forward_pre_hook(lambda *_, name=name: called.add(name))
    parameters = list(probe.parameters())
    ends = [part.sum() for part in as_tuple(way(probe)(*inputs)) if part.requires_grad]
    slopes = torch.autograd.grad(sum(ends, torch.zeros(())), parameters, allow_unused=True) if ends else ()
    touched = {
        id(p)
        for p, slope in zip(parameters, slopes, strict=False)
        if slope is not None  # pyright: ignore[reportUnnecessaryComparison]
    }
    return called | {
        name
        for name, child in probe.named_children()
        if not any(True for _ in child.parameters()) or any(id(p) in touched for p in child.parameters())
    }


def as_tuple(value: Tensor | Sequence[Tensor]) -> tuple[Tensor, ...]:
    return (value,) if isinstance(value, Tensor) else tuple(value)


def write_programs(run: Run, folder: Path, write: Callable[[Program, Path], Path]) -> None:
    """Writes each program by `write`, example inputs and outputs, and a config.json that describes them."""
    about: dict[str, Any] = {}
    examples: dict[str, Tensor] = {}
    for program in programs(run):
        try:
            file = write(program, folder)
        except GanvasError:
            raise
        except Exception as error:  # an exporter may raise anything for an unsupported network
            first = (str(error).splitlines() or [""])[0]
            raise GanvasError(
                f"The {program.name} of {run.path} cannot be exported: {type(error).__name__}: {first}",
                "Export the run as a hub-folder, which ganvas can open.",
            ) from error
        made = dict(zip(program.outputs, program(), strict=True))
        about[program.name] = {
            "file": file.name,
            "inputs": {name: described(t) for name, t in program.inputs.items()},
            "outputs": {name: described(t) for name, t in made.items()},
        }
        named = {**program.inputs, **made}
        examples |= {f"{program.name}/{name}": t.contiguous().clone() for name, t in named.items()}
    save_file(examples, folder / "examples.safetensors")
    config = {**published_settings(run.settings), "images_seen": run.images_seen, "programs": about}
    write_json(folder / "config.json", config)


def described(tensor: Tensor) -> dict[str, Any]:
    return {"shape": ["N", *tensor.shape[1:]], "dtype": str(tensor.dtype).removeprefix("torch.")}


def write_json(path: Path, content: object) -> None:
    atomically(path, lambda part: part.write_text(json.dumps(content, indent=2)))


@contextmanager
def silence() -> Generator[None]:
    """Within this context, exporters print nothing: their warnings do not concern the user."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)


def traced(program: Program) -> torch.export.ExportedProgram:
    """The program as a graph of torch's own operations, for any number of examples."""
    batch = torch.export.Dim("N", min=1, max=65_536)
    shapes = {name: {0: batch} for name in program.inputs}
    with silence():
        return torch.export.export(program.module, tuple(program.inputs.values()), dynamic_shapes=shapes, strict=False)


def write_torch(program: Program, folder: Path) -> Path:
    """NAME.pt2: torch.export.load(file).module() is the function."""
    path = folder / f"{program.name}.pt2"
    graph = traced(program)
    graph.example_inputs = None  # torch would pickle them; they are in examples.safetensors
    with silence():
        torch.export.save(graph, path)
        again = torch.export.load(path).module()
    compare(program, lambda inputs: as_tuple(again(*inputs)), "torch.export")
    return path


def write_onnx(program: Program, folder: Path) -> Path:
    """NAME.onnx, for any number of examples. Raises GanvasError if onnxruntime's outputs differ from torch's."""
    try:
        import onnxruntime  # pyright: ignore[reportMissingImports]
        import onnxscript  # noqa: F401  # pyright: ignore[reportMissingImports, reportUnusedImport]
    except ImportError as error:
        raise needs_extra("ONNX", "onnx") from error
    path = folder / f"{program.name}.onnx"
    with silence(), torch.no_grad():
        torch.onnx.export(
            traced(program),
            (),
            path,
            input_names=list(program.inputs),
            output_names=list(program.outputs),
            external_data=False,
            dynamo=True,
            verbose=False,
        )
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])

    def again(inputs: Sequence[Tensor]) -> tuple[Tensor, ...]:
        given = {name: t.numpy() for name, t in zip(program.inputs, inputs, strict=True)}
        return tuple(map(torch.from_numpy, session.run(None, given)))

    compare(program, again, "ONNX")
    return path


def compare(program: Program, again: Callable[[Sequence[Tensor]], tuple[Tensor, ...]], what: str) -> None:
    """Raises GanvasError if outputs of an exported program differ from the networks', for all examples and for three."""
    for num in (EXAMPLES, 3):
        inputs = [t[:num].contiguous() for t in program.inputs.values()]
        for name, ours, theirs in zip(program.outputs, as_tuple(program.module(*inputs)), again(inputs), strict=True):
            if not torch.isfinite(ours).all():
                raise GanvasError(
                    f"The {program.name} gives NaN or infinity: {name}.",
                    "These weights are unusable. Diagnose the run: ganvas doctor RUN",
                )
            if ours.shape != theirs.shape or not torch.allclose(theirs, ours, rtol=RELATIVE, atol=ABSOLUTE):
                far = (theirs - ours).abs().max() if ours.shape == theirs.shape else "another shape"
                raise GanvasError(
                    f"The {program.name} as {what} differs from torch: {name} is off by {far}.",
                    "Export the run as a hub-folder, and report this to ganvas's developers.",
                )


def write_hub_folder(run: Run, folder: Path) -> None:
    """config.json, model.safetensors, a model card with samples, and the scores of these weights."""
    model = copy.deepcopy(run.model).cpu()
    with rng.seeded("export"), torch.enable_grad():
        z = model.prior().sample((2,))
        y = torch.zeros(2, dtype=torch.int64) if run.recipe.num_classes else None
        needed = reached(model, Generate, z, y)
        if isinstance(model, Autoencoder):
            needed |= reached(model, Encode, model.generate(z, y), y)
    needed |= {"prior"}
    networks = [name for name, _ in model.named_children() if name in needed]
    model = without(model, [name for name, _ in model.named_children() if name not in needed])
    tensors = {name: t.detach().contiguous().clone() for name, t in state.variables(model).items()}
    save_file(tensors, folder / PUBLISHED, metadata={"format": "pt"})
    config = {**published_settings(run.settings), "images_seen": run.images_seen, "networks": networks}
    write_json(folder / "config.json", config)
    num = 64 if len(run.info.shape) == 3 else 2_500
    save_picture(run.sample(num), folder / "samples.png", run.info)
    scores = [entry for entry in kept(run.path) if entry.get("images") == run.images_seen]
    if scores:
        write_json(folder / "evaluation.json", [{**e, "data": Path(str(e.get("data"))).name} for e in scores])
    (folder / "README.md").write_text(model_card(run, scores), encoding="utf-8", errors="replace")


def model_card(run: Run, scores: Sequence[dict[str, Any]]) -> str:
    """README.md of a hub folder, with scores, also of real data and of the untrained networks."""
    settings, model = run.settings, run.model
    about = published_settings(settings)
    image = len(run.info.shape) == 3
    front = ["---", "library_name: ganvas", "tags:", "- ganvas", f"- {settings.recipe}"]
    front += ["pipeline_tag: unconditional-image-generation"] if image and not run.recipe.num_classes else []
    lines = [*front, "---", "", f"# {settings.recipe} on {about['data']['source']}", ""]
    lines += [f"{line_of(settings.summary)}.", "", f"Paper: {line_of(settings.paper)}" if settings.paper else ""]
    lines += ["", "![Samples](samples.png)", "", "64 samples, not selected." if image else "Samples, not selected.", ""]
    lines += ["## Use", "", "```sh", "pip install ganvas", "ganvas sample THIS_FOLDER --out grid.png", "```", ""]
    lines += [
        "```python",
        "import ganvas",
        "",
        'run = ganvas.open("hub:USER/NAME")  # or this folder',
        "x = run.sample(64)",
    ]
    lines += ["z, scale = run.encode(x)"] if isinstance(model, Autoencoder) else []
    lines += ["```", "", "## Training", "", f"- images seen: {run.images_seen:,}"]
    shape, classes = "x".join(map(str, run.info.shape)), len(run.info.classes)
    lines += [f"- data: {about['data']['source']}, {run.info.num_train:,} examples of {shape}, {classes} classes"]
    if run.recipe.num_classes:
        lines += [f"- told the class: {', '.join(line_of(c) for c in run.info.classes[:100])}"]
    arguments = ", ".join(f"{name} = {value}" for name, value in settings.arguments.items() if value is not None)
    lines += [f"- options: {line_of(arguments)}", f"- ganvas {ganvas.__version__}, seed {settings.training.seed}", ""]
    lines += ["## Scores", ""]
    if not scores:
        return "\n".join([*lines, "No scores were measured for these weights.", ""])
    lines += ["| score | better | this model | real data | untrained | features | samples | split |"]
    lines += ["|---|---|---:|---:|---:|---|---:|---|"]
    for row in map(row_from_json, scores):
        about_score = row.score.card
        cells = [row.score.name, row.score.better, rounded(row.score), rounded(row.floor), rounded(row.untrained)]
        cells += [about_score.features or "", f"{about_score.num_samples:,}", about_score.split]
        lines += ["| " + " | ".join(line_of(cell).replace("|", "\\|") for cell in cells) + " |"]
    return "\n".join([*lines, "", "`evaluation.json` has the full protocol of each score.", ""])


def line_of(text: str) -> str:
    """A text as one line."""
    return " ".join(text.split()).rstrip(".")


def push(run: Run, repo: str) -> str:
    """Uploads a run's folder to the Hugging Face hub. Creates the repository if needed. Returns its address."""
    api = hub_client(repo).HfApi()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "model"
        folder.mkdir()
        write_hub_folder(run, folder)
        try:
            address = api.create_repo(repo_id=repo, repo_type="model", exist_ok=True)
            about = f"{card_name(run)} by ganvas {ganvas.__version__}"
            api.upload_folder(folder_path=str(folder), repo_id=repo, repo_type="model", commit_message=about)
        except Exception as error:  # the client raises its own errors and those of its transport
            raise hub_error(f"{repo} could not be uploaded", error) from error
    return str(address)


def card_name(run: Run) -> str:
    return f"{run.settings.recipe} after {run.images_seen:,} images"


def pull(name: str) -> Path:
    """The folder of a model on the hub, `USER/NAME` or `USER/NAME@REVISION`; downloaded once, then cached."""
    fetch = hub_client(f"hub:{name}").snapshot_download
    repo, _, revision = name.partition("@")
    wanted = ["config.json", PUBLISHED, "README.md", "samples.png", "evaluation.json"]
    try:
        return Path(fetch(repo_id=repo, revision=revision or None, allow_patterns=wanted))
    except Exception as error:
        raise hub_error(f"hub:{name} could not be downloaded", error) from error


def hub_client(wanted: str) -> Any:
    """The package huggingface_hub. Raises GanvasError if it is not installed. what: the feature that needs it."""
    try:
        import huggingface_hub
    except ImportError as error:
        raise needs_extra(wanted, "hub") from error
    return huggingface_hub


def hub_error(what: str, error: Exception) -> GanvasError:
    first = (str(error).splitlines() or [""])[0]
    return GanvasError(
        f"{what}: {type(error).__name__}: {first}",
        "Check the name (USER/NAME), the network, and your login (hf auth login).",
    )

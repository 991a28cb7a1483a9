"""A run's networks as programs that need no ganvas: torch.export and ONNX, each compared with the network."""

import copy
import json
import logging
import warnings
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ganvas.core.model import Model
from ganvas.data.domains.codes import Coded
from ganvas.errors import GanvasError, needs_extra
from ganvas.machine.storage import atomically
from ganvas.machine.tensor_files import save_tensors
from ganvas.runs.settings import published_settings
from ganvas.training.decoded import Decoded
from ganvas.use.abilities import Way, abilities_of, generator
from ganvas.use.codes_source import stage_of
from ganvas.use.published import without
from ganvas.use.run import Run

EXAMPLES = 8
"""Number of codes and examples stored with an export, and used to check it."""


RELATIVE, ABSOLUTE = 1e-3, 1e-4
"""The tolerance of another runtime's outputs against torch's, in float32."""


@dataclass(frozen=True)
class Program:
    """One function of the networks. name: of its file. inputs: named example tensors, each (N, ...)."""

    name: str
    module: nn.Module
    inputs: dict[str, Tensor]
    outputs: tuple[str, ...]

    def __call__(self) -> tuple[Tensor, ...]:
        return as_tuple(self.module(*self.inputs.values()))


def programs(run: Run) -> list[Program]:
    """The functions of a run's networks, with examples: of each ability that has some."""
    model = copy.deepcopy(run.model).cpu().eval().requires_grad_(False)
    if isinstance(run.info.domain, Coded):
        stage = generator(model, run.settings.recipe)
        model = Decoded(stage, stage_of(run.info.domain).decoding.cpu()).eval()
    y = torch.arange(EXAMPLES) % run.recipe.num_classes if run.recipe.num_classes else None
    ways = (way for ability in abilities_of(model) for way in ability.ways(model, EXAMPLES, y))
    return [Program(way.name, way.module(only(model, way)).eval(), way.inputs, way.outputs) for way in ways]


def only(model: Model, way: Way) -> Model:
    """A copy of a model with only the networks that one function uses."""
    needed = reached(model, way)
    return without(copy.deepcopy(model), [name for name, _ in model.named_children() if name not in needed])


def reached(model: Model, way: Way) -> set[str]:
    """The networks that a function of the model uses: called ones, ones with a gradient, and ones without weights."""
    probe = copy.deepcopy(model).requires_grad_(True)
    called: set[str] = set()
    for name, child in probe.named_children():
        for part in child.modules():
            part.register_forward_pre_hook(lambda *_, name=name: called.add(name))
    parameters = list(probe.parameters())
    ends = [part.sum() for part in as_tuple(way.module(probe)(*way.inputs.values())) if part.requires_grad]
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
    save_tensors(examples, folder / "examples.safetensors")
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

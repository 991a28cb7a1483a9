"""Exports a run: programs for torch and ONNX, and folders for the Hugging Face hub.

An export holds only the networks for inference, with averaged weights if the run has them.
"""

from pathlib import Path
from typing import Literal

from ganvas.errors import GanvasError, option
from ganvas.use.folders import new_folder
from ganvas.use.hub import push, write_hub_folder
from ganvas.use.programs import write_onnx, write_programs, write_torch
from ganvas.use.run import Run

Format = Literal["torch", "onnx", "hub-folder", "hub"]


def export(run: Run, kind: Format, out: Path | None = None, repo: str | None = None) -> str:
    """Exports a run's inference networks. Returns the folder, or the page on the hub.

    kind: "torch" writes programs of torch.export, which need only torch. "onnx" writes programs for any ONNX runtime,
    checked against torch's outputs. "hub-folder" writes safetensors, config.json and a model card, and ganvas opens it like a
    run. "hub" uploads that folder to the Hugging Face hub as `repo`.
    """
    if kind == "hub":
        if repo is None or out is not None:
            raise GanvasError(
                f"An upload to the hub needs {option('repo')} and no {option('out')}.",
                f"Write {option('repo', 'USER/NAME')} without {option('out')}",
            )
        return push(run, repo)
    if out is None or repo is not None:
        raise GanvasError(
            f"This export needs {option('out')}; {option('repo')} is only for {option('kind', 'hub', flag='to')}.",
            f"Write {option('out', 'FOLDER')} without {option('repo')}",
        )
    with new_folder(out) as folder:
        if kind == "hub-folder":
            write_hub_folder(run, folder)
        else:
            write_programs(run, folder, write_torch if kind == "torch" else write_onnx)
    return str(out)

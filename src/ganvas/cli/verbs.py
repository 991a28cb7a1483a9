"""The verbs by name. Each has its flags, and is one call of the service."""

import sys
import warnings
from collections.abc import Callable, Sequence

import tyro

from ganvas.cli.flags import PLAIN
from ganvas.cli.looking import check, data, doctor, recipes, report, runs, suggest
from ganvas.cli.measuring import compare, continuum, evaluate, metrics
from ganvas.cli.sampling import with_sampling
from ganvas.cli.training import train
from ganvas.cli.using import encode, export, interpolate, reconstruct, sample
from ganvas.errors import printable
from ganvas.machine import distributed

COMMANDS: dict[str, Callable[..., None]] = {
    "recipes": recipes,
    "data": data,
    "suggest": suggest,
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
    """Parses a verb's arguments and runs it."""
    warnings.showwarning = lambda message, *_, **__: print(f"warning: {printable(str(message))}", file=sys.stderr)
    if verb == "train":
        train(arguments)
        distributed.leave()  # not after an error: other processes may not know of it
    else:
        command = with_sampling(COMMANDS[verb], arguments)
        tyro.cli(command, args=list(arguments), prog=f"ganvas {verb}", config=PLAIN)

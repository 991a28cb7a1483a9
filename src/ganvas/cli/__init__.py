"""The command `ganvas`. Heavy modules are imported only by the commands that need them."""

import difflib
import io
import os
import sys
from collections.abc import Sequence

VERBS: dict[str, str] = {
    "recipes": "list what you can train, with the papers",
    "data": "describe a data source: counts, sizes, labels, captions, unreadable files",
    "suggest": "propose a command for your pictures, by looking at them and measuring this machine",
    "check": "test your own model with one dry step",
    "train": "train a recipe on a data source",
    "sample": "draw samples from a run",
    "reconstruct": "draw examples beside their reconstructions",
    "interpolate": "draw a walk between two images, as a strip or a film",
    "encode": "compute codes of a data source's examples",
    "evaluate": "compute scores on held-out data, with those of real data and of the untrained networks",
    "compare": "compare runs under one protocol: a page of scores, pictures and costs",
    "metrics": "list the metrics, and what each needs",
    "continuum": "train the same networks from VAE to GAN, and compare gain and cost",
    "runs": "list the runs in a folder: state, progress, best scores",
    "doctor": "diagnose a run, finished or in training, and suggest remedies",
    "export": "export a run's networks for torch, ONNX or the Hugging Face hub",
    "report": "write a run's report.html again",
}

EXAMPLES = """\
  ganvas train vaegan --data glyphs            a VAE-GAN on characters, with pictures and a report
  ganvas train vae --data path/to/images --size 64
  ganvas sample runs/vaegan-glyphs --num 64 --out grid.png
"""


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs one verb and exits with 0, or with 2 after one message about a user's mistake."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    # Spinning threads make two runs on one machine five times slower. torch reads this when it loads.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # file names may not be valid text, and a terminal may lack letters
            stream.reconfigure(errors="backslashreplace")
    if not given or given[0] in ("-h", "--help", "help"):
        print(overview())
        return
    if given[0] == "--version":
        from ganvas import __version__

        print(f"ganvas {__version__}")
        return
    verb, rest = given[0], given[1:]
    if verb not in VERBS:
        near = difflib.get_close_matches(verb, VERBS, n=1)
        fail(f"There is no command {verb!r}.", f"Did you mean {near[0]!r}?" if near else "See: ganvas --help")
    if "--" in rest:  # tyro would treat all options after it as names
        fail(
            "The argument -- is not allowed: options may come after names.", "Leave it out; write a folder -x as ./-x."
        )
    from ganvas.errors import GanvasError

    try:
        from ganvas.cli.verbs import run

        run(verb, rest)
    except GanvasError as error:
        fail(*error.on_command_line())
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        sys.stderr.close()
    except OSError as error:
        fail(str(error))
    except MemoryError:
        fail("There is not enough memory for this.", "Use a smaller --width, --batch-size, --size or --num.")


def overview() -> str:
    width = max(map(len, VERBS))
    lines = [f"  {verb:<{width}}  {what}" for verb, what in VERBS.items()]
    return "\n".join(
        [
            "ganvas trains, measures and uses GANs, VAEs and the models between them.",
            "",
            "usage: ganvas COMMAND ...      ganvas COMMAND --help",
            "",
            *lines,
            "",
            EXAMPLES.rstrip(),
        ]
    )


def fail(message: str, hint: str = "") -> None:
    from ganvas.errors import printable

    print(f"ganvas: {printable(message)}" + (f"\n{hint}" if hint else ""), file=sys.stderr)
    sys.exit(2)

"""The command `ganvas`. Nothing heavy is imported before a verb is known to need it."""

import difflib
import io
import os
import sys
from collections.abc import Sequence

VERBS: dict[str, str] = {
    "recipes": "what can be trained, one line each with its paper",
    "data": "look at a data source: counts, sizes, labels, captions, what cannot be read",
    "check": "one dry step of a model of your own",
    "train": "train a recipe on a data source",
    "sample": "draw samples from a run",
    "reconstruct": "examples beside what a run makes of them",
    "interpolate": "a walk between two images, as a strip or a film",
    "encode": "codes of a data source's examples",
    "evaluate": "scores on held-out data, beside real data's and the untrained networks'",
    "compare": "runs side by side under one protocol: a page of scores, pictures and costs",
    "metrics": "what can be measured, and what it needs",
    "continuum": "the same networks from VAE to GAN: what is bought and what is paid",
    "runs": "the runs below a folder: state, progress, best scores",
    "doctor": "what ails a run, finished or in training, and what to try",
    "export": "a run's networks for torch, ONNX or the Hugging Face hub",
    "report": "write a run's report.html again",
}

EXAMPLES = """\
  ganvas train vaegan --data glyphs            a VAE-GAN on characters, with pictures and a report
  ganvas train vae --data path/to/images --size 64
  ganvas sample runs/vaegan-glyphs --num 64 --out grid.png
"""


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs one verb and leaves with 0, or with 2 after one message about what the user can mend."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    # Threads that wait for each other by spinning make two runs on one machine five times slower; read when torch loads.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # names of files need not be text, nor a terminal know every letter
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
    if "--" in rest:  # after it no option would be known, and all would be asked about
        fail("Nothing ends with -- here: options may come after names.", "Leave it out; a folder -x is ./-x.")
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
        fail("There is not enough memory for this.", "Ask for less: a smaller --width, --batch-size, --size or --num.")


def overview() -> str:
    width = max(map(len, VERBS))
    lines = [f"  {verb:<{width}}  {what}" for verb, what in VERBS.items()]
    return "\n".join(
        [
            "ganvas: GANs, VAEs and everything between them, under one trainer.",
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

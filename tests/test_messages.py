"""Messages name arguments as the reader writes them: with dashes on the command line, and by name in Python."""

import ast
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import ganvas
from ganvas import GanvasError, service
from ganvas.cli import main
from ganvas.data import ImageOptions
from ganvas.errors import command, either, option
from ganvas.metrics.evaluation import Protocol
from ganvas.studies.continuum import continuum

SRC = Path(__file__).parents[1] / "src" / "ganvas"

FLAG = re.compile(r"(?<![\w-])--[a-z]")

SHELL = {
    "errors.py": "its examples",
    "report/commands.py": "the page shows commands for a shell",
    "health/advice.py": "advice is kept in metrics.jsonl, and names flags",
    "use/model_card.py": "a model card shows a command for a shell",
    "jobs/job.py": "a run that was stopped prints the command that continues it",
}
"""Files whose texts are for a shell, and why. The command line's own are not looked at."""


@pytest.mark.parametrize(
    ("marked", "shell", "python"),
    [
        (option("batch_size"), "--batch-size", "`batch_size`"),
        (option("batch_size", 64), "--batch-size 64", "`batch_size=64`"),
        (option("out", "DIR"), "--out DIR", "`out=DIR`"),
        (option("out", Path("my run")), "--out 'my run'", "`out='my run'`"),
        (option("overwrite", True), "--overwrite", "`overwrite=True`"),
        (option("compile", False), "--no-compile", "`compile=False`"),
        (option("metrics", ("fid", "kid")), "--metrics fid,kid", "`metrics=['fid', 'kid']`"),
        (option("start", flag="from"), "--from", "`start`"),
        (
            command("train", "vae", data="glyphs"),
            "ganvas train vae --data glyphs",
            "`ganvas.train('vae', data='glyphs')`",
        ),
        (command("train", resume=Path("RUN")), "ganvas train --resume RUN", "`ganvas.train(resume='RUN')`"),
        (either("hf auth login", "`login()`"), "hf auth login", "`login()`"),
    ],
)
def test_each_reader_sees_one_wording(marked: str, shell: str, python: str) -> None:
    error = GanvasError(f"Not {marked}.", f"Use {marked} or less\nthan {marked}.")
    assert error.on_command_line() == (f"Not {shell}.", f"Use {shell} or less\nthan {shell}.")
    assert str(error) == f"Not {python}.\nUse {python} or less\nthan {python}."
    again = GanvasError(*error.marked)
    assert again.on_command_line() == error.on_command_line()


def test_what_a_message_quotes_is_not_taken_for_a_mark() -> None:
    quoted = "a --flag \ue000 of \ue001 a \ue002 file"
    error = GanvasError(f"{quoted}: {option('num')}")
    assert error.message.startswith("a --flag")
    assert not any("\ue000" <= c <= "\ue002" for c in "".join([str(error), *error.on_command_line()]))


def strings(path: Path) -> list[tuple[int, str]]:
    """The texts in a file, with their lines, but for docstrings and what `either` is given."""
    tree = ast.parse(path.read_text("utf-8"))
    docs = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    marked = [n for n in ast.walk(tree) if isinstance(n, ast.Call) and ast.unparse(n.func) == "either"]
    docs |= {id(inner) for call in marked for inner in ast.walk(call)}
    return [
        (node.lineno, node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docs
    ]


def test_no_text_outside_the_command_line_writes_a_flag() -> None:
    found = [
        f"{path.relative_to(SRC)}:{line}: {text}"
        for path in sorted(SRC.rglob("*.py"))
        if path.relative_to(SRC).parts[0] != "cli" and path.relative_to(SRC).as_posix() not in SHELL
        for line, text in strings(path)
        if FLAG.search(text)
    ]
    assert found == [], "write it with errors.option"


def test_what_python_raises_names_arguments(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "thesis.txt").touch()
    np.savez(tmp_path / "points.npz", points=np.zeros((20, 2), np.float32))
    tiny: dict[str, Any] = {"data": "digits", "out": tmp_path / "run", "quiet": True}
    mistakes: list[Any] = [
        lambda: ganvas.train(),
        lambda: ganvas.train("vae", **tiny, images=0),
        lambda: ganvas.train("vae", **tiny, batch_size=10_000),
        lambda: ganvas.train("vae", **tiny, labels=10),
        lambda: ganvas.train("vae", **tiny, metrics_every=64),
        lambda: ganvas.train("vae", **tiny, width=0),
        lambda: ganvas.train("vae", **tiny, latent=0),
        lambda: ganvas.train("vae", **tiny, device="abacus"),
        lambda: ganvas.train("vae", **tiny, network="mlp", sync_batchnorm=True),
        lambda: ganvas.train("vae", **tiny, resume_if_there=True, overwrite=True),
        lambda: ganvas.train("vae", **{**tiny, "out": tmp_path / "there"}),
        lambda: ganvas.train("vq-vae", **tiny, codes=0),
        lambda: ganvas.train("vae", data="ring8", image_options=ImageOptions(size=8), out=tmp_path / "run"),
        lambda: ganvas.train(resume=tmp_path, data="digits"),
        lambda: ganvas.open(tmp_path / "nowhere"),
        lambda: service.data("digits", num=0),
        lambda: ImageOptions(channels=2),
        lambda: Protocol(num=1).checked(),
        lambda: continuum("digits", tmp_path / "sweep", weights=[]),
    ]
    for number, mistake in enumerate(mistakes):
        with pytest.raises(GanvasError) as error:
            mistake()
            pytest.fail(f"mistake {number} was not refused")
        assert not FLAG.search(str(error.value)), str(error.value)
    assert not (tmp_path / "run").exists()


def test_the_command_line_writes_the_dashes(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["train", "vae", "--data", "digits", "--out", "nowhere", "--batch-size", "10000"])
    said = capsys.readouterr().err
    assert "Use --batch-size 1" in said
    assert "`" not in said

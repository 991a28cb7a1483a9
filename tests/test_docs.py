"""Docs are code: what they show is run, and what exists is documented."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import robustness
from PIL import Image

import ganvas
from ganvas import service
from ganvas.cli import VERBS, main
from ganvas.machine import facts
from ganvas.metrics.features import lenet
from ganvas.recipes import RECIPES

ROOT = Path(__file__).parents[1]
PAGES = [
    ROOT / "README.md",
    *(
        ROOT / "docs" / f"{name}.md"
        for name in ("your-own-model", "metrics", "continuum", "health", "robustness", "two-stages")
    ),
]


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder as a reader has it: the examples, and pictures of their own; with feature networks learnt in a hurry."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(lenet, "IMAGES_SEEN", 2_000)
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    pictures = tmp_path / "my_pictures"
    pictures.mkdir()
    g = np.random.default_rng(0)
    for n in range(160):
        Image.fromarray(g.integers(0, 255, (40, 36, 3), dtype=np.uint8)).save(pictures / f"{n}.png")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def smaller(code: str) -> str:
    """The same with budgets that suit a test."""
    code = re.sub(r"--(images|codes) [\d_]+", r"--\1 128", code)
    code = re.sub(r"--metrics-every \d+", "--metrics-every 64", code)
    code = re.sub(r"--num \d{4,}", "--num 200", code)
    return re.sub(r"images=[\d_]+", "images=128", code)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Images are judged by a random feature network")  # without the extra `features`
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_commands_of_a_page_run(page: Path, place: Path) -> None:
    for block in blocks(page, "sh"):
        for line in smaller(block.replace("\\\n", " ")).splitlines():
            words = line.partition("#")[0].split()
            if words and words[0] == "ganvas":
                main(words[1:])
            elif words and words[0] not in ("make", "git", "cd", "pip", "python"):
                pytest.fail(f"{page.name} shows a command that this test cannot run: {line}")


@pytest.mark.trains
def test_what_many_machines_are_told_to_run_one_runs(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """But for torchrun and its options, which tests/test_distributed.py uses, and for GPUs."""
    monkeypatch.setattr(facts, "has_bf16", lambda: True)  # else a processor without it is warned of, and is only slower
    text = (ROOT / "docs" / "many-machines.md").read_text().replace("\\\n", " ")
    lines = re.findall(r"torchrun .*-m ganvas (.*)", text)
    lists = [
        re.sub(r"[,\"\s]+", " ", words) for words in re.findall(r"command: \[.*?-m, ganvas, ([^]]*)\]", text, re.DOTALL)
    ]
    assert len(lines) == 4 and len(lists) == 1
    here = {"cuda": "cpu", "/shared/pictures": "my_pictures", "glyphs": "digits"}
    for number, words in enumerate([*lines, *lists]):
        out = {"/shared/runs/mine": f"runs/{number}"}
        command = [(here | out).get(word, word) for word in words.split()]
        main([*command, "--images", "64", "--batch-size", "32", "--size", "16", "--quiet"])


@pytest.mark.slow
@pytest.mark.trains
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_python_of_a_page_runs(page: Path, place: Path) -> None:
    for block in blocks(page, "python"):
        program = smaller(block)
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr


def test_every_example_passes_its_check(capsys: pytest.CaptureFixture[str]) -> None:
    for example in sorted((ROOT / "examples").glob("*.py")):
        main(["check", str(example), "--data", "digits"])
        assert "Every parameter is moved by a player" in capsys.readouterr().out


def test_links_between_pages_lead_somewhere() -> None:
    for page in [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")]:
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


def test_the_readme_names_every_command_and_recipe() -> None:
    text = (ROOT / "README.md").read_text()
    for name in [*VERBS, *RECIPES]:
        assert f"`{name}`" in text or f"ganvas {name}" in text, f"README.md does not mention {name}"


def test_the_page_of_metrics_holds_all_of_them_as_the_command_lists_them() -> None:
    text = (ROOT / "docs" / "metrics.md").read_text()
    for f in service.metrics():
        row = f"| `{f['name']}` | {f['summary']} | {f['better']} | {', '.join(f['needs'])} | {f['paper']} |"
        assert row in text, f"docs/metrics.md should have the line\n{row}"


def test_the_page_of_robustness_is_that_of_its_results() -> None:
    """So no number on it was typed by hand."""
    assert robustness.PAGE.read_text() == robustness.page()


def test_the_version_is_one() -> None:
    for page, pattern in (("pyproject.toml", r'^version = "(.+)"'), ("CITATION.cff", r"^version: (.+)")):
        found = re.search(pattern, (ROOT / page).read_text(), re.MULTILINE)
        assert found is not None
        assert found.group(1) == ganvas.__version__
    assert f"## {ganvas.__version__}" in (ROOT / "CHANGELOG.md").read_text()

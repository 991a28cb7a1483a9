import base64
import hashlib
import json
import re
import shlex
from html.parser import HTMLParser
from pathlib import Path

import fake_run
import pytest
import torch

from ganvas.report import write_report
from ganvas.report.commands import go_on, train_again
from ganvas.report.reader import Recipe, read_run

VOID = {"meta", "img", "input", "link", "br"}


class Page(HTMLParser):
    """The elements of a page, with every tag closed in its order, and its text by the section it stands in."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.section = ""
        self.texts: dict[str, str] = {}
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self.section = dict(attrs).get("id") or self.section if tag == "section" else self.section
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag, f"</{tag}> closes something else"

    def handle_data(self, data: str) -> None:
        if not self.open or self.open[-1] not in ("script", "style"):
            self.texts[self.section] = self.texts.get(self.section, "") + data + " "

    def text(self, section: str) -> str:
        return " ".join(self.texts[section].split())

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


def page_of(run: Path) -> Page:
    page = Page(write_report(run).read_text("utf-8"))
    assert page.open == [], "every tag is closed"
    return page


def test_the_page_stands_alone(finished: Path) -> None:
    page = page_of(finished)
    assert page.all("link") == []
    films, walks = 2 * (4 + 1), 3
    assert len(page.all("img")) == films + walks
    assert all((image["src"] or "").startswith("data:image/") for image in page.all("img"))
    assert all((link["href"] or "").startswith("#") for link in page.all("a"))
    assert all("src" not in script for script in page.all("script"))


def test_only_the_pages_own_script_may_run(finished: Path) -> None:
    text = write_report(finished).read_text("utf-8")
    scripts = re.findall(r"<script>(.*?)</script>", text, re.DOTALL)
    digests = [base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts]
    assert re.findall(r"script-src 'sha256-([^']+)'", text) == digests
    assert "default-src 'none'" in text


def test_the_page_tells_the_run(finished: Path) -> None:
    page = page_of(finished)
    assert "vaegan on glyphs" in page.text("")
    for words in ("28 × 28 grey images in 47 classes", "Larsen", "parameters", "1 min 46 s", "finished"):
        assert words in page.text("")
    assert "images per second 471" in page.text("")  # 50,000 in the 49,920 / 470 s up to the last line: 470.75
    titles = {svg["aria-label"].split(" over images")[0] for svg in page.all("svg") if svg["aria-label"]}
    assert titles >= {"rate", "distortion", "adversarial", "feature distance", "gradient penalty", "gradient norms"}
    assert titles >= {"throughput", "FID", "sum of terms"}
    assert "nats per example" in page.text("curves") and "How to read this." in page.text("curves")
    assert "spectral norm yes" in page.text("settings")
    assert torch.__version__ in page.text("speed") and "rewound after 24,960 images" in page.text("speed")
    assert "ganvas train vaegan --data glyphs --out runs/vaegan-glyphs --images 50000" in page.text("again")
    assert "ganvas reconstruct" in page.text("again") and "--resume" not in page.text("again")


def test_the_pointer_is_told_the_recorded_values(finished: Path) -> None:
    chart = next(svg for svg in page_of(finished).all("svg") if (svg["aria-label"] or "").startswith("distortion"))
    train, held_out = json.loads(chart["data-readout"] or "")["lines"]
    assert (train["name"], held_out["name"]) == ("train", "held out")
    points = read_run(finished).history.terms["decoder"]["distortion"]["held_out"]
    assert [point[0] for point in held_out["points"]] == [images for images, _ in points]
    assert [float(point[1]) for point in held_out["points"]] == pytest.approx([value for _, value in points], rel=1e-3)


def test_a_sum_of_terms_is_their_sum(finished: Path) -> None:
    from ganvas.report.curves import player_charts

    history = read_run(finished).history
    encoder = next(player for player in player_charts(history) if player.name == "encoder")
    drawn = encoder.terms[-1].chart
    last = sum(splits["train"][-1][1] for splits in history.terms["encoder"].values())
    assert drawn.title == "sum of terms" and float(drawn.curves[0].last) == pytest.approx(last, rel=1e-3)


def test_scores_that_were_measured_are_told_with_their_protocol(in_progress: Path) -> None:
    assert "scores" not in page_of(in_progress).texts
    card = {"features": "lenet", "num_samples": 2_000, "split": "held-out", "settings": {"k": 5, "of": "<b>"}}
    score = {"name": "coverage", "value": 0.875, "error": 0.01, "better": "higher", "card": card}
    entry = {"data": "glyphs", "images": 50_000, "score": score, "floor": {"value": 0.96}, "untrained": None}
    fake_run.write_json(in_progress / "evaluation.json", [entry, {"score": 3}, {}])
    told = page_of(in_progress).text("scores")
    for words in (
        "coverage ↑",
        "0.875 ± 0.01",
        "0.96",
        "2,000 examples, lenet, k 5, held-out glyphs, after 50,000 images",
    ):
        assert words in told
    for damaged in ("{", "[1]", '{"a": 1}'):
        (in_progress / "evaluation.json").write_text(damaged)
        assert "evaluation.json is damaged and was skipped." in page_of(in_progress).text("")


def test_a_run_in_progress_says_what_is_missing_and_why(in_progress: Path) -> None:
    page = page_of(in_progress)
    assert "in training, or interrupted, after 7,040 of 50,000 images" in page.text("")
    assert "environment.json is missing." in page.text("")
    assert "critic, gradient penalty: 1 value NaN or infinite, the first after 4,480 images." in page.text("")
    assert "This model has no encoder" in page.text("reconstructions")
    assert "No walk has been drawn yet." in page.text("walk")
    assert "Terms without a finite value: zest" in page.text("curves")
    assert "--resume" in page.text("again") and "ganvas reconstruct" not in page.text("again")


def test_a_run_that_has_only_begun_has_a_page(tmp_path: Path) -> None:
    fake_run.write_json(tmp_path / "recipe.json", fake_run.recipe())
    (tmp_path / "metrics.jsonl").touch()
    page = page_of(tmp_path)
    assert page.all("svg") == [] and page.all("img") == []
    assert "No samples have been drawn yet." in page.text("samples")
    assert "No terms have been recorded yet." in page.text("curves")


@pytest.mark.parametrize("content", ["[]", "null", "{", '{"data": 3, "recipe": ["x"], "training": "many"}'])
def test_a_damaged_recipe_still_has_a_page(in_progress: Path, content: str) -> None:
    (in_progress / "recipe.json").write_text(content)
    assert "unknown recipe on unknown data" in page_of(in_progress).text("")


def test_nothing_in_a_strangers_run_becomes_markup(tmp_path: Path) -> None:
    evil = "'\"><script>alert(1)</script><img src=x onerror=alert(1)>"
    names = ("recipe", "summary", "paper", "file", "command", "ganvas")
    data = {"source": evil, "options": {evil: evil}, "info": {"shape": [evil], "classes": [evil]}}
    entry = fake_run.recipe(
        **dict.fromkeys(names, evil), data=data, arguments={evil: [evil]}, training={evil: {evil: evil}}
    )
    fake_run.write_json(tmp_path / "recipe.json", entry)
    fake_run.write_json(tmp_path / "environment.json", {evil: evil})
    fake_run.write_json(tmp_path / "networks.json", {evil: {"parameters": 3}})
    lines = [
        {"images": 64, "players": {evil: {evil: 1.0}}, "split": evil, "gradient_norms": {evil: 1.0}},
        {"images": 128, "players": {evil: {evil: 2.0}}, "split": evil, "metrics": {evil: 1.0}},
        {"images": 128, "event": evil, "message": evil},
    ]
    (tmp_path / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    page = page_of(tmp_path)
    assert len(page.all("script")) == 1 and page.all("img") == []
    assert not any(name.startswith("on") for _, attributes in page.elements for name in attributes)
    assert evil in page.text("")


def test_a_page_is_replaced_whole(finished: Path) -> None:
    first = write_report(finished)
    assert first == finished / "report.html"
    text = first.read_text("utf-8")
    assert write_report(finished).read_text("utf-8") == text
    assert [file.name for file in finished.glob("*.html")] == ["report.html"]
    assert list(finished.glob(".report*")) == []


def test_a_recorded_command_cannot_smuggle_another_in() -> None:
    line = train_again(Recipe(command="ganvas train vae --data glyphs; rm -rf ~ $(id) `id`")).line
    assert line == "ganvas train vae --data 'glyphs;' rm -rf '~' '$(id)' '`id`'"
    assert train_again(Recipe(name="vae", source="glyphs", command="rm -rf ~")).line == "ganvas train vae --data glyphs"
    assert (
        train_again(Recipe(name="a b;c", source="'", command="ganvas 'train")).line
        == "ganvas train 'a b;c' --data ''\"'\"''"
    )


def test_without_a_recorded_command_the_settings_make_one() -> None:
    recipe = Recipe(
        name="vae",
        source="npz:my data.npz",
        data_options={"size": 32, "channels": None},
        training={"images": 1000, "batch_size": 10},
        arguments={"beta": 0.5, "free_bits": False, "widths": [64, 32], "deep": True},
    )
    assert shlex.split(train_again(recipe).line) == [
        "ganvas", "train", "vae", "--data", "npz:my data.npz", "--size", "32", "--images", "1000", "--batch-size", "10",
        "--beta", "0.5", "--no-free-bits", "--widths", "64", "32", "--deep",
    ]  # fmt: skip


def test_commands_name_the_run_as_seen_from_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "runs/a b").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    lines = [command.line for command in go_on(Recipe(file="my.py"), tmp_path / "runs/a b", False, False)]
    assert lines[0] == "ganvas train my.py --resume 'runs/a b'"
    assert lines[1] == "ganvas sample 'runs/a b' --num 64 --out grid.png --file my.py"

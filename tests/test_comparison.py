"""Runs side by side: one protocol, best marked, different cards kept apart, kept scores not measured again."""

import base64
import dataclasses
import json
import re
from pathlib import Path

import pytest

import ganvas
from ganvas import GanvasError, service
from ganvas.cli import main
from ganvas.metrics import evaluation
from ganvas.metrics.card import Card, Score
from ganvas.metrics.catalog import METRICS, Row
from ganvas.metrics.evaluation import Protocol
from ganvas.report.comparison import Cell, Column, Cost, Line, bars, memory
from ganvas.runs import scores
from ganvas.studies import comparison, measuring
from ganvas.studies.comparison import Contender, leaders
from ganvas.use.opening import as_trained

pytestmark = pytest.mark.trains

TINY = {"data": "digits", "images": 256, "batch_size": 32, "width": 4, "latent": 4, "quiet": True}
FAST = Protocol(("swd", "mse", "elbo"), num=100, features="random")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs")
    for recipe in ("vae", "gan", "iwae-mnist"):
        ganvas.train(recipe, out=folder / recipe, **TINY)
    return folder


def compared(folder: Path, out: Path, *names: str, protocol: Protocol = FAST) -> dict:
    page = service.compare([ganvas.open(folder / name) for name in names], out, protocol=protocol)
    assert page == out / "index.html"
    return json.loads((out / "compare.json").read_text())


def line(found: dict, name: str) -> dict:
    (only,) = [score for score in found["scores"] if score["name"] == name]
    return only


def scored(value: float, untrained: float | None, metric: str = "mse", better: str = "lower") -> Row:
    card = Card(metric, "data", "held-out", 100)
    made = [None if v is None else Score(metric, v, None, better, card) for v in (value, untrained)]
    return Row(made[0], None, made[1])


def test_a_run_that_training_made_worse_earns_no_star() -> None:
    assert comparison.not_worse_than_untrained(scored(0.5, 0.7))
    assert not comparison.not_worse_than_untrained(scored(0.9, 0.7))
    assert comparison.not_worse_than_untrained(scored(0.9, None))
    assert not comparison.not_worse_than_untrained(scored(0.2, 0.3, "ssim", "higher"))
    assert comparison.not_worse_than_untrained(scored(0.4, 0.1, "memorisation")), "below 0.5 there is no merit"
    rows = {"a": scored(0.8, 0.7), "b": scored(0.9, 0.7)}
    both = [Contender(name, None, None, {"mse": row}, {}, []) for name, row in rows.items()]
    (line,), _, _ = comparison.lines_of(both, ())
    assert line.best == ()
    both[0].rows["mse"] = scored(0.6, 0.7)
    (line,), _, _ = comparison.lines_of(both, ())
    assert line.best == (0,)


def test_a_page_and_json_with_scores_best_floor_untrained_and_cost(folder: Path, tmp_path: Path) -> None:
    found = compared(folder, tmp_path, "vae", "gan")
    swd = line(found, "swd")
    values = {name: cell["value"] for name, cell in swd["runs"].items()}
    assert swd["best"] == [min(values, key=values.__getitem__)]
    assert 0 < swd["floor"] < min(values.values())
    assert all(cell["untrained"] > swd["floor"] for cell in swd["runs"].values())
    assert swd["card"]["num_samples"] == 100
    for run in found["runs"]:
        assert run["cost"]["images"] == 256
        assert run["cost"]["seconds"] > 0
        assert run["cost"]["multiply_adds"] > 0
        assert run["cost"]["peak_memory"] > 2**20
    page = (tmp_path / "index.html").read_text()
    assert page.count("data:image/png;base64,") == 2 + 1 + 1  # samples of both, the originals, the VAE's copies
    assert page.count('class="best"') >= 2
    assert "http" not in re.sub(r"http-equiv|data:image/png;base64,[^\"]+", "", page)


def test_scores_are_those_of_evaluate(folder: Path, tmp_path: Path) -> None:
    found = compared(folder, tmp_path, "vae", "gan")
    for name in ("vae", "gan"):
        (row,) = service.evaluate(ganvas.open(folder / name), protocol=dataclasses.replace(FAST, metrics=("swd",)))
        assert line(found, "swd")["runs"][name]["value"] == row.score.value


def test_what_a_run_cannot_give_is_an_empty_cell_with_its_reason(folder: Path, tmp_path: Path) -> None:
    found = compared(folder, tmp_path, "vae", "gan")
    assert line(found, "elbo")["runs"]["gan"] == {
        "value": None, "error": None, "untrained": None, "reason": "GAN has no likelihood p(x|z)",
    }  # fmt: skip
    assert line(found, "elbo")["best"] == []
    page = (tmp_path / "index.html").read_text()
    assert 'title="GAN has no likelihood p(x|z)"' in page
    assert "The model has no encoder" in page


def test_a_metric_that_no_run_can_give_has_a_line_only_when_it_was_asked_for(folder: Path, tmp_path: Path) -> None:
    found = compared(folder, tmp_path, "vae", "gan", protocol=Protocol(("modes", "swd"), 50, "random"))
    assert {cell["reason"] for cell in line(found, "modes")["runs"].values()} == {"the data have no known modes"}
    usual = compared(folder, tmp_path, "vae", "gan", protocol=Protocol((), 150, "random"))
    assert "modes" not in {score["name"] for score in usual["scores"]}
    assert set(line(usual, "ssim")["runs"]) == {"vae", "gan"}  # it should have been had, but digits are too small
    assert "11 pixels" in line(usual, "ssim")["runs"]["vae"]["reason"]
    assert {"fid", "kid", "precision", "mse", "knn", "elbo"} <= {score["name"] for score in usual["scores"]}


def test_different_cards_never_share_a_line(folder: Path, tmp_path: Path) -> None:
    found = compared(folder, tmp_path, "vae", "iwae-mnist")
    grey, binary = [score for score in found["scores"] if score["name"] == "elbo"]
    assert grey["card"]["data"] != binary["card"]["data"]
    assert grey["runs"]["iwae-mnist"]["value"] is None
    assert binary["runs"]["vae"]["value"] is None
    assert "the evaluation data differs" in binary["runs"]["vae"]["reason"]
    assert grey["best"] == binary["best"] == []
    assert any("elbo is not compared" in note and "evaluation data differs" in note for note in found["notes"])
    assert "Trained and scored on black and white pixels: iwae-mnist." in found["notes"]
    assert len([score for score in found["scores"] if score["name"] == "mse"]) == 1
    assert "elbo is not compared in one line" in (tmp_path / "index.html").read_text()


@pytest.mark.slow
def test_nats_of_different_likelihoods_never_share_a_line(folder: Path, tmp_path: Path) -> None:
    for likelihood in ("bernoulli", "logistic"):
        ganvas.train("vae", out=tmp_path / likelihood, likelihood=likelihood, **TINY)
    asked = dataclasses.replace(FAST, metrics=("elbo", "bpd"))
    found = compared(tmp_path, tmp_path / "out", "bernoulli", "logistic", protocol=asked)
    kinds = [score["card"]["settings"]["likelihood"] for score in found["scores"] if score["name"] == "elbo"]
    assert kinds == ["cross-entropy of grey pixels", "probability of pixels"]
    assert not any(score["best"] for score in found["scores"])
    assert any("elbo is not compared" in note and "the setting likelihood differs" in note for note in found["notes"])
    assert "bernoulli: p(x|z) is a cross-entropy of grey pixels, not a probability" in found["notes"]
    assert "no bits" in line(found, "bpd")["runs"]["bernoulli"]["reason"]
    run, kept = ganvas.open(tmp_path / "logistic"), scores.kept(tmp_path / "logistic")
    seen = measuring.evaluation_of(run, as_trained(run, "digits"), asked)
    assert measuring.recall(run, seen, "elbo")
    for entry in kept:  # as they were before cards named the kind
        del entry["score"]["card"]["settings"]["likelihood"]
    (run.path / "evaluation.json").write_text(json.dumps(kept))
    assert not measuring.recall(run, seen, "elbo")
    service.evaluate(run, protocol=asked)
    assert len(scores.kept(run.path)) == len(kept), "the old cards' places are taken"


def test_samples_beside_their_nearest_training_examples(folder: Path, tmp_path: Path) -> None:
    asked = Protocol(("memorisation",), 60, "random")
    compared(folder, tmp_path / "with", "vae", "gan", protocol=asked)
    page = (tmp_path / "with" / "index.html").read_text()
    assert page.count("above their nearest training examples") == 2
    drawn = (folder / "gan" / "neighbours.png").read_bytes()
    assert base64.b64encode(drawn).decode() in page
    (folder / "gan" / "neighbours.png").unlink()
    compared(folder, tmp_path / "again", "vae", "gan", protocol=asked)  # the score is known, the picture is not
    assert (tmp_path / "again" / "index.html").read_text().count("above their nearest training examples") == 2
    assert (folder / "gan" / "neighbours.png").read_bytes() == drawn
    compared(folder, tmp_path / "without", "vae", "gan")
    assert "nearest training examples" not in (tmp_path / "without" / "index.html").read_text()


def test_equal_scores_are_not_measured_again_and_others_are(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = compared(folder, tmp_path / "a", "vae", "gan")
    measured: list[str] = []
    rows = evaluation.Evaluation.rows

    def noted(self: evaluation.Evaluation, name: str) -> list[Row]:
        measured.append(name)
        return rows(self, name)

    monkeypatch.setattr(evaluation.Evaluation, "rows", noted)
    assert compared(folder, tmp_path / "b", "vae", "gan")["scores"] == first["scores"]
    assert measured == []
    for other in (
        dataclasses.replace(FAST, num=90), dataclasses.replace(FAST, seed=3), dataclasses.replace(FAST, importance_samples=7)
    ):  # fmt: skip
        compared(folder, tmp_path / "c", "vae", "gan", protocol=other)
        assert measured == ["swd", "mse", "elbo", "swd"]
        measured.clear()


def test_kept_scores_of_other_weights_or_versions_are_not_reused(folder: Path) -> None:
    run = ganvas.open(folder / "vae")
    service.evaluate(run, protocol=FAST)
    before = measuring.evaluation_of(run, as_trained(run, "digits"), FAST)
    assert [row.score.name for row in measuring.recall(run, before, "swd")] == ["swd"]
    entries = scores.kept(run.path)
    for entry in entries:
        entry["score"]["card"]["versions"]["torch"] = "0.1"
    (run.path / "evaluation.json").write_text(json.dumps(entries))
    assert measuring.recall(run, before, "swd") == []
    service.evaluate(run, protocol=FAST)
    run.model.clock.images += 1
    assert measuring.recall(run, before, "swd") == []
    run.model.clock.images -= 1
    assert measuring.recall(run, before, "swd") != []


def test_runs_that_cannot_stand_side_by_side_are_refused(folder: Path, tmp_path: Path) -> None:
    vae, gan = ganvas.open(folder / "vae"), ganvas.open(folder / "gan")
    ring = ganvas.train("gan", out=tmp_path / "ring", **{**TINY, "data": "ring8"})
    with pytest.raises(GanvasError, match="trained on different data: digits, ring8"):
        service.compare([vae, ring], tmp_path / "out", protocol=FAST)
    with pytest.raises(GanvasError, match="shape of their examples differs"):
        service.compare([vae, ring], tmp_path / "out", data="digits", protocol=FAST)
    with pytest.raises(GanvasError, match="named twice"):
        service.compare([vae, ganvas.open(folder / "vae")], tmp_path / "out", protocol=FAST)
    with pytest.raises(GanvasError, match="at least two runs"):
        service.compare([vae], tmp_path / "out", protocol=FAST)
    with pytest.raises(GanvasError, match="no metric 'fidd'"):
        service.compare([vae, gan], tmp_path / "out", protocol=Protocol(("fidd",)))
    assert not (tmp_path / "out").exists()


def test_points(tmp_path: Path) -> None:
    for seed in (0, 1):
        ganvas.train("gan", out=tmp_path / "runs" / str(seed), seed=seed, **{**TINY, "data": "ring8"})
    found = compared(tmp_path / "runs", tmp_path, "0", "1", protocol=Protocol(num=500))
    assert line(found, "modes")["floor"] == 8
    assert 'id="reconstructions"' not in (tmp_path / "index.html").read_text()


def test_from_the_command_line(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main([
        "compare", str(folder / "vae"), str(folder / "gan"), "--out", str(tmp_path / "c"), "--metrics", "swd, mse",
        "--num", "60", "--data", "digits", "--features", "random",
    ])  # fmt: skip
    assert capsys.readouterr().out.strip() == str(tmp_path / "c" / "index.html")
    found = json.loads((tmp_path / "c" / "compare.json").read_text())
    assert found["protocol"]["metrics"] == ["swd", "mse"]
    with pytest.raises(SystemExit) as stopped:
        main(["compare", str(folder / "vae"), "--out", str(tmp_path / "d")])
    assert stopped.value.code == 2


def test_names_tell_runs_apart(folder: Path, tmp_path: Path) -> None:
    for seed in ("a", "b"):
        (tmp_path / seed).mkdir()
        (tmp_path / seed / "vae").symlink_to(folder / ("vae" if seed == "a" else "gan"))
    other = ganvas.train("vae", out=tmp_path / "more" / "vae", **TINY)
    page = service.compare([ganvas.open(folder / "vae"), other], tmp_path / "c", protocol=FAST)
    names = [run["name"] for run in json.loads(page.with_name("compare.json").read_text())["runs"]]
    assert names == [f"{folder.name}/vae", "more/vae"]


@pytest.mark.parametrize(
    ("values", "better", "best"),
    [
        ([3.0, 1.0, 2.0], "lower", (1,)),
        ([3.0, 1.0, 2.0], "higher", (0,)),
        ([None, 1.0], "lower", ()),
        ([1.0, 1.0], "lower", ()),
        ([1.0, None, 1.0, 2.0], "lower", (0, 2)),
        ([float("inf"), 20.0], "higher", (0,)),
    ],
)
def test_leaders(values: list[float | None], better: str, best: tuple[int, ...]) -> None:
    assert leaders(values, better) == best


def test_a_run_is_ahead_only_where_that_is_a_merit() -> None:
    def ranked(metric: str, name: str, *values: float) -> list[float | None]:
        card = Card(metric, "d", "held-out", 10)
        return [METRICS[metric].merit(Score(name, value, None, METRICS[metric].better, card)) for value in values]

    assert ranked("memorisation", "memorisation", 0.005, 0.5, 0.7) == [
        0.5,
        0.5,
        0.7,
    ]  # 0.005 has copied no less than 0.5
    assert ranked("sharpness", "sharpness", 0.8, 1.7) == [0.8, 1.0]
    assert ranked("elbo", "elbo", -90.0) == [-90.0]
    assert (
        ranked("elbo", "rate", 0.2) == ranked("dimension-rates", "rate-3", 0.2) == [None]
    )  # a collapsed code is not best


def test_bars_begin_at_zero_and_share_a_scale() -> None:
    cost = Cost(1, 1.0, 1, None, None, "")
    columns = tuple(Column(name, name, "vae", "", "digits", cost, b"", "") for name in "abc")
    drawn = bars(Line("elbo", "higher", "", (Cell(-50.0, 10.0), Cell(), Cell(-100.0, None)), None, (0,)), columns)
    assert [(bar.name, bar.start, bar.width) for bar in drawn.bars] == [("a", 50.0, 50.0), ("c", 0.0, 100.0)]
    assert drawn.bars[0].whisker == (40.0, 60.0)
    assert drawn.floor is None
    to_zero = bars(Line("x", "higher", "", (Cell(-50.0), Cell(), Cell(50.0)), 25.0, (2,)), columns)
    assert [(bar.start, bar.width) for bar in to_zero.bars] == [(0.0, 50.0), (50.0, 50.0)]
    assert to_zero.floor == 75.0


def test_memory_in_words() -> None:
    assert memory(512 * 2**20) == "512 MiB"
    assert memory(3 * 2**29) == "1.5 GiB"


def test_a_strangers_names_cannot_bring_code_into_the_page() -> None:
    from ganvas.report import render_comparison
    from ganvas.report.comparison import Comparison

    cost = Cost(1, 1.0, 1, None, None, "<b>cpu</b>")
    column = Column("<script>alert(1)</script>", "p", "<i>", "", "digits", cost, b"", "")
    page = render_comparison(Comparison("<img>", (column,), (), ("<u>",), None))
    for smuggled in ("<script>", "<i>", "<img>", "<u>", "<b>cpu"):
        assert smuggled not in page


def test_a_row_survives_json() -> None:
    card = Card("fid", "d" * 64, "held-out", 10)
    row = Row(Score("fid", 3.5, None, "lower", card), None, Score("fid", float("inf"), None, "lower", card))
    assert scores.from_json(json.loads(json.dumps(scores.to_json(row)))) == row

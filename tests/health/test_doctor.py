"""`ganvas doctor`: the diagnosis of a run's files on the screen, as JSON and on the run's page; and what is no run."""

import json
import warnings
from pathlib import Path
from typing import Any

import histories
import pytest

import ganvas
from ganvas import service
from ganvas.cli import main
from ganvas.cli.show import sparkline
from ganvas.machine import storage
from ganvas.report import write_report

pytestmark = pytest.mark.trains


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("doctor") / "run"
    ganvas.train("gan", data="ring8", out=run, images=64, batch_size=32, width=8, latent=2, r1=0.0, quiet=True)
    return run


@pytest.fixture
def run(trained: Path, tmp_path: Path) -> Path:
    """A run's folder, whose metrics a test writes."""
    (tmp_path / "recipe.json").write_text((trained / "recipe.json").read_text())
    return tmp_path


def write(run: Path, lines: list[dict[str, Any]], end: str = "") -> None:
    (run / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines) + end)


def sick() -> list[dict[str, Any]]:
    return histories.gan(num=40, critic_auc=1.0, spread=0.9, distance=lambda t: 0.9)


def healed() -> list[dict[str, Any]]:
    return histories.gan(num=40, critic_auc=1.0, spread=0.9, distance=lambda t: 0.9 if t < 0.5 else 0.01)


def said(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    main(["doctor", *arguments])
    return " ".join(capsys.readouterr().out.split())


def test_what_ails_a_run_is_said_with_its_curves_and_what_to_try(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(run, sick())
    shown = said(capsys, str(run))
    assert "critic overpowering since" in shown
    assert "The critic ranks all pairs of a real and a generated example correctly" in shown
    assert "Try a stronger gradient penalty: --r1 1 (now 0)" in shown
    assert "critic auc ████" in shown and "1 → 1, from 1 to 1" in shown
    assert "Training: checked, and no sign of" in shown and "Healthy" not in shown
    assert "codebook collapse the model has no codebook" in shown
    assert "not in training: 100,000 images, 41 examinations" in shown


def test_what_was_checked_is_said_and_that_it_is_not_quality(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(run, histories.gan())
    shown = said(capsys, str(run))
    assert "Training: checked, and no sign of divergence all numbers are finite" in shown
    assert "do not judge how good the pictures are" in shown
    assert "healthy" not in shown.lower()


def test_the_same_as_json(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(run, healed())
    main(["doctor", str(run), "--json"])
    facts = json.loads(capsys.readouterr().out)
    assert facts["recipe"] == "gan" and facts["diagnosis"]["findings"] == []
    (past,) = facts["diagnosis"]["healed"]
    assert past["finding"]["illness"] == "critic overpowering" and past["images"] > 50_000
    assert facts["diagnosis"]["curves"]["distance"][-1] == [100_000, 0.01]


def test_the_page_shows_what_ails_a_run_and_what_did(run: Path) -> None:
    write(run, sick())
    page = write_report(run).read_text()
    assert 'aria-label="critic auc over images seen' in page and ">since<" in page
    assert "ranks all pairs of a real and a generated example correctly" in page
    assert "Training: checked, and no sign of" in page and "the model has no codebook" in page
    write(run, healed())
    page = write_report(run).read_text()
    assert (
        "Training: checked, and no sign of" in page
        and "do not judge how good the pictures are" in page
        and "Healthy" not in page
        and ">healed<" in page
    )


def test_a_run_in_training_is_judged_by_its_whole_lines(run: Path) -> None:
    write(run, sick(), end='{"images": 100000, "sig')
    with storage.held(run), warnings.catch_warnings():
        warnings.simplefilter("error")
        checkup = service.doctor(run)
    assert checkup.running
    assert [finding.illness for finding in checkup.diagnosis.findings] == ["critic overpowering"]


def test_damaged_lines_are_passed_over_and_said(run: Path) -> None:
    write(run, sick(), end='{"images": 5, "sig\n[[[[\n')
    with pytest.warns(UserWarning, match=r"2 damaged lines of metrics.jsonl skipped"):
        checkup = service.doctor(run)
    assert [finding.illness for finding in checkup.diagnosis.findings] == ["critic overpowering"]


def test_what_cannot_be_judged_is_refused_in_one_line(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(run, [])
    for path, words in ((run, "has no metrics yet"), (run / "none", "There is no run")):
        with pytest.raises(SystemExit) as stopped:
            main(["doctor", str(path)])
        assert stopped.value.code == 2
        assert words in capsys.readouterr().err.splitlines()[0]


def test_curves_of_one_line() -> None:
    rising = [(n, float(n)) for n in range(8)]
    assert sparkline(rising, 8) == "▁▂▃▄▅▆▇█"
    assert sparkline([(n, 10.0**n) for n in range(8)], 8) == "▁▂▃▄▅▆▇█"
    assert sparkline([(n, 5.0) for n in range(4)]) == "████"
    assert sparkline([(0, 0.0)]) == "▁"
    assert len(sparkline([(n, float(n % 3)) for n in range(1_000)], 32)) == 32

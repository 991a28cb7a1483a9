"""Options of sampling: a model's own, as flags and in Python, in scores and in exports."""

from pathlib import Path

import numpy as np
import pytest
import torch

import ganvas
from ganvas import GanvasError, service
from ganvas.cli import main
from ganvas.core.model import FromCodes, Model
from ganvas.metrics.evaluation import Protocol
from ganvas.probability.priors import Mixture, Normal
from ganvas.training.recipe import typed_options
from ganvas.use.sampling import choose, sampling_options

pytestmark = pytest.mark.trains  # the run that they share


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("sampling") / "flow"
    ganvas.train("flow", data="ring8", out=path, width=8, images=64, batch_size=32, quiet=True)
    return path


def test_a_models_options_are_those_of_its_sampling(run: Path) -> None:
    known = sampling_options(ganvas.open(run).model)
    assert {name: o.default for name, o in known.items()} == {
        "truncation": 1.0, "steps": 20, "guidance": None, "solver": "heun",
    }  # fmt: skip
    assert not typed_options(Model.sampling, "sampling"), "a model without options has none"


def test_options_hold_for_one_call_or_from_now_on(run: Path) -> None:
    opened = ganvas.open(run)
    usual, few = opened.sample(8), opened.sample(8, steps=1, solver="euler")
    assert not torch.equal(usual, few)
    assert torch.equal(opened.sample(8), usual), "an option of one call holds for that call"
    opened.sampling(steps=1, solver="euler")
    assert torch.equal(opened.sample(8), few)
    assert not torch.equal(opened.sample(8, truncation=0.5), few), "and further options are added"
    opened.sampling()
    assert torch.equal(opened.sample(8), usual)


def test_flags_of_a_command_are_those_of_the_run(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "x.npz"
    main(["sample", str(run), "--num", "8", "--steps", "1", "--solver", "euler", "--out", str(out)])
    few = ganvas.open(run).sample(8, steps=1, solver="euler")
    np.testing.assert_array_equal(np.load(out)["points"], few.numpy())
    with pytest.raises(SystemExit):
        main(["sample", str(run), "--help"])
    assert "--steps" in (said := capsys.readouterr().out) and "default: 20" in said
    for flags in (["--step", "3"], ["--solver", "hun"], ["--steps", "0"], ["--truncation", "2"]):
        with pytest.raises(SystemExit) as stopped:
            main(["sample", str(run), *flags, "--out", str(out)])
        assert stopped.value.code == 2 and "Traceback" not in capsys.readouterr().err


def test_options_that_a_model_lacks_or_cannot_take_are_refused(run: Path) -> None:
    opened = ganvas.open(run)
    with pytest.raises(GanvasError, match="no option 'stepps'") as caught:
        opened.sample(1, stepps=3)
    assert "steps" in caught.value.hint
    with pytest.raises(GanvasError, match="steps"):
        opened.sample(1, steps=2.5)
    with pytest.raises(GanvasError, match="several components"):
        model = opened.model
        assert isinstance(model, FromCodes)
        model.prior = Mixture(2, 3)
        choose(model, {"truncation": 0.5})


def test_a_score_says_how_samples_were_drawn(run: Path) -> None:
    opened, protocol = ganvas.open(run), Protocol(("modes",), num=64)
    usual = service.evaluate(opened, protocol=protocol)
    opened.sampling(steps=1)
    (few, *_) = service.evaluate(opened, protocol=protocol)
    assert few.score.card.settings["steps"] == 1
    assert all("steps" not in row.score.card.settings for row in usual)


def test_an_export_draws_as_it_was_told(run: Path, tmp_path: Path) -> None:
    opened = ganvas.open(run)
    opened.sampling(truncation=0.5, steps=1)
    service.export(opened, "torch", tmp_path / "programs")
    program = torch.export.load(tmp_path / "programs" / "generator.pt2").module()
    z, y = Normal(2)().sample((8,)), torch.arange(8)
    # Another compilation of the same arithmetic may round otherwise.
    torch.testing.assert_close(program(z, y), opened.generate(0.5 * z, y), rtol=1e-4, atol=1e-5)
    graph = str(program.graph)
    opened.sampling()
    service.export(opened, "torch", tmp_path / "usual")
    usual = torch.export.load(tmp_path / "usual" / "generator.pt2").module()
    assert str(usual.graph).count("\n") > 5 * graph.count("\n"), "20 steps are more operations than one"


def test_a_run_knows_what_its_model_can_do(run: Path) -> None:
    assert ganvas.open(run).settings.abilities == ("samples",)

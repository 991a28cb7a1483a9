"""`benchmarks/reproduce.py`: what it runs, what it keeps, and the page that it writes."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import reproduce
import torch
from closed_forms import Point, dirac_gan, eigenvalues, trajectory
from protocols import EXPERIMENTS, Experiment, Training
from reproduce import Measured, Result

import ganvas
from ganvas import service
from ganvas.cli import main
from ganvas.data import ImageOptions, open_data
from ganvas.errors import GanvasError
from ganvas.losses.adversarial import NonSaturating
from ganvas.metrics.evaluation import Protocol
from ganvas.metrics.features import lenet
from ganvas.recipes import RECIPES
from ganvas.studies import measuring
from ganvas.training.recipe import build, resolved
from ganvas.use.opening import as_trained


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(reproduce, "EVIDENCE", tmp_path / "results")
    monkeypatch.setattr(reproduce, "RUNS", tmp_path / "runs")
    return tmp_path


@pytest.fixture
def digits(tmp_path: Path) -> Path:
    """A folder as MNIST's: each digit d is a grey of 25 d with a little noise, 200 to train on and 50 held out."""
    folder = tmp_path / "mnist"
    folder.mkdir()
    generator = np.random.default_rng(0)
    for name, num in (("train", 200), ("t10k", 50)):
        labels = (np.arange(num) % 10).astype(np.uint8)
        images = (25 * labels[:, None, None] + generator.integers(0, 8, (num, 28, 28))).astype(np.uint8)
        for what, array in (("images-idx3", images), ("labels-idx1", labels)):
            header = bytes([0, 0, 8, array.ndim]) + np.array(array.shape, dtype=">u4").tobytes()
            (folder / f"{name}-{what}-ubyte").write_bytes(header + array.tobytes())
    return folder


def test_the_page_in_the_repository_is_the_page_of_its_results() -> None:
    """So no number on it was typed by hand."""
    assert (reproduce.ROOT / "docs" / "evidence.md").read_text() == reproduce.page()


def test_every_recipe_and_score_of_a_protocol_exists() -> None:
    for experiment in EXPERIMENTS.values():
        if isinstance(experiment.how, Training):
            assert set(experiment.how.options) <= set(resolved(RECIPES[experiment.how.recipe], {}))
            assert 0 < experiment.how.budget <= experiment.how.images
            assert (experiment.how.recipe in ("pacgan-ring",)) <= (len(experiment.seeds) >= 3)


def tiny(experiment: Experiment, seeds: tuple[int, ...] = (0,)) -> Experiment:
    """The same of 400 images and 200 samples."""
    how = experiment.how
    assert isinstance(how, Training)
    few = tuple(Protocol(p.metrics, 200, "random", None, 8) for p in how.protocols)
    return replace(experiment, how=replace(how, afforded=400, protocols=few), seeds=seeds)


@pytest.mark.trains
def test_a_result_is_kept_as_it_comes_and_not_made_again(places: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ring = EXPERIMENTS["ring-gan"]
    reproduce.run(tiny(ring))
    (first,) = reproduce.results(ring)
    assert {"modes", "high-quality", "reverse-kl"} == {score.name for score in first.scores}
    modes = next(score for score in first.scores if score.name == "modes")
    assert modes.floor == 8 and modes.untrained is not None and modes.card["num_samples"] == 200

    reproduce.run(tiny(ring, seeds=(0, 1)))
    assert [result.seed for result in reproduce.results(ring)] == [0, 1]
    monkeypatch.setattr(ganvas, "train", None)
    reproduce.run(tiny(ring, seeds=(0, 1)))  # nothing is left to do


@pytest.mark.trains
def test_a_run_that_was_interrupted_goes_on(places: Path) -> None:
    ring = EXPERIMENTS["ring-gan"]
    out = places / "runs" / "ring-gan-0"
    ganvas.train("pacgan-ring", data="ring8", out=out, images=200, batch_size=50, pack=1, quiet=True)
    reproduce.run(tiny(ring))
    (result,) = reproduce.results(ring)
    assert result.images == 400
    assert ganvas.open(out).settings.training.batch_size == 50, "begun anew it would have 100"


def test_rows_say_what_is_short(places: Path) -> None:
    ring = EXPERIMENTS["ring-gan"]
    for seed, modes in enumerate((5.0, 4.0, 6.0)):
        scores = (Measured("other", 1.0), Measured("modes", modes, None, "higher", 8.0, 1.0))
        reproduce.keep(ring, Result(seed, 400_000, 120.0, scores))
    reproduce.keep(ring, Result(0, 800_000, 240.0, (Measured("modes", 7.0, None, "higher"),)))
    found = reproduce.shown(ring)
    assert [result.images for result in found] == [400_000] * 3, "the budget that most seeds have"
    first, second = (line.split(" | ") for line in reproduce.rows(ring, found))
    assert first[1:4] == ["modes ↑", "6.3 ± 0.5", "5.00 ± 0.58"] and first[4:7] == ["8", "1", "3"]
    assert first[7] == "400,000 / 40,000,000 images: **1/100 of the protocol**"
    assert first[-1] == "`ring-gan --images 400000` |"
    assert second[1:4] == ["other", "", "1 ± 0"]
    assert not reproduce.falls_short(found[0].scores[1:], "5.0")
    assert reproduce.falls_short(found[0].scores[1:], "6.3 ± 0.5")
    assert reproduce.falls_short([Measured("nll", 93.0, 0.1, "lower")], "92.67")
    assert not reproduce.falls_short([Measured("nll", 92.8, 0.1, "lower")], "92.67")


def test_eigenvalues_of_a_known_spiral() -> None:
    dynamics = torch.tensor([[-0.3, -2.0], [2.0, -0.3]]).double()
    path = np.stack(
        [(torch.matrix_exp(0.01 * t * dynamics) @ torch.tensor([0.0, 1.0]).double()).numpy() for t in range(9)]
    )
    np.testing.assert_allclose(eigenvalues(path, 0.01), [-0.3 - 2j, -0.3 + 2j])
    assert isinstance(dirac_gan(NonSaturating(), 0.5).generator, Point)
    assert trajectory(dirac_gan(NonSaturating(), 0.5), 3, 0.1).shape == (3, 2)


def test_stacked_digits(digits: Path) -> None:
    data = open_data(f"stacked:{digits}")
    assert data.train.x.shape == (200, 3, 28, 28) and data.held_out.x.shape == (50, 3, 28, 28)
    greys = data.train.x.float().mean((2, 3)).div(25).floor()
    for channel in greys.unbind(1):  # each digit once in each channel, in another order
        assert torch.equal(channel.long().bincount(), torch.full((10,), 20))
    assert len(greys.unique(dim=0)) > 100
    assert torch.equal(data.train.x, open_data(f"stacked:{digits}").train.x)
    assert torch.equal(open_data(f"stacked:{digits}", limit=7).train.x, data.train.x[:7])
    small = open_data(f"stacked:{digits}", ImageOptions(size=16))
    assert (
        small.info.shape == (3, 16, 16) and small.channels is not None and small.channels[0].x.shape[1:] == (1, 16, 16)
    )
    with pytest.raises(GanvasError, match="3 channels, not 1"):
        open_data(f"stacked:{digits}", ImageOptions(channels=1))
    with pytest.raises(GanvasError, match="no folder"):
        open_data("stacked:nowhere")


@pytest.mark.slow
def test_modes_of_stacked_digits_from_the_command_line(
    digits: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(lenet, "IMAGES_SEEN", 6_000)
    run, source = str(tmp_path / "run"), f"stacked:{digits}"
    arguments = ["--data", source, "--out", run, "--images", "512", "--batch-size", "64", "--pack", "2", "--quiet"]
    main(["train", "pacgan-stacked", *arguments])
    main(["evaluate", run, "--metrics", "modes", "--num", "200", "--json"])
    rows = {row["score"]["name"]: row for row in json.loads(capsys.readouterr().out)}
    modes = rows["modes"]
    assert modes["score"]["card"]["settings"] == {"modes": 1000} and modes["score"]["card"]["features"] == "lenet"
    real = open_data(source).train.x.float().mean((2, 3)).div(25).floor().unique(dim=0)
    assert modes["floor"]["value"] == len(real), "of all 200 triples, the classifier names every one"
    assert modes["score"]["value"] < modes["floor"]["value"]
    assert rows["reverse-kl"]["score"]["value"] > rows["reverse-kl"]["floor"]["value"]


def test_the_networks_of_stacked_digits_are_the_published_ones_without_cancelled_biases() -> None:
    info = open_data("ring8", limit=2).info
    images = replace(info, shape=(3, 28, 28))
    made = build(RECIPES["pacgan-stacked"], images, {"pack": 2})
    # 2 a channel: batch normalisation's scale and shift. It cancels the convolution's bias, which the published ones have.
    generator = 257 * 1024 + 2 * 64 + 9 * (64 * 32 + 32 * 16 + 16 * 8) + 2 * (32 + 16 + 8) + 9 * 8 * 3 + 3
    critic = 9 * (6 * 2 + 2 * 4 + 4 * 8) + 2 * (2 + 4 + 8) + 16 * 8 + 1
    assert sum(p.numel() for p in made.model.generator.parameters()) == generator
    assert sum(p.numel() for p in made.model.critic.parameters()) == critic
    assert made.batch_size == 256 and made.images == 500_000 * 256
    with pytest.raises(GanvasError, match="images"):
        build(RECIPES["pacgan-stacked"], info, {})


def test_a_recalled_score_of_modes_is_not_measured_again(digits: Path, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(lenet, "IMAGES_SEEN", 500)
    run = ganvas.train(
        "pacgan-stacked", data=f"stacked:{digits}", out=tmp_path / "run", images=128, batch_size=64, quiet=True
    )
    protocol = Protocol(("modes",), 50)
    kept = service.evaluate(run, protocol=protocol)
    found = measuring.evaluation_of(run, as_trained(run, run.settings.source), protocol)
    assert [row.score.value for row in measuring.recall(run, found, "modes")] == [row.score.value for row in kept]

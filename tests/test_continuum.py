"""The sweep from VAE to GAN: its model, its recipe, how it goes on, what it refuses, its page."""

import json
import math
import shutil
from pathlib import Path

import pytest
import torch
from torch.distributions import kl_divergence

from ganvas import GanvasError, service
from ganvas.cli import main
from ganvas.core.batch import Batch
from ganvas.data import DataInfo
from ganvas.machine import rng
from ganvas.recipes import RECIPES
from ganvas.report.continuum import Point, Spot, beside, box, by_weight, overlap, trade
from ganvas.studies import continuum as continuum_module
from ganvas.studies.continuum import continuum
from ganvas.training.gradients import gradient
from ganvas.training.recipe import build
from ganvas.training.trainer import Trainer

IMAGES = DataInfo(shape=(1, 8, 8), classes=("a", "b"), num_train=64, mean=torch.zeros(1, 8, 8))
TINY = {"images": 256, "batch_size": 32, "num": 150, "features": "random", "quiet": True, "width": 8, "latent": 4}


def model_at(weight: float):
    with rng.seeded("weights"):
        return build(RECIPES["continuum"], IMAGES, {"weight": weight, "width": 8, "latent": 4}).model


def round_of(model):
    with rng.seeded("round"):
        return model(Batch(torch.rand(16, 1, 8, 8) * 2 - 1))


def decoder_gradient(weight: float, loss=None):
    model = model_at(weight)
    r = round_of(model)
    terms = model.decoder_loss(r) if loss is None else loss(model, r)
    return torch.cat([g.flatten() for g in gradient(terms, list(model.decoder.parameters()))])


def test_the_encoder_descends_the_negative_elbo_at_the_best_scale() -> None:
    model = model_at(0.3)
    r = round_of(model)
    terms = model.encoder_loss(r)
    error = (r.x - r.fake[:16]).square().mean()
    # −log N(x; x̂, σ²I) at σ² = error is D/2 (log error + 1 + log 2π): the constants are left out.
    torch.testing.assert_close(terms["distortion"], 32 * error.log(), rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(terms["rate"], kl_divergence(r.q, model.prior()).mean())


def test_weight_0_is_the_vae_and_weight_1_has_no_reconstruction_term() -> None:
    elbo = decoder_gradient(0.0, lambda model, r: model.encoder_loss(r))
    torch.testing.assert_close(decoder_gradient(0.0), elbo / 64, rtol=1e-4, atol=1e-7)
    fooling = decoder_gradient(1.0, lambda model, r: {"adversarial": model.loss.generator(r.real, r.scored_fake)})
    torch.testing.assert_close(decoder_gradient(1.0), fooling)
    assert not torch.allclose(elbo / 64, fooling)


def test_between_them_the_decoder_descends_the_mean_of_both() -> None:
    mixed = 0.75 * decoder_gradient(0.0) + 0.25 * decoder_gradient(1.0)
    torch.testing.assert_close(decoder_gradient(0.25), mixed, rtol=1e-4, atol=1e-7)


def test_the_decoder_takes_each_code_for_itself() -> None:
    """Else samples, which pass it together with reconstructions, would be felt at weight 0."""
    model = model_at(0.0).train()
    z = torch.randn(6, 4)
    torch.testing.assert_close(model.decoder(z)[:3], model.decoder(torch.cat([z[:3], 5 * z[3:]]))[:3])


def test_the_weight_moves_nobody_but_the_decoder() -> None:
    for player in ("encoder", "critic"):
        gradients = []
        for weight in (0.0, 1.0):
            model = model_at(weight)
            r = round_of(model)
            loss = model.encoder_loss if player == "encoder" else model.discriminator_loss
            gradients.append(gradient(loss(r), list(getattr(model, player).parameters())))
        for a, b in zip(*gradients, strict=True):
            assert torch.equal(a, b)


@pytest.mark.parametrize("weight", [-0.1, 1.1, float("nan")])
def test_a_weight_outside_0_to_1_is_no_recipe(weight: float) -> None:
    with pytest.raises(GanvasError, match="finite" if math.isnan(weight) else "from 0"):
        build(RECIPES["continuum"], IMAGES, {"weight": weight})


@pytest.fixture(scope="module")
def swept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("continuum") / "sweep"
    continuum("digits", out, weights=[1, 0], seeds=2, **TINY)
    return out


@pytest.fixture
def copied(swept: Path, tmp_path: Path) -> Path:
    shutil.copytree(swept, tmp_path / "sweep")
    return tmp_path / "sweep"


@pytest.mark.trains
def test_a_sweep_writes_a_page_numbers_and_ordinary_runs(swept: Path) -> None:
    found = json.loads((swept / "continuum.json").read_text())
    assert [(p["weight"], p["seed"]) for p in found["points"]] == [(0, 0), (0, 1), (1, 0), (1, 1)]
    for point in found["points"]:
        run = service.open_run(swept / point["run"])
        assert run.images_seen == 256
        assert run.settings.arguments["weight"] == point["weight"]
        assert run.settings.training.seed == point["seed"]
        assert {"mse", "fid", "kid", "precision", "recall", "density", "coverage"} == set(point["scores"])
        kept = json.loads((swept / point["run"] / "evaluation.json").read_text())
        assert point["scores"] == {k["score"]["name"]: k["score"]["value"] for k in kept}
    assert found["floor"]["fid"] >= 0 and "mse" not in found["floor"]
    page = (swept / "index.html").read_text()
    assert "0 (VAE)" in page and "1 (GAN)" in page
    assert page.count("<details>") == 2
    assert "http" not in page.replace("http-equiv", "")  # it opens without a network


@pytest.mark.trains
def test_both_ends_of_a_seed_begin_from_the_same_networks(swept: Path) -> None:
    ends = [service.open_run(swept / "runs" / f"weight-{w}-seed-0").build().model.state_dict() for w in (0, 1)]
    assert all(torch.equal(a, b) for a, b in zip(ends[0].values(), ends[1].values(), strict=True))


@pytest.mark.trains
def test_what_is_finished_is_not_trained_again_and_weights_may_be_added(
    copied: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = json.loads((copied / "continuum.json").read_text())["points"]
    made: list[tuple[float, int]] = []
    train = continuum_module.train

    def watched(*arguments, **options):
        made.append((options["weight"], options["seed"]))
        return train(*arguments, **options)

    monkeypatch.setattr(continuum_module, "train", watched)
    continuum("digits", copied, weights=[0, 1], seeds=2, **TINY)
    assert made == []
    continuum("digits", copied, weights=[0, 0.5], seeds=1, **TINY)
    assert made == [(0.5, 0)]
    after = json.loads((copied / "continuum.json").read_text())["points"]
    assert [p for p in after if p["weight"] != 0.5] == before


@pytest.mark.trains
def test_a_point_whose_files_are_gone_is_made_again(copied: Path) -> None:
    before = json.loads((copied / "continuum.json").read_text())
    shutil.rmtree(copied / "runs" / "weight-1-seed-0")
    (copied / "pictures" / "samples-weight-0-seed-1.png").unlink()
    continuum("digits", copied, weights=[0, 1], seeds=2, **TINY)
    assert json.loads((copied / "continuum.json").read_text()) == before
    assert (copied / "runs" / "weight-1-seed-0" / "checkpoints").is_dir()
    assert (copied / "pictures" / "samples-weight-0-seed-1.png").is_file()


@pytest.mark.trains
def test_a_sweep_that_was_stopped_goes_on_to_the_same_numbers(
    swept: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out, step, steps = tmp_path / "sweep", Trainer.step, [0]

    def until_the_third_run(self: Trainer, batch: Batch) -> None:
        step(self, batch)
        steps[0] += 1
        if steps[0] == 20:  # eight steps a run: in the middle of the third
            self.stop()

    monkeypatch.setattr(Trainer, "step", until_the_third_run)
    page = continuum("digits", out, weights=[0, 1], seeds=2, **(TINY | {"quiet": False}))
    assert page == out / "index.html"
    assert "2 of 4 models" in page.read_text()
    assert "The same command continues" in capsys.readouterr().out
    assert len(json.loads((out / "continuum.json").read_text())["points"]) == 2
    stopped = service.open_run(out / "runs" / "weight-0-seed-1").images_seen
    assert stopped == 128
    continuum("digits", out, weights=[0, 1], seeds=2, **TINY)
    assert steps[0] == 4 * 8
    assert (out / "continuum.json").read_text() == (swept / "continuum.json").read_text()
    assert "Unfinished" not in page.read_text()


@pytest.mark.trains
def test_with_too_few_examples_for_fid_samples_are_judged_by_kid(tmp_path: Path) -> None:
    page = continuum("digits", tmp_path / "sweep", weights=[0], seeds=1, **(TINY | {"num": 60}))
    assert page is not None and "↑ samples: KID" in page.read_text()
    assert "FID" not in page.read_text()
    again = continuum("digits", tmp_path / "sweep", weights=[0, 1], seeds=1, **(TINY | {"num": 60}))
    assert again is not None and again.read_text().count("<details>") == 2


def test_stopped_before_anything_is_finished_there_is_no_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    step = Trainer.step
    monkeypatch.setattr(Trainer, "step", lambda self, batch: (step(self, batch), self.stop())[0])
    assert continuum("digits", tmp_path / "sweep", weights=[0], seeds=1, **TINY) is None
    assert not (tmp_path / "sweep" / "index.html").exists()


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--weights", "0,1.5"], "to 1 (GAN), not 1.5"),
        (["--weights=-0.1,1"], "to 1 (GAN), not -0.1"),
        (["--weights", "nan"], "to 1 (GAN), not nan"),
        (["--weights", "0,much"], "not a list of numbers"),
        (["--weights", ","], "at least one weight"),
        (["--seeds", "0"], "--seeds must be at least 1"),
        (["--images", "0"], "--images must be at least 1"),
        (["--num", "1"], "--num must be at least 10"),
        (["--width", "0"], "cannot be 0 wide"),
        (["--network", "lenet"], "cannot be 'lenet'"),
        (["--batch-size", "100000"], "larger than the data"),
        (["--data", "ring8"], "a continuum needs images"),
        (["--data", "nowhere"], "nowhere"),
    ],
)
def test_bad_input_is_refused_in_words(
    flags: list[str], words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tiny = ["--images", "64", "--num", "60", "--features", "random", "--quiet"]
    data = [] if "--data" in flags else ["--data", "digits"]
    with pytest.raises(SystemExit) as left:
        main(["continuum", *data, "--out", str(tmp_path / "sweep"), *tiny, *flags])
    said = capsys.readouterr()
    assert left.value.code == 2
    assert words in said.err and "Traceback" not in said.err
    assert not (tmp_path / "sweep" / "runs").exists()


def test_a_folder_of_other_things_is_not_touched(tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("dear")
    with pytest.raises(GanvasError, match="not a continuum"):
        continuum("digits", tmp_path, weights=[0], seeds=1, **TINY)
    with pytest.raises(GanvasError, match="not a continuum"):
        continuum("digits", tmp_path / "letter.txt", weights=[0], seeds=1, **TINY)
    assert [p.name for p in tmp_path.iterdir()] == ["letter.txt"]


@pytest.mark.trains
@pytest.mark.parametrize(
    "content", ["{", "[]", "{}", '{"plan": 3, "points": [3], "floor": {}, "features": ""}', "\xff"]
)
def test_a_damaged_record_is_named(content: str, copied: Path) -> None:
    (copied / "continuum.json").write_bytes(content.encode("latin-1"))
    with pytest.raises(GanvasError, match="is damaged"):
        continuum("digits", copied, weights=[0], seeds=1, **TINY)


@pytest.mark.trains
@pytest.mark.parametrize(("name", "value"), [("images", 512), ("num", 140), ("width", 16), ("latent", 5)])
def test_points_that_could_not_be_compared_are_refused(name: str, value: int, copied: Path) -> None:
    with pytest.raises(GanvasError, match=f"started with {name} = {TINY[name]}, not {value}"):
        continuum("digits", copied, weights=[0], seeds=1, **(TINY | {name: value}))


def test_a_plan_under_which_nothing_was_trained_binds_nobody(tmp_path: Path) -> None:
    out = tmp_path / "sweep"
    with pytest.raises(GanvasError, match="larger than the data"):
        continuum("digits", out, weights=[0], seeds=1, **(TINY | {"batch_size": 10**6}))
    assert continuum("digits", out, weights=[0], seeds=1, **TINY) == out / "index.html"


def point(weight: float, seed: int, mse: float, fid: float) -> Point:
    scores = {"mse": mse, "fid": fid, "coverage": 0.5}
    return Point(weight, seed, f"runs/{weight}-{seed}", scores, Path("a.png"), Path("b.png"))


def test_the_plane_puts_worse_reconstructions_right_and_worse_samples_up() -> None:
    points = [point(0, 0, 0.1, 30), point(0, 1, 0.2, 34), point(1, 0, 0.5, 10), point(1, 1, 0.7, 12)]
    drawn = trade(by_weight(points), "fid", {"fid": 5})
    vae, gan = drawn.means
    assert vae.x < gan.x and vae.y < gan.y  # y grows downwards
    assert vae.x == pytest.approx((drawn.seeds[0].x + drawn.seeds[1].x) / 2, abs=0.2)
    assert drawn.floor is not None and drawn.floor.at > gan.y
    assert all(
        drawn.left <= s.x <= drawn.right and drawn.top <= s.y <= drawn.bottom for s in [*drawn.seeds, *drawn.means]
    )


def test_one_point_alone_can_be_drawn() -> None:
    drawn = trade(by_weight([point(0.5, 0, 0.1, 30)]), "fid", {})
    assert drawn.means[0].x == pytest.approx((drawn.left + drawn.right) / 2, abs=0.2)


def test_labels_of_neighbours_do_not_cover_each_other() -> None:
    crowd = [Spot(100 + 9 * i, 100 + 5 * i, i / 4, "") for i in range(4)]
    boxes = [box(s.label_x, s.label_y, 7.2 * len(s.label), s.anchor) for s in beside(crowd, 600)]
    assert not any(overlap(a, b) for i, a in enumerate(boxes) for b in boxes[:i])

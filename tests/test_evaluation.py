"""`evaluate` and `metrics`, from Python and from the command line, with their mistakes."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import ganvas
from ganvas import GanvasError, service
from ganvas.cli import main
from ganvas.metrics import evaluation
from ganvas.metrics.card import Card, Score
from ganvas.metrics.catalog import METRICS, Row
from ganvas.metrics.evaluation import USUAL, Protocol
from ganvas.metrics.features import ModuleFeatures, RandomNetwork, extract, lenet
from ganvas.runs.scores import from_json, rounded, to_json
from ganvas.runs.scores import kept as kept_scores
from ganvas.studies import measuring
from ganvas.use.opening import as_trained

pytestmark = pytest.mark.trains

TINY = {"data": "digits", "images": 256, "batch_size": 32, "width": 4, "latent": 4, "quiet": True}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs")
    for recipe in ("vae", "gan", "cgan", "iwae-mnist"):
        ganvas.train(recipe, out=folder / recipe, **TINY)
    return folder


def scores(run: Path, *metrics: str, num: int = 200, **options: object) -> dict[str, Row]:
    protocol = Protocol(metrics, num, **{"features": "random", **options})
    return {row.score.name: row for row in service.evaluate(ganvas.open(run), protocol=protocol)}


def refused(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    with pytest.raises(SystemExit) as stopped:
        main([str(a) for a in arguments])
    assert stopped.value.code == 2
    said = capsys.readouterr()
    assert "Traceback" not in said.err + said.out
    return said.err


def test_the_usual_metrics_of_a_vae(folder: Path) -> None:
    with pytest.warns(UserWarning, match="ssim is left out: SSIM's window of 11 pixels"):  # digits have 8
        found = scores(folder / "vae")
    assert {row.score.card.metric for row in found.values()} == set(USUAL) - {"modes", "ssim"}
    assert {"fid", "kid", "precision", "recall", "density", "coverage", "mse", "knn", "elbo"} <= set(found)
    with pytest.raises(GanvasError, match="window of 11"):
        scores(folder / "vae", "ssim")
    for row in found.values():
        assert math.isfinite(row.score.value)
        assert row.untrained is not None
        assert row.score.card.split == "held-out"
        assert (row.floor is not None) == METRICS[row.score.card.metric].has_floor
        for other in (row.floor, row.untrained):
            assert other is None or (other.name, other.better) == (row.score.name, row.score.better)
    fid = found["fid"]
    assert fid.floor is not None
    assert fid.floor.value < fid.score.value
    assert fid.score.card.num_samples == fid.score.card.num_reference == 200
    # The bound is made of its parts.
    assert found["elbo"].score.value == pytest.approx(
        -found["distortion"].score.value - found["rate"].score.value, rel=1e-5
    )


def test_the_usual_metrics_of_a_gan_are_those_that_it_can_give(folder: Path) -> None:
    for recipe in ("gan", "cgan"):
        assert {row.score.card.metric for row in scores(folder / recipe).values()} == {"fid", "kid", "prdc"}


def test_the_usual_metrics_of_points(tmp_path: Path) -> None:
    ganvas.train("gan", out=tmp_path / "ring", **{**TINY, "data": "ring8"})
    found = scores(tmp_path / "ring", num=500)
    assert set(found) == {"modes", "high-quality", "reverse-kl"}
    floor = found["modes"].floor
    assert floor is not None
    assert floor.value == 8


def test_features_are_learnt_from_labels_where_there_are_labels(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(lenet, "IMAGES_SEEN", 2_000)
    learnt = scores(folder / "gan", "kid", "is", features="auto")
    assert {row.score.card.features for row in learnt.values()} == {"lenet"}
    assert learnt["is"].score.value >= 1
    (description,) = (tmp_path / "ganvas").glob("lenet-*.json")
    assert json.loads(description.read_text())["fingerprint"] == learnt["kid"].score.card.features_hash
    assert scores(folder / "gan", "kid")["kid"].score.card.features == "random-0"


def test_a_binarised_model_is_asked_about_binarised_examples(folder: Path) -> None:
    found = scores(folder / "iwae-mnist", "elbo", "nll", "bpd", "mse", num=50, importance_samples=64)
    assert found["bpd"].score.value == pytest.approx(found["nll"].score.value / 64 / math.log(2))
    seen = found["elbo"].score.card.data
    assert seen == found["nll"].score.card.data
    assert seen != found["mse"].score.card.data
    assert found["nll"].score.card.settings == {"importance samples": 64, "likelihood": "probability of pixels"}
    # Burda et al. 2016, theorem 1: the bound of many samples is no looser, so −log p estimated lies below −ELBO.
    assert found["nll"].score.value < -found["elbo"].score.value
    untrained = found["nll"].untrained
    assert untrained is not None
    # Of bits a Bernoulli of one half takes 64 log 2 nats; untrained networks are near it, trained ones below.
    assert untrained.value == pytest.approx(64 * math.log(2), rel=0.15)
    assert found["nll"].score.value < untrained.value
    run = ganvas.open(folder / "iwae-mnist")
    x = evaluation.binarised(as_trained(run, "digits").held_out).x
    assert set(x.unique().tolist()) == {0, 255}
    assert torch.equal(x, evaluation.binarised(as_trained(run, "digits").held_out).x)


def test_a_network_is_not_trained_for_metrics_that_look_through_none(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_: object) -> None:
        raise AssertionError("features were made")

    monkeypatch.setattr(evaluation, "feature_network", never)
    assert set(scores(folder / "vae", "swd", "mse", num=50, features="auto")) == {"swd", "mse"}


def test_a_gan_asked_for_a_likelihood_says_what_can(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for metric in ("elbo", "nll", "bpd"):
        with pytest.raises(GanvasError, match=f"'{metric}' is not available: GAN has no likelihood") as raised:
            scores(folder / "gan", metric)
        assert "VAEs" in raised.value.hint
    said = refused(capsys, "evaluate", folder / "gan", "--metrics", "elbo", "--features", "random")
    assert "GAN has no likelihood" in said
    assert "VAEs" in said


def test_mistakes(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    vae = folder / "vae"
    assert "did you mean 'fid'" in refused(capsys, "evaluate", vae, "--metrics", "fidd").lower()
    assert "Did you mean 'fid'?" in refused(capsys, "evaluate", vae, "--metrics", "FID")
    assert "scores of the metric 'prdc'" in refused(capsys, "evaluate", vae, "--metrics", "precision")
    few = refused(capsys, "evaluate", vae, "--metrics", "fid", "--num", 20, "--features", "random")
    assert "20 real examples are too few" in few
    assert "at least 129" in few
    for codes in (0, -3):
        said = refused(capsys, "evaluate", vae, "--metrics", "nll", "--importance-samples", codes)
        assert f"--importance-samples must be at least 1, not {codes}" in said
    assert "at least 2" in refused(capsys, "evaluate", vae, "--num", 1)
    assert "labels" in refused(
        capsys, "evaluate", folder / "gan", "--data", unlabelled(tmp_path), "--metrics", "fid", "--features", "lenet"
    )
    assert "glyphs" in refused(capsys, "evaluate", vae, "--data", "glyps")
    assert "no known factors" in refused(capsys, "evaluate", vae, "--metrics", "mig")
    said = refused(capsys, "evaluate", vae, "--metrics", "mse", "--features", "lenett")
    assert "no feature network 'lenett'" in said and "Did you mean 'lenet'?" in said
    assert "inception" in refused(capsys, "evaluate", vae, "--metrics", "mse", "--weights", tmp_path / "none.pth")
    small = tmp_path / "small.npz"
    pixels = np.random.default_rng(0).integers(0, 256, (140, 8, 8), dtype=np.uint8)
    np.savez(small, x_train=pixels[:100], x_test=pixels[100:])
    said = refused(capsys, "evaluate", vae, "--data", f"npz:{small}", "--metrics", "fid", "--features", "random")
    assert "evaluation set is too small: it holds out 40 examples" in said and "Draw more" not in said
    assert refused(capsys, "evaluate", vae, "--features", "inception", "--weights", tmp_path / "none.pth")


def test_features_that_are_not_numbers_are_refused(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(RandomNetwork, "forward", lambda self, x: torch.full((len(x), 128), math.nan))
    said = refused(capsys, "evaluate", folder / "gan", "--metrics", "kid", "--num", 60, "--features", "random")
    assert "NaN or infinite features" in said and "Look at the samples" in said
    assert "\n" not in said.split("NaN", 1)[0].strip()


@pytest.mark.filterwarnings("default::UserWarning")
def test_an_evaluation_set_that_is_the_training_set_is_warned_of_and_on_the_card(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    x = np.random.default_rng(0).integers(0, 256, (64, 8, 8), dtype=np.uint8)
    np.savez(tmp_path / "same.npz", x_train=x, x_test=x)
    run = tmp_path / "run"
    ganvas.train("vae", out=run, **{**TINY, "data": f"npz:{tmp_path / 'same.npz'}"})
    main(["evaluate", str(run), "--metrics", "swd,mse", "--num", "64"])
    said = capsys.readouterr()
    assert "warning: the evaluation set is the training set" in said.err
    assert "note: the evaluation set is the training set" in said.out
    for entry in kept_scores(run):
        assert entry["score"]["card"]["split"] == "train"
        assert "the evaluation set is the training set" in entry["score"]["card"]["notes"][0]


@pytest.mark.filterwarnings("default::UserWarning")
def test_another_source_is_held_against_what_the_run_was_trained_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    draw = np.random.default_rng(0)
    x, new = (draw.integers(0, 256, (64, 8, 8), dtype=np.uint8) for _ in range(2))
    own = tmp_path / "own.npz"
    np.savez(own, x_train=x[:48], x_test=x[48:])
    np.savez(tmp_path / "seen.npz", x_train=new[:48], x_test=x[:16])
    np.savez(tmp_path / "half.npz", x_train=new[:48], x_test=np.concatenate([x[:8], new[48:56]]))
    np.savez(tmp_path / "new.npz", x_train=x[48:], x_test=new[48:])
    for recipe in ("vae", "iwae-mnist"):
        ganvas.train(recipe, out=tmp_path / recipe, **{**TINY, "data": f"npz:{own}"})

    def cards(source: str, recipe: str = "vae") -> dict[str, Card]:
        protocol = Protocol(("elbo", "swd", "memorisation"), 16, "random")
        rows = service.evaluate(ganvas.open(tmp_path / recipe), f"npz:{tmp_path / source}", protocol=protocol)
        return {row.score.name: row.score.card for row in rows}

    mine = ganvas.open(tmp_path / "vae").path / "neighbours.png"
    for recipe in ("vae", "iwae-mnist"):  # the second sees black and white examples, of which no two are the same
        with pytest.warns(UserWarning, match="evaluation set is the training set"):
            found = cards("seen.npz", recipe)
        assert {card.split for card in found.values()} == {"train"}
        with pytest.warns(UserWarning, match=r"50\.0% of the evaluation examples are also training examples"):
            assert {card.split for card in cards("half.npz", recipe).values()} == {"partly train"}
        assert {(card.split, card.notes) for name, card in cards("new.npz", recipe).items() if name == "swd"} == {
            ("held-out", ())
        }
    assert mine.exists()
    assert found["memorisation"].settings["train"] == 48
    assert {cards(source)["memorisation"].settings["training data"] for source in ("own.npz", "new.npz")} == {
        found["memorisation"].settings["training data"]
    }
    own.unlink()
    with pytest.warns(UserWarning, match="own training data cannot be read"):
        rows = service.evaluate(
            ganvas.open(tmp_path / "vae"), f"npz:{tmp_path / 'new.npz'}", protocol=Protocol(("swd",), 16)
        )
    assert "cannot be read" in rows[0].score.card.notes[0]
    new_data = f"npz:{tmp_path / 'new.npz'}"
    said = refused(capsys, "evaluate", tmp_path / "vae", "--data", new_data, "--metrics", "memorisation", "--num", 16)
    assert "'memorisation' is not available: the run's own training data cannot be read" in said


def test_memorisation_shows_the_nearest_training_examples(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = folder / "gan"
    main(["evaluate", str(run), "--metrics", "memorisation", "--num", "60", "--features", "random"])
    assert str(run / "neighbours.png") in capsys.readouterr().out.replace("\n", "")
    with Image.open(run / "neighbours.png") as image:
        # Two rows of 16 pairs: samples above training examples of 8 pixels, with frames between them.
        assert image.width >= 16 * 8 and image.height >= 4 * 8
    page = (run / "report.html").read_text()
    assert "Memorised?" in page and "memorisation" in page


def test_what_is_drawn_is_the_nearest_training_example(folder: Path) -> None:
    opened = ganvas.open(folder / "gan")
    found = measuring.evaluation_of(opened, as_trained(opened, "digits"), Protocol(("memorisation",), 40, "random"))
    seen = found.context
    network = seen.features
    assert network is not None
    train, samples = extract(network, seen.train.x), extract(network, seen.samples)
    distances = torch.cdist(samples.double(), train.double(), compute_mode="donot_use_mm_for_euclid_dist")
    nearest = distances.min(1).values
    drawn = distances.gather(1, seen.copying.neighbours[:, :1]).squeeze(1)  # of two as near, rounding chooses
    torch.testing.assert_close(drawn, nearest)
    torch.testing.assert_close(nearest[seen.copying.closest], nearest.sort().values)


def test_features_may_be_a_module_of_ones_own(folder: Path) -> None:
    class Flat(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x.flatten(1)[:, ::8]

    kid = scores(folder / "gan", "kid", num=60, features=ModuleFeatures(Flat(), "every eighth pixel"))["kid"]
    assert kid.score.card.features == "every eighth pixel"
    assert kid.score.value != scores(folder / "gan", "kid", num=60)["kid"].score.value


OWN = """
import torch
from torch import nn

class Rows(nn.Module):
    def __init__(self):
        super().__init__()
        self.turn = nn.Linear(8, 3)
    def forward(self, x):
        return self.turn(x.mean(2).flatten(1))

class Columns(nn.Module):
    def forward(self, x):
        return x.mean(3).flatten(1)
"""


def test_features_from_a_file_of_ones_own(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run, file = folder / "gan", tmp_path / "mine.py"
    asked = ("evaluate", run, "--metrics", "kid,kid", "--num", 60, "--features")
    file.write_text(OWN)
    assert "several feature networks: Rows, Columns" in refused(capsys, *asked, file)
    assert "no feature network 'Row'" in refused(capsys, *asked, f"{file}:Row")
    found = {}
    for name in ("Rows", "Rows", "Columns"):
        main([*map(str, asked), f"{file}:{name}", "--json"])
        (row,) = json.loads(capsys.readouterr().out)  # once, though it was named twice
        assert found.setdefault(name, row["score"]) == row["score"], "its weights are drawn by a fixed seed"
        assert row["score"]["card"]["features"].startswith(f"mine.py:{name} ")
    assert found["Rows"]["value"] != found["Columns"]["value"]
    assert found["Rows"]["card"]["features_hash"] != found["Columns"]["card"]["features_hash"]
    file.write_text(f"{OWN}\ndef small() -> nn.Module:\n    return Rows()\n")
    (row,) = scores(run, "kid", num=60, features=str(file)).values()
    assert row.score.value == found["Rows"]["value"]
    for text, why in (
        ("x = 3", "has no feature network"),
        ("import torch\nclass A(torch.nn.Module):\n    def __init__(self, size): ...", "missing 1 required"),
        ("import torch\nclass A(torch.nn.Module):\n    def forward(self, x): return x @ x[:, :, :2]", "A"),
        ("import torch\nclass A(torch.nn.Module):\n    def forward(self, x): return x.mean()", "tensor (N, ...)"),
        ("import torch\ndef f() -> torch.nn.Module: return 3", "not an nn.Module"),
        ("1 / 0", "line 1: ZeroDivisionError"),
    ):
        file.write_text(text)
        assert why in refused(capsys, *asked, file)
    assert "no file" in refused(capsys, *asked, tmp_path / "none.py")


def test_kept_scores_of_networks_without_weights_are_told_apart_by_name(folder: Path) -> None:
    run = ganvas.open(folder / "gan")
    a, b = (ModuleFeatures(torch.nn.Flatten(), name) for name in "ab")
    assert a.fingerprint == b.fingerprint
    asked = Protocol(("kid",), 60, a)
    service.evaluate(run, protocol=asked)
    data = as_trained(run, "digits")
    assert measuring.recall(run, measuring.evaluation_of(run, data, asked), "kid")
    assert not measuring.recall(run, measuring.evaluation_of(run, data, Protocol(("kid",), 60, b)), "kid")


def unlabelled(place: Path) -> str:
    (place / "pictures").mkdir()
    for n in range(40):
        Image.new("L", (8, 8), 6 * n).save(place / "pictures" / f"{n}.png")
    return str(place / "pictures")


def test_json_is_what_is_kept(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = folder / "gan"
    (run / "evaluation.json").unlink(missing_ok=True)
    main(["evaluate", str(run), "--metrics", "swd,kid", "--num", "60", "--features", "random", "--json"])
    printed = json.loads(capsys.readouterr().out)
    assert [entry["score"]["name"] for entry in printed] == ["swd", "kid"]
    kept = kept_scores(run)
    assert [
        {key: entry[key] for key in ("score", "floor", "untrained", "untrained_reach_it")} for entry in kept
    ] == printed
    assert all(entry["data"] == "digits" and entry["images"] == 256 for entry in kept)
    for entry in printed:
        row = from_json(entry)
        assert from_json(json.loads(json.dumps(to_json(row)))) == row
        assert row.score.card.features == (None if row.score.name == "swd" else "random-0")


def test_equal_cards_are_replaced_and_others_kept(folder: Path) -> None:
    run = folder / "vae"
    (run / "evaluation.json").unlink(missing_ok=True)
    first = scores(run, "swd", num=60)["swd"].score
    assert scores(run, "swd", num=60)["swd"].score == first
    assert len(kept_scores(run)) == 1
    scores(run, "swd", num=61)
    scores(run, "mse", num=60)
    scores(run, "swd", num=60, seed=1)
    names = [(entry["score"]["name"], entry["asked"]["num"], entry["asked"]["seed"]) for entry in kept_scores(run)]
    assert names == [("swd", 60, 0), ("swd", 61, 0), ("mse", 60, 0), ("swd", 60, 1)]


def test_a_damaged_evaluation_is_said_and_not_overwritten(folder: Path, tmp_path: Path) -> None:
    file = folder / "cgan" / "evaluation.json"
    for content in (
        "{",
        '[{"score": 1}]',
        '[{"score": {"name": "fid"}, "floor": null, "untrained": null}]',
        '{"a": 1}',
    ):
        file.write_text(content)
        with pytest.raises(GanvasError, match=r"damaged|not a score"):
            scores(folder / "cgan", "swd", num=50)
        assert file.read_text() == content
    file.unlink()


def test_the_table_names_score_floor_untrained_and_protocol(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["evaluate", str(folder / "gan"), "--metrics", "kid", "--num", "50", "--features", "random"])
    out = capsys.readouterr().out
    for word in ("score", "better", "this run", "real data", "untrained", "kid", "lower", "random-0", "50"):
        assert word in out


def test_another_source_is_brought_to_the_runs_shape(folder: Path) -> None:
    run = ganvas.open(folder / "vae")
    (row,) = service.evaluate(run, "glyphs", protocol=Protocol(("mse",), 20))
    assert row.score.card.num_samples == 20
    assert kept_scores(run.path)[-1]["data"] == "glyphs"


def test_metrics_are_listed_with_what_they_need(capsys: pytest.CaptureFixture[str]) -> None:
    main(["metrics", "--json"])
    facts = {fact["name"]: fact for fact in json.loads(capsys.readouterr().out)}
    assert facts.keys() == METRICS.keys()
    assert facts["fid"]["needs"] == ["samples", "features"]
    assert facts["nll"]["better"] == "lower"
    assert all(fact["summary"] and fact["paper"] and fact["better"] in ("lower", "higher") for fact in facts.values())
    main(["metrics"])
    out = capsys.readouterr().out
    assert all(name in out for name in METRICS)


@pytest.mark.parametrize(
    ("value", "error", "expected"),
    [
        (92.4123, 0.1234, "92.41 ± 0.12"),
        (0.0149, 0.00035, "0.01490 ± 0.00035"),
        (-338.08, 12.0, "-338 ± 12"),
        (218.897, None, "218.9"),
        (-1316.4, None, "-1,316"),
        (257417.01, 1e-11, "257,417"),
        (math.inf, 0.1, "inf"),
    ],
)
def test_values_have_as_many_digits_as_their_error_allows(value: float, error: float | None, expected: str) -> None:
    assert rounded(Score("s", value, error, "lower", Card("s", "d", "held-out", 1))) == expected

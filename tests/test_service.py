"""Every user action, from the command line and from Python, with its mistakes."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import ganvas
from ganvas import GanvasError
from ganvas.cli import VERBS, main
from ganvas.cli.verbs import COMMANDS
from ganvas.data.domains.pictures import save_picture
from ganvas.training import checkpoint

pytestmark = pytest.mark.trains

TINY = {"data": "digits", "images": 256, "batch_size": 32, "quiet": True}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("runs")


@pytest.fixture(scope="module")
def vae(folder: Path) -> Path:
    ganvas.train("vae", out=folder / "vae", width=8, latent=4, **TINY)
    return folder / "vae"


@pytest.fixture(scope="module")
def gan(folder: Path) -> Path:
    ganvas.train("gan", out=folder / "gan", width=8, latent=4, **TINY)
    return folder / "gan"


def command(*arguments: object) -> None:
    main([str(a) for a in arguments])


def refused(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    """What a command says that is refused: one message, exit code 2, no traceback."""
    with pytest.raises(SystemExit) as stopped:
        command(*arguments)
    assert stopped.value.code == 2
    said = capsys.readouterr()
    assert "Traceback" not in said.err + said.out
    return said.err + said.out


def test_a_run_directory_holds_what_the_design_says(vae: Path) -> None:
    assert {p.name for p in vae.iterdir()} == {
        "recipe.json", "data.json", "environment.json", "networks.json", "metrics.jsonl", "samples", "checkpoints",
        "report.html",
    }  # fmt: skip
    settings = json.loads((vae / "recipe.json").read_text())
    assert settings["recipe"] == "vae"
    assert settings["arguments"]["latent"] == 4
    assert settings["training"]["batch_size"] == 32
    lines = [json.loads(line) for line in (vae / "metrics.jsonl").read_text().splitlines()]
    assert {line.get("split") for line in lines} >= {"train", "held_out"}
    assert lines[-1]["event"] == "finished"
    assert lines[-1]["images"] == 256
    train = next(line for line in lines if line.get("split") == "train")
    assert set(train["players"]["autoencoder"]) == {"distortion", "rate"}
    assert sorted(p.name for p in (vae / "samples").iterdir())[0] == "prior-000000000.png"
    assert json.loads((vae / "networks.json").read_text())["encoder"]["parameters"] > 0


def test_codebook_use_is_logged_every_epoch_and_at_the_end(tmp_path: Path) -> None:
    options = {**TINY, "images": 1_600}  # digits has 1,500 training examples
    ganvas.train("vq-vae", out=tmp_path / "vq", width=4, codes=8, code_size=4, **options)
    lines = [json.loads(line) for line in (tmp_path / "vq" / "metrics.jsonl").read_text().splitlines()]
    epoch, end = [line for line in lines if "codebook_use" in line.get("metrics", {})]
    assert (epoch["images"], epoch["partial"]) == (1_504, False)
    assert (end["images"], end["partial"]) == (1_600, True)
    for line in (epoch, end):
        assert 0 < line["metrics"]["codebook_use"] <= 1
        assert 1 <= line["metrics"]["codebook_perplexity"] <= 8 * line["metrics"]["codebook_use"] + 1e-4


def test_few_labels(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = {**TINY, "labels": 20, "width": 4, "latent": 2, "checkpoint_every": 64}
    ganvas.train("aae-semi", out=tmp_path / "whole", **options)
    settings = json.loads((tmp_path / "whole" / "recipe.json").read_text())
    assert settings["training"]["labels"] == 20
    assert settings["arguments"]["labelled_share"] == 0.25
    ganvas.train("aae-semi", out=tmp_path / "parts", **{**options, "images": 128})
    ganvas.train(resume=tmp_path / "parts", images=256, quiet=True)
    whole, parts = (ganvas.open(tmp_path / name).model.state_dict() for name in ("whole", "parts"))
    assert all(torch.equal(whole[name], parts[name]) for name in whole)
    ganvas.train("aae-semi", out=tmp_path / "other", **{**options, "labels": 30})
    other = ganvas.open(tmp_path / "other").model.state_dict()
    assert not torch.equal(whole["encoder.classes.weight"], other["encoder.classes.weight"]), "labels are hidden"

    train = ("train", "aae-semi", "--data", "digits", "--out", tmp_path / "x")
    assert "9 labels are too few for 10 classes" in refused(capsys, *train, "--labels", 9)
    assert "between 0 and 1" in refused(capsys, *train, "--labelled-share", 1.0)
    for recipe, why in (("cgan", "needs the class of every example"), ("vae", "does not use labels")):
        assert why in refused(capsys, "train", recipe, "--data", "digits", "--out", tmp_path / "x", "--labels", 100)
    assert not (tmp_path / "x").exists()


@pytest.fixture(scope="module")
def cvae(folder: Path) -> Path:
    ganvas.train("cvae", out=folder / "cvae", width=8, latent=4, network="mlp", **TINY)
    return folder / "cvae"


def test_truncation_draws_codes_on_to_the_mean(vae: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = ganvas.open(vae)
    none, half, mean = (run.sample(6, truncation=psi) for psi in (1.0, 0.5, 0.0))
    assert torch.equal(none, run.sample(6))
    assert torch.equal(mean, run.generate(torch.zeros(6, 4)))
    spread = [x.std(0).mean().item() for x in (none, half, mean)]
    assert spread[0] > spread[1] > spread[2] == pytest.approx(0, abs=1e-6)
    command("sample", vae, "--num", 6, "--truncation", 0.5, "--out", tmp_path / "x.npz")
    np.testing.assert_array_equal(np.load(tmp_path / "x.npz")["images"], run.info.domain.arrays(half)["images"])
    out = ("--out", tmp_path / "y.png")
    assert "1.5 is not possible" in refused(capsys, "sample", vae, "--truncation", 1.5, *out)
    assert "own prior" in refused(capsys, "sample", vae, "--truncation", 0.5, "--prior", "gaussian", *out)
    ganvas.train("vq-vae", out=tmp_path / "vq", width=4, codes=8, code_size=4, **{**TINY, "images": 32})
    assert "several components" in refused(capsys, "sample", tmp_path / "vq", "--truncation", 0.5, *out)


def test_a_walk_is_of_one_class_which_may_be_named(
    vae: Path, cvae: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = ganvas.open(cvae)
    x = run.sample(2)
    three, five = (run.interpolate(steps=3, y=torch.tensor([y])) for y in (3, 5))
    assert not torch.equal(three, five)
    assert not torch.equal(
        run.interpolate(x[:1], x[1:], steps=3, y=torch.tensor([3])),
        run.interpolate(x[:1], x[1:], steps=3, y=torch.tensor([5])),
    )
    command("interpolate", cvae, "--class", 3, "--num", 3, "--out", tmp_path / "named.png")
    save_picture(three, tmp_path / "expected.png", run.info, columns=3)
    assert (tmp_path / "named.png").read_bytes() == (tmp_path / "expected.png").read_bytes()
    out = ("--out", tmp_path / "w.png")
    assert "not conditional" in refused(capsys, "interpolate", vae, "--class", 3, *out)
    assert "no class 'all'" in refused(capsys, "interpolate", cvae, "--class", "all", *out)
    assert "no class '10'" in refused(capsys, "sample", cvae, "--class", 10, *out)
    command("sample", cvae, "--class", "all", "--num", 20, "--out", tmp_path / "all.png")


def test_from_python(vae: Path) -> None:
    run = ganvas.open(vae)
    x = run.sample(5)
    assert x.shape == (5, 1, 8, 8)
    assert torch.equal(x, run.sample(5))
    assert not torch.equal(x, run.sample(5, seed=1))
    assert run.reconstruct(x).shape == x.shape
    mean, scale = run.encode(x)
    assert mean.shape == scale.shape == (5, 4)
    assert (scale > 0).all()
    assert run.interpolate(x[:1], x[1:2], steps=3).shape == (3, 1, 8, 8)


def test_a_reopened_run_samples_what_the_trained_one_did(folder: Path) -> None:
    run = ganvas.train("vaegan", out=folder / "again", width=4, latent=4, **TINY)
    assert torch.equal(run.sample(3), ganvas.open(folder / "again").sample(3))


@pytest.mark.parametrize("name", ["grid.png", "some", "x.npz"])
def test_sample(vae: Path, tmp_path: Path, name: str) -> None:
    command("sample", vae, "--num", 5, "--out", tmp_path / name)
    if name == "grid.png":
        assert Image.open(tmp_path / name).size[0] > 8
    elif name == "some":
        assert sorted(p.name for p in (tmp_path / name).iterdir()) == [f"{n:06d}.png" for n in range(5)]
    else:
        images = np.load(tmp_path / name)["images"]
        assert images.shape == (5, 8, 8, 1)
        assert images.dtype == np.uint8


def test_reconstruct_interpolate_encode_and_report(vae: Path, tmp_path: Path) -> None:
    command("reconstruct", vae, "--data", "digits", "--num", 20, "--out", tmp_path / "r.png")
    command("interpolate", vae, "--out", tmp_path / "strip.png")
    command("interpolate", vae, "--out", tmp_path / "walk.gif", "--num", 4)
    Image.new("RGB", (30, 20), "red").save(tmp_path / "a.png")
    command("interpolate", vae, "--from", tmp_path / "a.png", "--to", tmp_path / "a.png", "--out", tmp_path / "s.png")
    command("encode", vae, "--data", "digits", "--out", tmp_path / "codes.npz")
    codes = np.load(tmp_path / "codes.npz")
    assert codes["mean"].shape == codes["scale"].shape == (1_500, 4)
    assert codes["labels"].shape == (1_500,)
    assert Image.open(tmp_path / "walk.gif").n_frames == 6
    (vae / "report.html").unlink()
    command("report", vae)
    assert "<html" in (vae / "report.html").read_text()


def test_points(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ganvas.train("gan", data="ring8", out=folder / "ring", images=256, batch_size=64, width=8, latent=2, quiet=True)
    command("sample", folder / "ring", "--num", 100, "--out", tmp_path / "p.npz")
    assert np.load(tmp_path / "p.npz")["points"].shape == (100, 2)
    command("sample", folder / "ring", "--num", 100, "--out", tmp_path / "p.png")
    assert "cannot hold points" in refused(capsys, "sample", folder / "ring", "--out", tmp_path / "p")
    assert "points" in refused(capsys, "interpolate", folder / "ring", "--out", tmp_path / "w.png")


def test_recipes_data_and_check(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command("recipes", "--json")
    facts = {f["name"]: f for f in json.loads(capsys.readouterr().out)}
    assert facts["vaegan"]["players"] == ["encoder", "decoder", "discriminator"]
    assert facts["vae"]["abilities"] == ["samples", "encodes", "likelihood"]
    assert facts["gan"]["abilities"] == ["samples", "judges"]
    assert all(f["paper"] and f["summary"] for f in facts.values())
    command("recipes")
    assert "Larsen" in capsys.readouterr().out
    command("data", "digits", "--json", "--out", tmp_path / "grid.png")
    out = capsys.readouterr().out
    assert '"digits"' in out
    assert (tmp_path / "grid.png").exists()
    command("data", "digits")
    assert "1500" in capsys.readouterr().out.replace(",", "")
    command("check", "vaegan", "--data", "digits")
    assert "Every parameter is moved" in capsys.readouterr().out


def test_mistakes_of_names_are_met_with_the_nearest(
    vae: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "did you mean 'vae'" in refused(capsys, "train", "vea").lower()
    assert "'train'" in refused(capsys, "trian")
    assert "glyphs" in refused(capsys, "train", "vae", "--data", "glyps", "--out", tmp_path / "x")
    assert "--latent" in refused(capsys, "train", "vae", "--latnet", "3")
    assert str(vae) in refused(capsys, "sample", str(vae) + "x", "--out", tmp_path / "a.png")
    assert "no file" in refused(capsys, "train", "missing.py")
    with pytest.raises(GanvasError, match="no option 'latnet'"):
        ganvas.train("vae", latnet=3, data="digits")
    with pytest.raises(GanvasError, match="whole number"):
        ganvas.train("vae", latent="many", data="digits")
    assert not (tmp_path / "x").exists()


def test_nothing_trained_is_overwritten_unasked(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    tiny = ["--data", "digits", "--images", 64, "--batch-size", 32, "--width", 4, "--quiet", "--out", run]
    command("train", "vae", *tiny)
    before = (run / "recipe.json").read_text()
    assert "--overwrite" in refused(capsys, "train", "vae", *tiny)
    assert (run / "recipe.json").read_text() == before
    command("train", "vae", *tiny, "--seed", 5, "--overwrite")
    assert json.loads((run / "recipe.json").read_text())["training"]["seed"] == 5
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "thesis.txt").write_text("years of work")
    assert "not a run" in refused(capsys, "train", "vae", *tiny[:-1], precious, "--overwrite")
    assert (precious / "thesis.txt").exists()


def test_impossible_sizes_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = ["--data", "digits", "--out", tmp_path / "x"]
    assert "1500 training examples" in refused(capsys, "train", "vae", *out, "--batch-size", 2_000)
    assert "--images" in refused(capsys, "train", "vae", *out, "--images", 0)
    assert "--latent" in refused(capsys, "train", "vae", *out, "--latent", 0)
    assert "at least 8x8" in refused(capsys, "train", "dcgan", *out, "--size", 4)
    assert "points" in refused(capsys, "train", "vae", "--data", "ring8", "--likelihood", "bernoulli")
    assert "no device" in refused(capsys, "train", "vae", *out, "--device", "abacus")
    assert not (tmp_path / "x").exists()


def test_a_gan_says_why_it_cannot_encode(gan: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for verb in ("encode", "reconstruct"):
        said = refused(capsys, verb, gan, "--data", "digits", "--out", tmp_path / "x.png")
        assert "no encoder" in said
    command("interpolate", gan, "--out", tmp_path / "strip.png")


def test_data_of_another_kind_is_refused(vae: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "points" in refused(capsys, "encode", vae, "--data", "ring8", "--out", tmp_path / "x.npz")
    (tmp_path / "empty").mkdir()
    refused(capsys, "reconstruct", vae, "--data", tmp_path / "empty", "--out", tmp_path / "x.png")
    assert "suffix" in refused(capsys, "reconstruct", vae, "--data", "digits", "--out", tmp_path / "x.abc")
    assert "two ends" in refused(capsys, "interpolate", vae, "--from", tmp_path / "a.png", "--out", tmp_path / "x.png")


def test_damaged_and_foreign_checkpoints(
    vae: Path, gan: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "damaged"
    shutil.copytree(vae, run)
    tensors = checkpoint.checkpoints(run / "checkpoints")[-1].with_suffix(".safetensors")
    content = bytearray(tensors.read_bytes())
    content[len(content) // 2] ^= 1
    tensors.write_bytes(content)
    assert "SHA-256" in refused(capsys, "sample", run, "--out", tmp_path / "x.png")
    shutil.rmtree(run / "checkpoints")
    shutil.copytree(gan / "checkpoints", run / "checkpoints")
    assert "another model" in refused(capsys, "sample", run, "--out", tmp_path / "x.png")
    shutil.rmtree(run / "checkpoints")
    assert "no checkpoint yet" in refused(capsys, "sample", run, "--out", tmp_path / "x.png")
    (run / "recipe.json").write_text('{"recipe": ["vae"]}')
    assert "damaged" in refused(capsys, "sample", run, "--out", tmp_path / "x.png")


def test_a_damaged_newest_checkpoint_falls_back_to_the_one_before(tmp_path: Path) -> None:
    ganvas.train("vae", out=tmp_path / "r", width=4, latent=2, checkpoint_every=64, **{**TINY, "images": 128})
    first, last = checkpoint.checkpoints(tmp_path / "r" / "checkpoints")
    last.with_suffix(".safetensors").write_bytes(b"not tensors")
    with pytest.warns(UserWarning, match="Using the checkpoint before it"):
        assert ganvas.open(tmp_path / "r").sample(2).shape == (2, 1, 8, 8)
    assert first.stem == f"{64:012d}"


def test_resume_keeps_its_own_settings(vae: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "vae" in refused(capsys, "train", "gan", "--resume", vae)
    refused(capsys, "train", "--resume", vae, "--latent", 3)
    with pytest.raises(GanvasError, match="its own data"):
        ganvas.train(resume=vae, data="glyphs")
    before = (vae / "recipe.json").read_text()
    assert "cannot end after 1" in refused(capsys, "train", "--resume", vae, "--images", 1)
    assert "Leave --out out" in refused(capsys, "train", "--resume", vae, "--out", vae.parent / "other")
    assert (vae / "recipe.json").read_text() == before


OWN = '''
from ganvas.data import DataInfo
from ganvas.training.recipe import Recipe
from ganvas.recipes.gan import gan


def mine(data: DataInfo, *, latent: int = 3) -> Recipe:
    """Mine: a small GAN. """
    return gan(data, latent=latent, width=4)
'''


def test_a_users_own_file_is_trained_and_only_run_again_when_it_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "mine.py"
    file.write_text(OWN)
    command("check", file, "--data", "digits")
    assert "generator" in capsys.readouterr().out
    run = tmp_path / "run"
    command(
        "train", file, "--data", "digits", "--images", 64, "--batch-size", 32, "--latent", 5, "--out", run, "--quiet"
    )
    assert json.loads((run / "recipe.json").read_text())["arguments"] == {"latent": 5}
    file.write_text(OWN + "\nraise RuntimeError('executed')\n")
    assert "executed only if you name it" in refused(capsys, "sample", run, "--out", tmp_path / "x.png")
    assert "executed" in refused(capsys, "sample", run, "--file", file, "--out", tmp_path / "x.png")
    file.write_text(OWN)
    command("sample", run, "--file", file, "--out", tmp_path / "x.png")
    file.write_text("def broken(:\n")
    assert "line 1" in refused(capsys, "check", file)
    file.write_text("x = 1\n")
    assert "no recipe" in refused(capsys, "check", file)


def test_every_command_is_listed_and_has_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert set(COMMANDS) | {"train"} == set(VERBS)
    command("--help")
    overview = capsys.readouterr().out
    for verb in VERBS:
        assert verb in overview
        with pytest.raises(SystemExit) as stopped:
            command(*(["train", "vae"] if verb == "train" else [verb]), "--help")
        assert stopped.value.code == 0
        assert len(capsys.readouterr().out) > 100


def test_a_full_disk_during_a_checkpoint_is_said_and_harms_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "r"
    ganvas.train("vae", out=out, width=4, latent=2, **{**TINY, "images": 64})

    def full(tensors: object, path: Path) -> None:
        path.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(checkpoint, "save_tensors", full)
    with pytest.raises(GanvasError, match="No space left"):
        ganvas.train(resume=out, images=128, quiet=True)
    monkeypatch.undo()
    assert [p.name for p in sorted((out / "checkpoints").iterdir())] == [
        "000000000064.json",
        "000000000064.safetensors",
    ]
    assert ganvas.open(out).sample(2).shape == (2, 1, 8, 8)


@pytest.mark.parametrize("verb", [("train", "vae"), *((v,) for v in COMMANDS)], ids=" ".join)
def test_help_is_of_values_that_can_be_given(verb: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main([*verb, "--help"])
    assert "None}" not in capsys.readouterr().out

"""Runs as others take them: programs compute what the run computes, folders open as runs do."""

import json
import logging
import os
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

import ganvas
from ganvas import service
from ganvas.cli import main
from ganvas.errors import GanvasError
from ganvas.metrics.evaluation import Protocol
from ganvas.use import export as exports
from ganvas.use import programs
from ganvas.use.run import Run

pytestmark = pytest.mark.trains

TINY: dict[str, Any] = {"data": "digits", "images": 64, "batch_size": 32, "width": 4, "latent": 4, "quiet": True}


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Run]:
    """An autoencoder with a likelihood, told the class; a GAN with an average; a codebook."""
    place = tmp_path_factory.mktemp("runs")
    made = {name: ganvas.train(name, out=place / name, **TINY) for name in ("cvae", "r3gan")}
    return {
        **made,
        "vq-vae": ganvas.train("vq-vae", out=place / "vq", **{k: v for k, v in TINY.items() if k != "latent"}),
    }


def refused(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    with pytest.raises(SystemExit) as stopped:
        main([str(argument) for argument in arguments])
    assert stopped.value.code == 2
    return capsys.readouterr().err


class Brighter(torch.nn.Module):
    """A program that is not the one asked for."""

    def __init__(self, module: torch.nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, z: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return self.module(z, y) + 0.01


PROGRAMS = {"cvae": ["decoder", "encoder"], "r3gan": ["generator"], "vq-vae": ["decoder", "encoder"]}


@pytest.mark.slow
@pytest.mark.parametrize("recipe", PROGRAMS)
def test_torch_programs_compute_what_the_run_does_without_ganvas_or_pickles(
    runs: dict[str, Run], recipe: str, tmp_path: Path
) -> None:
    run, out = runs[recipe], tmp_path / "out"
    exports.export(run, "torch", out)
    config = json.loads((out / "config.json").read_text())
    assert sorted(config["programs"]) == PROGRAMS[recipe]
    name = PROGRAMS[recipe][0]
    with zipfile.ZipFile(out / f"{name}.pt2") as archive:
        for file in archive.namelist():
            pickled = file.endswith((".pt", ".pkl")) and archive.getinfo(file).file_size > 0
            assert not pickled, f"torch would load {file} as a pickle"
            if file.endswith("_config.json"):
                assert '"use_pickle": true' not in archive.read(file).decode().lower()
    program = (
        "import sys, torch; from safetensors.torch import load_file, save_file\n"
        f"e = load_file('examples.safetensors'); f = torch.export.load('{name}.pt2').module()\n"
        f"given = [e['{name}/' + n] for n in ('z', 'y') if '{name}/' + n in e]\n"
        "assert 'ganvas' not in sys.modules\n"
        "save_file({'x': f(*[t[:3] for t in given]).contiguous()}, 'made.safetensors')"
    )
    without_ganvas = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    subprocess.run([sys.executable, "-c", program], cwd=out, check=True, env=without_ganvas)
    examples, made = load_file(out / "examples.safetensors"), load_file(out / "made.safetensors")["x"]
    expected = run.generate(examples[f"{name}/z"], examples.get(f"{name}/y"))
    torch.testing.assert_close(made, expected[:3], rtol=1e-4, atol=1e-5)
    if "encoder" in PROGRAMS[recipe]:
        mean, scale = run.encode(examples["encoder/x"], examples.get("encoder/y"))
        torch.testing.assert_close(examples["encoder/mean"], mean, rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(examples["encoder/scale"], scale, rtol=1e-4, atol=1e-5)


@pytest.mark.slow
def test_onnx_programs_are_checked_against_torch(
    runs: dict[str, Run], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("onnxruntime", reason="needs the extra onnx")
    pytest.importorskip("onnxscript", reason="needs the extra onnx")
    said: list[logging.LogRecord] = []
    with monkeypatch.context() as patch:
        patch.setattr(logging.Logger, "callHandlers", lambda _, record: said.append(record))
        exports.export(runs["cvae"], "onnx", tmp_path / "out")
    assert [record.getMessage() for record in said if record.levelno >= logging.WARNING] == []
    assert {p.name for p in (tmp_path / "out").iterdir()} == {
        "decoder.onnx",
        "encoder.onnx",
        "config.json",
        "examples.safetensors",
    }
    traced = programs.traced
    monkeypatch.setattr(programs, "traced", lambda program: traced(replace(program, module=Brighter(program.module))))
    with pytest.raises(GanvasError, match="as ONNX differs from torch"):
        exports.export(runs["cvae"], "onnx", tmp_path / "again")
    assert not (tmp_path / "again").exists()


def test_weights_that_give_no_numbers_are_not_exported_as_programs(
    runs: dict[str, Run], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    weight = next(runs["r3gan"].model.parameters())
    monkeypatch.setattr(weight, "data", torch.full_like(weight, torch.inf))
    with pytest.raises(GanvasError, match="generator gives NaN or infinity"):
        exports.export(runs["r3gan"], "torch", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_onnx_without_its_packages_says_what_to_install(
    runs: dict[str, Run], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(GanvasError, match=r"ganvas\[onnx\]"):
        exports.export(runs["r3gan"], "onnx", tmp_path / "out")


def test_a_hub_folder_opens_as_the_run_does_and_holds_no_critic(
    runs: dict[str, Run], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run, out = runs["r3gan"], tmp_path / "out"
    service.evaluate(run, protocol=Protocol(("swd",), num=64))
    main(["export", str(run.path), "--to", "hub-folder", "--out", str(out)])
    again = ganvas.open(out)
    assert torch.equal(again.sample(5), run.sample(5))
    assert again.images_seen == run.images_seen
    assert not [name for name in load_file(out / "model.safetensors") if name.startswith("critic")]
    card = (out / "README.md").read_text()
    assert card.startswith("---\nlibrary_name: ganvas\n")
    assert "| swd" in card
    assert (out / "samples.png").is_file()
    main(["sample", str(out), "--out", str(tmp_path / "grid.png")])
    main(["evaluate", str(out), "--metrics", "swd", "--num", "64"])
    assert "exists" in refused(capsys, "export", run.path, "--to", "hub-folder", "--out", out)
    assert "only the networks for inference" in refused(capsys, "train", "--resume", out)


def test_a_hub_folder_tells_nothing_of_the_machine_it_was_made_on(runs: dict[str, Run], tmp_path: Path) -> None:
    run = runs["cvae"]
    exports.export(run, "hub-folder", tmp_path / "out")
    for file in ("config.json", "README.md"):
        assert str(run.path) not in (tmp_path / "out" / file).read_text()
    assert json.loads((tmp_path / "out" / "config.json").read_text())["command"] == ""
    x = torch.zeros(2, 1, 8, 8)
    y = torch.tensor([3, 4])
    assert torch.equal(ganvas.open(tmp_path / "out").encode(x, y)[0], run.encode(x, y)[0])


def test_a_damaged_hub_folder_is_refused(runs: dict[str, Run], tmp_path: Path) -> None:
    exports.export(runs["r3gan"], "hub-folder", tmp_path / "out")
    weights = tmp_path / "out" / "model.safetensors"
    content = weights.read_bytes()
    for damage in (content[:-9], b"\xff" * 8 + content[8:], b""):
        weights.write_bytes(damage)
        with pytest.raises(GanvasError, match="cannot be read"):
            ganvas.open(tmp_path / "out").sample(1)
    weights.write_bytes(content)
    config = json.loads((tmp_path / "out" / "config.json").read_text())
    (tmp_path / "out" / "config.json").write_text(json.dumps({**config, "networks": ["prior"]}))
    with pytest.raises(GanvasError, match="another model"):
        ganvas.open(tmp_path / "out").sample(1)


def test_the_hub_without_its_client_says_what_to_install_and_a_hub_folder_does_without(
    runs: dict[str, Run], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    run, out = runs["r3gan"].path, tmp_path / "out"
    line = "ganvas: {} needs the extra hub: pip install 'ganvas[hub]'\n"
    assert refused(capsys, "export", run, "--to", "hub", "--repo", "you/gan") == line.format("you/gan")
    assert refused(capsys, "sample", "hub:you/gan", "--out", tmp_path / "x.png") == line.format("hub:you/gan")
    main(["export", str(run), "--to", "hub-folder", "--out", str(out)])
    main(["sample", str(out), "--out", str(tmp_path / "grid.png")])


class Hub:
    """Stands in for the Hugging Face hub: repositories are folders."""

    def __init__(self, place: Path) -> None:
        self.place = place

    def create_repo(self, *, repo_id: str, repo_type: str, exist_ok: bool) -> str:
        (self.place / repo_id).mkdir(parents=True, exist_ok=exist_ok)
        return f"https://huggingface.co/{repo_id}"

    def upload_folder(self, *, folder_path: str, repo_id: str, repo_type: str, commit_message: str) -> None:
        for file in Path(folder_path).iterdir():
            (self.place / repo_id / file.name).write_bytes(file.read_bytes())

    def snapshot_download(self, *, repo_id: str, revision: str | None, allow_patterns: list[str]) -> str:
        if not (self.place / repo_id).is_dir():
            raise OSError(f"404: no repository {repo_id}")
        assert {p.name for p in (self.place / repo_id).iterdir()} <= set(allow_patterns)
        return str(self.place / repo_id)


def test_pushed_to_the_hub_and_pulled_again(
    runs: dict[str, Run], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    hub = Hub(tmp_path)
    client = SimpleNamespace(HfApi=lambda: hub, snapshot_download=hub.snapshot_download)
    monkeypatch.setitem(sys.modules, "huggingface_hub", client)
    main(["export", str(runs["r3gan"].path), "--to", "hub", "--repo", "someone/gan"])
    assert "huggingface.co/someone/gan" in capsys.readouterr().out
    main(["sample", "hub:someone/gan", "--out", str(tmp_path / "grid.png")])
    assert torch.equal(ganvas.open("hub:someone/gan").sample(3), runs["r3gan"].sample(3))
    assert "404" in refused(capsys, "sample", "hub:someone/else", "--out", tmp_path / "x.png")
    for place in ((), ("--out", tmp_path / "x"), ("--repo", "someone/gan", "--out", tmp_path / "x")):
        assert "--repo" in refused(capsys, "export", runs["r3gan"].path, "--to", "hub", *place)
    assert "--out" in refused(capsys, "export", runs["r3gan"].path, "--to", "hub-folder", "--repo", "someone/gan")

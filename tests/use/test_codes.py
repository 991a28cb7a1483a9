"""The source codes:RUN: a second stage on the codes of a frozen run, shown and scored as what they decode to."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import ganvas
from ganvas import GanvasError, service
from ganvas.data import open_data
from ganvas.metrics.evaluation import Protocol
from ganvas.use.codes_source import Decoding, standard_of
from ganvas.use.opening import as_trained

pytestmark = pytest.mark.trains  # the runs that they share

SMALL = {"data": "digits", "width": 8, "images": 256, "batch_size": 32, "quiet": True}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A VAE and a VQ-VAE of digits, and a flow on the codes of each that has vectors."""
    place = tmp_path_factory.mktemp("codes")
    ganvas.train("vae", out=place / "vae", latent=4, **SMALL)
    ganvas.train("gan", out=place / "gan", **SMALL)
    ganvas.train("cvae", out=place / "cvae", latent=4, **SMALL)
    ganvas.train("vq-vae", out=place / "vq", codes=16, code_size=4, **SMALL)
    ganvas.train("flow", out=place / "flow", **SMALL | {"data": f"codes:{place / 'vae'}"})
    return place


def test_codes_are_standardised_and_decode_to_what_the_first_run_decodes(folder: Path) -> None:
    data, run = open_data(f"codes:{folder / 'vae'}"), ganvas.open(folder / "vae")
    assert data.info.shape == (4,) and data.info.domain.kind == "codes"
    assert "4 codes for 8x8 grey images" in data.info.domain.words()
    torch.testing.assert_close(data.train.x.mean(0), torch.zeros(4), atol=1e-5, rtol=0)
    torch.testing.assert_close(data.train.x.std(0), torch.ones(4), atol=1e-4, rtol=0)
    own = as_trained(run, "digits")
    assert torch.equal(data.train.y, own.train.y)
    shown = data.info.domain.pixels(data.held_out.x[:64])
    error = float((shown - own.held_out.batch(torch.arange(64)).x).square().mean())
    other = float((shown - own.held_out.batch(torch.arange(64, 128)).x).square().mean())
    assert error < other, "each code decodes to its own example"


def test_a_grid_of_codes_is_standardised_per_channel() -> None:
    codes = torch.randn(50, 3, 4, 4) * torch.tensor([1.0, 2.0, 5.0]).view(3, 1, 1) + 7
    mean, scale = standard_of(codes)
    assert mean.shape == scale.shape == (3, 1, 1)
    standard = (codes - mean) / scale
    torch.testing.assert_close(standard.transpose(0, 1).flatten(1).std(1), torch.ones(3), atol=1e-4, rtol=0)


def test_codes_of_a_quantising_run_are_tokens_that_decode_exactly(folder: Path) -> None:
    data, run = open_data(f"codes:{folder / 'vq'}"), ganvas.open(folder / "vq")
    assert data.train.x.dtype == torch.int64 and int(data.train.x.min()) >= 0 and int(data.train.x.max()) < 16
    assert "tokens of 16 entries" in data.info.domain.words()
    x = as_trained(run, "digits").held_out.batch(torch.arange(8)).x
    # One decoder, two ways to its input: entries of the codebook, and their straight-through sum with the encoder's output.
    torch.testing.assert_close(data.info.domain.pixels(data.held_out.x[:8]), run.reconstruct(x), atol=1e-4, rtol=0)


def test_a_second_stage_samples_pictures_and_is_scored_in_them(folder: Path, tmp_path: Path) -> None:
    run = ganvas.open(folder / "flow")
    assert run.sample(5).shape == (5, 1, 8, 8)
    assert run.interpolate().shape == (11, 1, 8, 8)
    service.sample(run, tmp_path / "grid.png", num=4)
    assert Image.open(tmp_path / "grid.png").mode == "L"
    service.sample(run, tmp_path / "x.npz", num=4)
    assert np.load(tmp_path / "x.npz")["images"].shape == (4, 8, 8, 1)
    protocol = Protocol(("swd", "prdc"), num=64, features="random")
    rows = {row.score.name: row for row in service.evaluate(run, protocol=protocol)}
    first = {r.score.name: r for r in service.evaluate(ganvas.open(folder / "vae"), protocol=protocol)}
    assert rows["swd"].floor == first["swd"].floor, "real data are the pictures, not the codes"
    page = service.compare([run, ganvas.open(folder / "vae")], tmp_path / "page", data="digits", protocol=protocol)
    assert page.exists()


def test_a_second_stage_goes_on_bit_for_bit_and_stands_alone(folder: Path, tmp_path: Path) -> None:
    source = {"data": f"codes:{folder / 'vae'}"}
    whole = ganvas.train("flow", out=tmp_path / "whole", **SMALL | source | {"images": 192})
    ganvas.train("flow", out=tmp_path / "parts", **SMALL | source | {"images": 96})
    parts = ganvas.train(resume=tmp_path / "parts", images=192, quiet=True)
    for a, b in zip(whole.model.parameters(), parts.model.parameters(), strict=True):
        assert torch.equal(a, b)
    (folder / "vae").rename(folder / "away")
    try:
        alone = ganvas.open(tmp_path / "parts")
        assert torch.equal(alone.sample(3), parts.sample(3)), "the run holds its first stage"
    finally:
        (folder / "away").rename(folder / "vae")


def test_the_page_of_a_second_stage_says_what_its_codes_are(folder: Path) -> None:
    page = service.report(folder / "flow").read_text()
    assert "The training data are 4 codes for 8x8 grey images in 10 classes" in page


def test_an_export_carries_both_stages(folder: Path, tmp_path: Path) -> None:
    run = ganvas.open(folder / "flow")
    service.export(run, "hub-folder", tmp_path / "hub")
    assert torch.equal(ganvas.open(tmp_path / "hub").sample(3), run.sample(3))
    service.export(run, "torch", tmp_path / "torch")
    program = torch.export.load(tmp_path / "torch" / "generator.pt2").module()
    z = run.model.prior().sample((8,))
    y = torch.zeros(8, dtype=torch.int64)
    torch.testing.assert_close(program(z, y), run.generate(z, y), atol=1e-4, rtol=1e-3)


@pytest.mark.parametrize(
    ("name", "words"),
    [("gan", "no encoder"), ("cvae", "decodes by class"), ("nothing", "no run"), ("flow", "no encoder")],
)
def test_runs_without_usable_codes_are_refused(folder: Path, name: str, words: str) -> None:
    with pytest.raises(GanvasError, match=words):
        open_data(f"codes:{folder / name}")


def test_an_unfinished_first_stage_is_refused(folder: Path, tmp_path: Path) -> None:
    run = Path(shutil.copytree(folder / "vae", tmp_path / "vae"))
    text = (run / "recipe.json").read_text()
    (run / "recipe.json").write_text(text.replace('"images": 256', '"images": 5000'))
    with pytest.raises(GanvasError, match="not finished: it has seen 256 of 5,000"):
        open_data(f"codes:{run}")


def test_decoding_scales_back(folder: Path) -> None:
    run = ganvas.open(folder / "vae")
    mean, scale = torch.full((4,), 0.3), torch.full((4,), 2.0)
    z = torch.randn(3, 4)
    assert torch.equal(Decoding(run, mean, scale)(z), run.model.generate(mean + z * scale))


def test_tokens_are_refused_by_recipes_that_learn_numbers(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(GanvasError, match="learns images, points, codes, and this data is"):
        ganvas.train("flow", out=tmp_path / "t", **SMALL | {"data": f"codes:{folder / 'vq'}"})


@pytest.mark.parametrize(
    "content", ["{", "[]", '{"mean": [1.0]}', '{"mean": ["a"], "scale": [1.0]}', '{"mean": 1e999, "scale": 1}']
)
def test_a_damaged_scale_of_codes_is_told(folder: Path, tmp_path: Path, content: str) -> None:
    run = Path(shutil.copytree(folder / "flow", tmp_path / "flow"))
    (run / "first" / "codes.json").write_text(content)
    with pytest.raises(GanvasError, match=r"codes\.json is damaged"):
        ganvas.open(run)


def test_a_run_killed_before_its_first_stage_was_kept_goes_on(folder: Path, tmp_path: Path) -> None:
    run = Path(shutil.copytree(folder / "flow", tmp_path / "flow"))
    (run / "first" / "codes.json").unlink()
    again = ganvas.train(resume=run, images=288, quiet=True)
    assert again.sample(2).shape == (2, 1, 8, 8)

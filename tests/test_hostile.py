"""Input that is damaged, or made to harm: it is refused with one message, or used as far as it goes.

Each of these was found by benchmarks/fuzz.py, which looks for more.
"""

import gzip
import io
import json
import os
import shutil
import struct
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from safetensors.torch import load_file, save_file

import ganvas
from ganvas import GanvasError
from ganvas.cli import main
from ganvas.data import ImageOptions, open_data
from ganvas.data.domains.image_files import decode
from ganvas.errors import printable
from ganvas.machine import facts, memory
from ganvas.runs.directory import PUBLISHED, Directory
from ganvas.training import checkpoint, state

pytestmark = pytest.mark.trains

SMALL: dict[str, Any] = {"network": "mlp", "width": 4, "latent": 2, "batch_size": 32, "images": 64, "quiet": True}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "run"
    ganvas.train("vae", data="digits", out=out, checkpoint_every=32, **SMALL)
    return out


@pytest.fixture
def run(whole: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(whole, tmp_path / "run"))


def refused(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    with pytest.raises(SystemExit) as stopped:
        main([str(a) for a in arguments])
    assert stopped.value.code == 2
    said = capsys.readouterr().err
    assert "Traceback" not in said
    return said


def little_room(monkeypatch: pytest.MonkeyPatch, num_bytes: int) -> None:
    monkeypatch.setattr(memory, "room", lambda: num_bytes)


def test_a_file_longer_than_its_header_says_is_not_read_through(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    newest = checkpoint.checkpoints(run / "checkpoints")[-1]
    os.truncate(newest.with_suffix(".safetensors"), 2**33)  # a hole: it takes no room
    monkeypatch.setattr(checkpoint, "sha256", lambda path: pytest.fail("all of it would be read"))
    with pytest.raises(state.DamagedCheckpoint, match="cannot be read"):
        checkpoint.read(newest)


def test_a_mean_of_nothing_is_refused(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for file in checkpoint.checkpoints(run / "checkpoints"):
        facts = json.loads(file.read_text())
        facts["means"]["terms"] = {"autoencoder": {"rate": [1.0, 0]}}
        file.write_text(json.dumps(facts))
    assert "mean has no values" in refused(capsys, "train", "--resume", run, "--images", 96, "--quiet")


@pytest.mark.parametrize("beta1", [5e8, 1.0, -0.1])
def test_an_optimiser_that_torch_would_refuse_is_refused(beta1: float, capsys: pytest.CaptureFixture[str]) -> None:
    said = refused(capsys, "train", "gan", "--data", "digits", f"--beta1={beta1}", "--out", "nowhere")
    assert "at least 0 and below 1" in said


def test_a_page_is_written_of_what_is_no_text(run: Path) -> None:
    file = run / "recipe.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "summary": "\ud800"}))
    main(["report", str(run)])
    assert (run / "report.html").read_text(encoding="utf-8")


def test_a_score_without_its_words_is_refused(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["evaluate", str(run), "--metrics", "mse", "--num", "32"])
    entries = json.loads((run / "evaluation.json").read_text())
    entries[0]["score"]["card"]["split"] = None
    (run / "evaluation.json").write_text(json.dumps(entries))
    said = refused(capsys, "export", run, "--to", "hub-folder", "--out", tmp_path / "out")
    assert "this is not a score" in said


def test_the_end_of_options_is_refused_in_two_lines(capsys: pytest.CaptureFixture[str]) -> None:
    said = refused(capsys, "train", "vae", "--", "digits", "--width", 4, "--latent", 2, "--seed", 1, "--out", "new")
    assert said.count("\n") == 2 and "Leave it out" in said


def test_messages_are_one_line_that_no_terminal_obeys() -> None:
    error = GanvasError("a\nb\x1b[31m \u202e \u2028 \ud800 é漢字", "first\nsecond\x07")
    assert error.message == r"a b\x1b[31m \u202e \u2028 \ud800 é漢字"
    assert error.hint == "first\nsecond\\x07"
    assert len(printable("x" * 10**6)) < 1_100


def test_a_path_that_no_system_takes_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert "too long" in refused(capsys, "sample", "x" * 5_000, "--out", "a.png")


def test_a_recipe_that_asks_for_more_than_its_checkpoint_holds_is_refused_before_it_is_built(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = run / "recipe.json"
    settings_of = json.loads(file.read_text())
    for name, value in (("width", 10**9), ("latent", 10**12), ("width", 3_000)):
        changed = {**settings_of, "arguments": {**settings_of["arguments"], name: value}}
        file.write_text(json.dumps(changed))
        assert "than the run's files" in refused(capsys, "sample", run, "--out", run / "a.png")
        assert "than the run's files" in refused(capsys, "train", "--resume", run, "--images", "96", "--quiet")


def test_what_does_not_fit_is_said_before_it_is_tried(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    small = ("--data", "digits", "--images", "32", "--batch-size", "32", "--out", tmp_path / "new")
    assert "--width" in refused(capsys, "train", "vae", *small, "--network", "mlp", "--width", 10**9)
    assert "--size" in refused(capsys, "data", "digits", "--size", 10**7)
    assert "--size" in refused(capsys, "data", "digits", "--size", 10**400)
    assert "--num" in refused(capsys, "sample", run, "--num", 10**15, "--out", tmp_path / "a.png")
    assert "--num" in refused(capsys, "interpolate", run, "--num", 10**15, "--out", tmp_path / "a.png")
    Image.new("RGB", (9, 9)).save(tmp_path / "a.png")
    assert "--size" in refused(capsys, "data", tmp_path, "--size", 10**7)


def test_room_is_what_is_left_of_the_address_space(monkeypatch: pytest.MonkeyPatch) -> None:
    resource = pytest.importorskip("resource")
    monkeypatch.setattr(resource, "getrlimit", lambda kind: (2**50, 2**50))
    monkeypatch.setattr(facts, "system_file", lambda path: "1000 7 3 0 0 5 0" if path == "/proc/self/statm" else "")
    assert memory.free_addresses() == 2**50 - 1_000 * resource.getpagesize()
    monkeypatch.setattr(memory, "free_memory", lambda: 5)
    assert memory.room() == 5


def test_what_the_system_refuses_to_give_is_told_as_well() -> None:
    with pytest.raises(GanvasError, match="These networks would need more memory"):  # noqa: SIM117
        with memory.at_most(2**62, "These networks"):
            torch.empty(10**15)
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"), memory.at_most(2**62, "These networks"):
        torch.zeros(2, 3) @ torch.zeros(2, 3)


def test_tensors_are_counted_before_they_are_made() -> None:
    with memory.at_most(10**6, "These networks"):
        torch.nn.Linear(100, 100)
        with pytest.raises(GanvasError, match="These networks would need more than 977 KiB"):
            torch.nn.Conv2d(10**6, 10**6, 3)
    with pytest.raises(GanvasError), memory.at_most(10**6, "These networks"):
        for _ in range(10**6):
            torch.nn.Linear(1, 1)


def sealed(path: Path, tensors: dict[str, torch.Tensor]) -> None:
    """A checkpoint of other tensors, with facts that vouch for them."""
    save_file(tensors, path.with_suffix(".safetensors"))
    facts = json.loads(path.read_text())
    facts["sha256"] = checkpoint.sha256(path.with_suffix(".safetensors"))
    path.write_text(json.dumps(facts))


@pytest.mark.parametrize("harm", ["absent", "shape", "type"])
def test_an_optimisers_tensors_are_those_that_it_keeps(run: Path, harm: str) -> None:
    path = checkpoint.checkpoints(run / "checkpoints")[-1]
    tensors = load_file(path.with_suffix(".safetensors"))
    name = next(name for name in tensors if name.endswith("exp_avg_sq"))
    tensor = tensors.pop(name).clone()
    if harm != "absent":
        tensors[name] = torch.zeros(()) if harm == "shape" else tensor.long()
    sealed(path, tensors)
    with pytest.raises(state.DamagedCheckpoint, match="exp_avg_sq"):
        ganvas.train(resume=run, images=96, quiet=True)


def test_weights_of_another_type_are_refused(run: Path) -> None:
    path = checkpoint.checkpoints(run / "checkpoints")[-1]
    tensors = load_file(path.with_suffix(".safetensors"))
    sealed(path, {name: t.to(torch.complex64) if t.dim() == 2 else t for name, t in tensors.items()})
    with pytest.raises(state.DamagedCheckpoint, match="complex64, not"):
        ganvas.open(run).sample(1)


def test_weights_that_are_not_finite_make_nothing(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Neither in a run nor in what was exported of one."""
    main(["export", str(run), "--to", "hub-folder", "--out", str(tmp_path / "hub")])
    published, newest = tmp_path / "hub" / PUBLISHED, checkpoint.checkpoints(run / "checkpoints")[-1]

    def harmed(file: Path) -> dict[str, torch.Tensor]:
        return {k: torch.full_like(t, torch.nan) if "decoder" in k else t for k, t in load_file(file).items()}

    save_file(harmed(published), published)
    sealed(newest, harmed(newest.with_suffix(".safetensors")))
    for path in (run, tmp_path / "hub"):
        said = refused(capsys, "sample", path, "--num", 4, "--out", tmp_path / "s.png")
        assert "NaN or infinity in its weights: decoder" in said


def test_a_folder_of_which_nothing_is_held_out(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder, new = tmp_path / "pictures", tmp_path / "new"
    folder.mkdir()
    Image.new("L", (8, 8), 99).save(folder / "a.png")
    held_out = ("--data", folder, "--split", "held-out", "--out", tmp_path / "a.png")
    assert "no held-out examples" in refused(capsys, "reconstruct", run, *held_out)
    assert "no held-out examples" in refused(capsys, "evaluate", run, "--data", folder, "--metrics", "mse")
    codes = ("encode", run, "--data", folder, "--split", "held-out", "--out", tmp_path / "a.npz")
    assert "no held-out examples" in refused(capsys, *codes)
    ganvas.train("vae", data=str(folder), out=new, **{**SMALL, "batch_size": 1, "images": 2})
    Image.new("L", (8, 8), 9).save(folder / "b.png")  # one of two is held out
    ganvas.train("vae", data=str(folder), out=tmp_path / "two", **{**SMALL, "batch_size": 1, "images": 2})
    assert list((tmp_path / "two" / "samples").glob("walk-*.png"))


def test_metadata_that_is_a_pipe_is_refused(tmp_path: Path) -> None:
    Image.new("L", (8, 8)).save(tmp_path / "a.png")
    os.mkfifo(tmp_path / "metadata.jsonl")
    with pytest.raises(GanvasError, match="not a regular file"):
        open_data(str(tmp_path))


def test_a_file_that_metadata_alone_names_may_be_called_anything(tmp_path: Path) -> None:
    Image.new("L", (8, 8)).save(tmp_path / "a.png")
    (tmp_path / "metadata.jsonl").write_text('{"file_name": "\\ud800.png"}')
    assert [s.path.isprintable() for s in open_data(str(tmp_path)).skipped] == [True]


def npz(path: Path, header: str, content: bytes = bytes(640), kind: int = zipfile.ZIP_DEFLATED) -> str:
    with zipfile.ZipFile(path, "w", kind) as archive:
        text = header.encode("latin1")
        archive.writestr("images.npy", b"\x93NUMPY\x01\0" + struct.pack("<H", len(text)) + text + content)
    return f"npz:{path}"


def test_arrays_that_claim_more_than_they_hold_get_no_memory(tmp_path: Path) -> None:
    source = npz(tmp_path / "a.npz", "{'descr': '|u1', 'fortran_order': False, 'shape': (10, 99999, 99999), }")
    with pytest.raises(GanvasError, match=r"should hold 99,998,000,010 bytes, and holds 640"):
        open_data(source)


def test_archives_that_swell_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    little_room(monkeypatch, 10**6)
    shape = "{'descr': '|u1', 'fortran_order': False, 'shape': (4, 1024, 1024), }"
    with pytest.raises(GanvasError, match="would need 8 MiB"):
        open_data(npz(tmp_path / "a.npz", shape, bytes(2**22)))
    for part in ("train", "t10k"):
        header = b"\0\0\x08\x03" + struct.pack(">III", 4, 1_024, 1_024)
        (tmp_path / f"{part}-images-idx3-ubyte.gz").write_bytes(gzip.compress(header + bytes(2**22)))
        (tmp_path / f"{part}-labels-idx1-ubyte").write_bytes(b"\0\0\x08\x01\0\0\0\4" + bytes(4))
    with pytest.raises(GanvasError, match="would need 8 MiB"):
        open_data(f"idx:{tmp_path}")


@pytest.mark.parametrize("field", [(8, 1), (8, 99), (10, 99), (6, 99)], ids=str)
def test_a_zip_of_a_kind_that_python_cannot_read(tmp_path: Path, field: tuple[int, int]) -> None:
    path = tmp_path / "a.npz"
    np.savez_compressed(path, images=np.zeros((10, 8, 8), np.uint8))
    found = bytearray(path.read_bytes())
    struct.pack_into("<H", found, found.rfind(b"PK\x01\x02") + field[0], field[1])
    path.write_bytes(found)
    with pytest.raises(GanvasError, match="cannot be read"):
        open_data(f"npz:{path}")


def test_giants_are_brought_down_before_they_are_worked_on() -> None:
    giant = Image.radial_gradient("L").resize((4_200, 4_100))
    small = giant.resize((16, 16), Image.Resampling.LANCZOS)
    file = io.BytesIO()
    giant.save(file, "PPM")
    file.seek(0)
    pixels = decode(file, ImageOptions(size=16, crop="none"))
    assert np.abs(pixels[0].astype(int) - np.asarray(small).astype(int)).max() <= 2


@pytest.mark.parametrize("shape", [[1, 1, 8, 8], [1, 0, 8], [1, 8.5, 8], [], "188"], ids=str)
def test_a_run_of_examples_that_there_cannot_be_is_damaged(run: Path, shape: object) -> None:
    known = json.loads((run / "recipe.json").read_text())
    known["data"]["info"]["shape"] = shape
    (run / "recipe.json").write_text(json.dumps(known))
    with pytest.raises(GanvasError, match="damaged"):
        ganvas.open(run)


@pytest.mark.parametrize("shape", [[8, 8, 8], [1, 8], [8]], ids=str)
def test_a_run_of_examples_that_its_networks_do_not_fit_makes_none(run: Path, shape: list[int]) -> None:
    known = json.loads((run / "recipe.json").read_text())
    known["data"]["info"]["shape"] = shape  # codes of another run can have it
    (run / "recipe.json").write_text(json.dumps(known))
    with pytest.raises(GanvasError, match="another model"):
        ganvas.open(run).sample(1)


def test_options_are_numbers_that_torch_could_take(run: Path) -> None:
    known = json.loads((run / "recipe.json").read_text())
    known["arguments"]["beta"] = 10**400
    (run / "recipe.json").write_text(json.dumps(known))
    with pytest.raises(GanvasError, match="'beta'"):
        ganvas.open(run).sample(1)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_whatever_a_recipe_json_holds_it_is_refused_or_used(run: Path, data: st.DataObject) -> None:
    known = json.loads((run / "recipe.json").read_text())
    original = json.dumps(known)
    part = data.draw(st.sampled_from(sorted(known)))
    inner = known[part]
    if isinstance(inner, dict) and data.draw(st.booleans()):
        inner[data.draw(st.sampled_from(sorted(inner)))] = data.draw(JSON)
    else:
        known[part] = data.draw(JSON)
    try:
        (run / "recipe.json").write_text(json.dumps(known))
        try:
            Directory(run).settings()
            ganvas.open(run).sample(1)
        except GanvasError as error:
            assert error.message.isprintable()
    finally:
        (run / "recipe.json").write_text(original)

"""Files that somebody edited or damaged are refused with one message that names what is wrong.

Each of these once ended in a traceback, or was used without a word. benchmarks/fuzz.py looks for more.
"""

import io
import json
import shutil
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import ganvas
from ganvas import GanvasError
from ganvas.cli import main
from ganvas.data import open_data

SMALL: dict[str, Any] = {"network": "mlp", "width": 4, "latent": 2, "batch_size": 32, "images": 64, "quiet": True}
PIXELS = np.arange(40 * 64, dtype=np.uint16).reshape(40, 8, 8).astype(np.uint8)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "run"
    ganvas.train("vae", data="digits", out=out, **SMALL)
    main(["evaluate", str(out), "--metrics", "mse", "--num", "32"])
    return out


@pytest.fixture
def run(whole: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(whole, tmp_path / "run"))


def said(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str]:
    """The exit code of a command, and all that it printed."""
    code = 0
    capsys.readouterr()
    try:
        main([str(a) for a in arguments])
    except SystemExit as stopped:
        code = int(stopped.code or 0)
    printed = capsys.readouterr()
    return code, printed.out + printed.err


def harmed(path: Path, *way: str | int, value: Any) -> None:
    """Puts a value into a JSON file, at the end of a way of keys."""
    known = json.loads(path.read_text())
    part = known
    for key in way[:-1]:
        part = part[key]
    part[way[-1]] = value
    path.write_text(json.dumps(known))


HARM: list[tuple[tuple[str, ...], Any]] = [
    (("score", "error"), float("nan")),
    (("score", "error"), float("inf")),
    (("score", "error"), "0.1"),
    (("score", "error"), -0.5),
    (("score", "error"), True),
    (("untrained", "error"), float("inf")),
    (("score", "value"), 10**400),
    (("score", "better"), "sideways"),
    (("score", "card", "notes"), [None]),
    (("score", "card", "notes"), [["a"]]),
    (("score", "card", "features"), ["lenet"]),
    (("score", "card", "features"), 3),
    (("score", "card", "features_hash"), {}),
    (("score", "card", "num_samples"), True),
    (("score", "card", "num_reference"), "many"),
    (("score", "card", "seed"), None),
    (("score", "card", "settings"), {"k": [1]}),
    (("score", "card", "settings"), {"k": float("nan")}),
    (("score", "card", "versions"), []),
    (("images",), "64"),
    (("data",), None),
]


@pytest.mark.parametrize(("way", "value"), HARM, ids=[f"{'.'.join(way)}={str(value)[:9]}" for way, value in HARM])
def test_scores_that_somebody_edited(
    run: Path, way: tuple[str, ...], value: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    harmed(run / "evaluation.json", 0, *way, value=value)
    other = shutil.copytree(run, tmp_path / "other")
    compared = ("compare", run, other, "--metrics", "mse", "--num", "32", "--out", tmp_path / "page")
    exported = ("export", run, "--to", "hub-folder", "--out", tmp_path / "out")
    for command in (compared, exported):
        code, printed = said(capsys, *command)
        assert code == 2, printed
        assert "evaluation.json is damaged" in printed and "Remove it and evaluate again." in printed


def test_an_entry_that_does_not_name_its_images(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    entries = json.loads((run / "evaluation.json").read_text())
    del entries[0]["images"]
    (run / "evaluation.json").write_text(json.dumps(entries))
    other = shutil.copytree(run, tmp_path / "other")
    code, printed = said(capsys, "compare", run, other, "--metrics", "mse", "--num", "32", "--out", tmp_path / "page")
    assert code == 2 and "evaluation.json is damaged" in printed


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_an_option_that_is_no_finite_number(run: Path, value: float, capsys: pytest.CaptureFixture[str]) -> None:
    harmed(run / "recipe.json", "arguments", "learning_rate", value=value)
    code, printed = said(capsys, "train", "--resume", run, "--images", "96", "--quiet")
    assert code == 2 and "learning_rate" in printed and "finite" in printed
    with pytest.raises(GanvasError, match="learning_rate"):
        ganvas.train("vae", data="digits", out=run.with_name("new"), learning_rate=value, **SMALL)


ODD: dict[str, tuple[dict[str, np.ndarray], str]] = {
    "differences": ({"images": PIXELS.astype("m8[s]")}, r"timedelta64\[s\], not real numbers"),
    "differences as points": ({"x": np.zeros((40, 2), "m8[s]")}, "timedelta64"),
    "dates": ({"images": np.zeros((40, 8, 8), "M8[s]")}, "datetime64"),
    "records": ({"images": np.zeros((40, 8, 8), "f4,i2")}, "not real numbers"),
    "complex": ({"images": np.zeros((40, 8, 8), "c8")}, "complex64"),
    "labels": ({"images": PIXELS, "labels": np.zeros(40, "m8[s]")}, "labels are timedelta64"),
    "class names": (
        {"images": PIXELS, "labels": np.arange(40) % 3, "class_names": np.zeros(3, "m8[s]")},
        "class_names holds timedelta64",
    ),
    "captions": ({"images": PIXELS, "captions": np.zeros(40, "M8[s]")}, "captions holds datetime64"),
    "labels of two kinds": (
        {"x_train": PIXELS, "x_test": PIXELS, "y_train": np.array(["a"] * 40), "y_test": np.zeros(40, "M8[s]")},
        "labels are",
    ),
    "giants": ({"x": np.full((40, 2), 1e300)}, r"up to 1e\+300; float32 cannot hold the squares"),
    "squares": ({"x": np.linspace(-1e20, 1, 80).reshape(40, 2)}, "float32 cannot hold the squares"),
    "infinity": ({"x": np.full((40, 2), np.inf)}, "NaN or infinity"),
}


@pytest.mark.parametrize("name", ODD)
def test_arrays_that_nobody_could_train_on(name: str, tmp_path: Path) -> None:
    arrays, says = ODD[name]
    np.savez(tmp_path / "a.npz", **arrays)  # pyright: ignore[reportArgumentType]
    with pytest.raises(GanvasError, match=says):
        open_data(f"npz:{tmp_path / 'a.npz'}")


def npy(header: bytes, version: bytes = b"\x02\0") -> bytes:
    length = struct.pack("<H" if version == b"\x01\0" else "<I", len(header))
    return b"\x93NUMPY" + version + length + header + PIXELS.tobytes()


@pytest.mark.parametrize("version", [b"\x01\0", b"\x02\0", b"\x03\0"])
def test_a_long_header_is_not_called_a_pickle(version: bytes, tmp_path: Path) -> None:
    header = b"{'descr': '|u1', 'fortran_order': False, 'shape': (40, 8, 8), }"

    def archive(length: int) -> str:
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w") as file:
            file.writestr("images.npy", npy(header.ljust(length), version))
        (tmp_path / "a.npz").write_bytes(out.getvalue())
        return f"npz:{tmp_path / 'a.npz'}"

    assert len(open_data(archive(9_000)).train) + len(open_data(archive(9_000)).held_out) == 40
    with pytest.raises(GanvasError, match=r"header of images\.npy has 20,000 bytes") as refusal:
        open_data(archive(20_000))
    assert "Python objects" not in str(refusal.value)


ESCAPES = ("\x1b[31mred\x1b[0m", "\x1b]0;title\x07", "\u202egnp")


def of_class_names(tmp_path: Path) -> list[str]:
    names = np.array(ESCAPES)
    np.savez(tmp_path / "a.npz", images=PIXELS, labels=np.arange(40) % 3, class_names=names)
    return ["data", f"npz:{tmp_path / 'a.npz'}"]


def of_labels(tmp_path: Path) -> list[str]:
    np.savez(tmp_path / "a.npz", images=PIXELS, labels=np.array(ESCAPES)[np.arange(40) % 3])
    return ["data", f"npz:{tmp_path / 'a.npz'}"]


@pytest.mark.parametrize("source", [of_class_names, of_labels])
def test_class_names_do_not_reach_the_terminal_as_commands(
    source: Callable[[Path], list[str]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, printed = said(capsys, *source(tmp_path))
    assert code == 0 and "red" in printed and "title" in printed
    assert not {c for c in printed if not c.isprintable() and c != "\n"}


def test_a_diagnosis_quotes_no_commands_to_the_terminal(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    harmed(run / "recipe.json", "data", "source", value="digits\x1b]0;title\x07")
    code, printed = said(capsys, "doctor", run)
    assert code == 0 and "title" in printed
    assert not {c for c in printed if not c.isprintable() and c != "\n"}


def test_an_export_whose_list_of_networks_lost_its_prior(run: Path, tmp_path: Path) -> None:
    out = tmp_path / "exported"
    main(["export", str(run), "--to", "hub-folder", "--out", str(out)])
    networks = json.loads((out / "config.json").read_text())["networks"]
    harmed(out / "config.json", "networks", value=[name for name in networks if name != "prior"])
    assert ganvas.open(out).sample(2).shape == (2, 1, 8, 8)

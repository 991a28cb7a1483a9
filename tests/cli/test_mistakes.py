"""Usual mistakes in the flags of `train` are answered with the right flag."""

from pathlib import Path

import pytest

from ganvas.cli import main


def answer(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    with pytest.raises(SystemExit) as stopped:
        main(["train", *arguments])
    assert stopped.value.code == 2
    return " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["vae", "--epochs", "10"], "Write --images N, with N = 10 times the number of training images."),
        (["vae", "--epochs"], "Write --images N, with N = epochs times"),
        (["vae", "--iterations=500"], "N = 500 times the batch size (--batch-size)"),
        (["vae", "--lr", "1e-4"], "There is no --lr. Write --learning-rate 1e-4"),
        (["vae", "--batch=16"], "Write --batch-size 16"),
        (["vae", "--gpu"], "Write --device cuda"),
        (["vae", "--outdir", "x"], "Write --out x"),
        (["vae", "--images", "1e5"], "--images takes a whole number, not 1e5. Write --images 100000"),
        (["vae", "--images=200k"], "Write --images 200000"),
        (["vae", "--images", "1.5M"], "Write --images 1500000"),
        (["vae", "--batch_size", "1_000"], "Write --batch-size 1000"),
        (["vae", "--images", "100,000"], "Write --images 100000"),
        (["vae", "--size", "32x32"], "--size takes one number, not 32x32. Write --size 32"),
        (["vae", "--size", "64x48"], "Write --size 48: the middle is kept, or --crop none squeezes the whole."),
        (["vae", "my_pictures"], "'my_pictures' is no flag. Data is named by a flag: --data my_pictures"),
        (["pictures", "--lr", "1e-4"], "Unrecognized options"),
        (["--resume", "runs/x", "--lr", "1e-4"], "Write --learning-rate 1e-4"),
        (["flow", "--patch", "1.5"], "invalid"),
    ],
)
def test_the_right_flag_is_named(arguments: list[str], says: str, capsys: pytest.CaptureFixture[str]) -> None:
    shown = answer(capsys, *arguments)
    if says in ("Unrecognized options", "invalid"):  # left to the parser
        assert says.lower() in shown.lower() or "error" in shown.lower()
    else:
        assert says in shown


def test_data_in_the_place_of_the_recipe(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shown = answer(capsys, str(tmp_path))
    assert "is no recipe: it looks like data" in shown and f"ganvas train vaegan --data {tmp_path}" in shown


@pytest.mark.trains
def test_data_that_nobody_named_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tiny = ["--images", "8", "--batch-size", "8", "--width", "4", "--latent", "2", "--out"]
    main(["train", "vae", *tiny, str(tmp_path / "a")])
    assert "No --data was named: training on glyphs" in capsys.readouterr().err
    main(["train", "vae", *tiny, str(tmp_path / "b"), "--data", "digits"])
    assert "No --data" not in capsys.readouterr().err

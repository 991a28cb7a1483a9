"""A run knows its data again: what changed is said, and other data are not trained on unasked."""

import json
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

import ganvas
from ganvas import service
from ganvas.cli import main
from ganvas.data import identity, open_data
from ganvas.data.identity import Identity
from ganvas.errors import GanvasError
from ganvas.metrics.evaluation import Protocol
from ganvas.use.run import Run

NUM = 200


def pictures(num: int, seed: int = 0) -> Tensor:
    g = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (num, 8, 8), generator=g, dtype=torch.uint8)


def save(path: Path, x: Tensor, y: Tensor | None = None) -> str:
    arrays = {"x": x.numpy()} | ({} if y is None else {"y": y.numpy()})
    np.savez(path, **arrays)
    return f"npz:{path}"


def train(source: str, out: Path) -> Run:
    return ganvas.train(
        "vae", data=source, out=out, images=64, batch_size=32, quiet=True, network="mlp", width=8, latent=2
    )


def measure(run: Run, source: str | None = None) -> list[str]:
    """The warnings of an evaluation."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        service.evaluate(run, source, protocol=Protocol(metrics=("mse",), num=20))
    return [str(w.message) for w in caught]


@pytest.fixture
def source(tmp_path: Path) -> str:
    return save(tmp_path / "a.npz", pictures(NUM))


def test_an_identity_survives_json(source: str) -> None:
    known = Identity.of(open_data(source))
    again = Identity.from_json(json.loads(json.dumps(known.to_json())))
    assert not known.differences(again) and not known.reordered(again)
    assert torch.equal(again.train.numbers, known.train.numbers)


def test_a_run_keeps_what_it_knows_of_its_data(source: str, tmp_path: Path) -> None:
    run = train(source, tmp_path / "run")
    stored = json.loads((run.path / "data.json").read_text())
    data = open_data(source)
    assert stored["train"]["num"] == len(data.train) and stored["held_out"]["num"] == len(data.held_out)
    assert measure(run) == []


def test_rows_in_another_order_are_the_same_data(
    source: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = train(source, tmp_path / "run")
    save(tmp_path / "a.npz", pictures(NUM).flip(0))
    assert measure(run) == []  # and so nothing that is held out was trained on
    ganvas.train(resume=run.path, images=128)
    assert "another order" in capsys.readouterr().err


def test_other_pictures_are_not_trained_on_unasked(
    source: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = train(source, tmp_path / "run")
    num = run.info.num_train
    for seed in range(1, 1_000):  # wholly other pictures, of which as many are held out
        if len(open_data(save(tmp_path / "a.npz", pictures(NUM, seed))).train) == num:
            break
    with pytest.raises(GanvasError, match=rf"{num} of {num} training examples are new, {num} are gone") as error:
        ganvas.train(resume=run.path, images=128, quiet=True)
    assert "changed_data=True" in error.value.hint
    main(["train", "--resume", str(run.path), "--images", "128", "--changed-data"])
    assert "The data have changed" in capsys.readouterr().err
    known = identity.read(run.path)
    assert known is not None and len(known.changes) == 1 and len(known.earlier) == num
    save(tmp_path / "a.npz", pictures(NUM))
    [message] = measure(ganvas.open(run.path))
    assert "have changed" in message  # but of these held-out examples none was trained on


def test_data_that_grew(source: str, tmp_path: Path) -> None:
    run = train(source, tmp_path / "run")
    save(tmp_path / "a.npz", torch.cat([pictures(NUM), pictures(30, seed=1)]))
    with pytest.raises(GanvasError, match="not what the run was trained on") as error:
        ganvas.train(resume=run.path, images=128, quiet=True)
    assert "changed_data=True" in error.value.hint
    grown = ganvas.train(resume=run.path, images=128, quiet=True, changed_data=True)
    assert grown.info.num_train > run.info.num_train and grown.images_seen == 128
    known = identity.read(run.path)
    assert known is not None and known.changes == (
        f"{grown.info.num_train - run.info.num_train} of {grown.info.num_train} training examples are new, 0 are gone; "
        f"{30 - grown.info.num_train + run.info.num_train} of {NUM + 30 - grown.info.num_train} held-out examples are new, "
        "0 are gone",
    )


def test_labels_that_changed(tmp_path: Path) -> None:
    y = torch.arange(NUM) % 2
    run = train(save(tmp_path / "a.npz", pictures(NUM), y), tmp_path / "run")
    y[:40] = 1 - y[:40]
    save(tmp_path / "a.npz", pictures(NUM), y)
    with pytest.raises(GanvasError, match="training examples have other labels"):
        ganvas.train(resume=run.path, images=128, quiet=True)


def test_a_run_that_goes_on_by_itself_looks_too(source: str, tmp_path: Path) -> None:
    run = train(source, tmp_path / "run")
    num = run.info.num_train
    for seed in range(1, 1_000):
        if len(open_data(save(tmp_path / "a.npz", pictures(NUM, seed))).train) == num:
            break
    with pytest.raises(GanvasError, match="have changed"):
        ganvas.train(
            "vae", data=source, out=run.path, images=128, batch_size=32, resume_if_there=True, network="mlp",
            width=8, latent=2,
        )  # fmt: skip


def test_an_evaluation_says_how_many_examples_were_trained_on(source: str, tmp_path: Path) -> None:
    run = train(source, tmp_path / "run")
    x = open_data(source).train.x[:, 0]
    np.savez(tmp_path / "b.npz", x_train=x[:50].numpy(), x_test=torch.cat([x[:30], pictures(70, seed=2)]).numpy())
    messages = measure(run, f"npz:{tmp_path / 'b.npz'}")
    assert [m for m in messages if "trained on 30 of these 100 held-out examples (30%)" in m], messages


def test_a_run_of_version_0_1_0_goes_on_with_its_split(source: str, tmp_path: Path) -> None:
    run = service.train(
        "vae", data=source, out=tmp_path / "run", images=64, batch_size=32, quiet=True, network="mlp", width=8,
        latent=2, image_options=ganvas.data.ImageOptions(split_by="name"),
    )  # fmt: skip
    stored = json.loads((run.path / "recipe.json").read_text())
    del stored["data"]["options"]["split_by"]  # which that version did not write, and no data.json either
    (run.path / "recipe.json").write_text(json.dumps(stored))
    (run.path / "data.json").unlink()
    old = ganvas.open(run.path)
    assert old.settings.options.split_by == "name" and measure(old) == []
    assert ganvas.train(resume=run.path, images=128, quiet=True).images_seen == 128
    assert measure(ganvas.open(run.path)) == [] and identity.read(run.path) is not None


def test_duplicates_on_both_sides_are_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    x = pictures(60)
    np.savez(tmp_path / "a.npz", x_train=x[:50].numpy(), x_test=x[45:].numpy())
    main(["data", f"npz:{tmp_path / 'a.npz'}"])
    assert "held out and in train 5" in capsys.readouterr().out
    command = ["vae", "--network", "mlp", "--width", "8", "--images", "64", "--batch-size", "32"]
    main(["train", *command, "--data", f"npz:{tmp_path / 'a.npz'}", "--out", str(tmp_path / "run")])
    assert "5 of 15 held-out examples (33%) are equal to a training example" in capsys.readouterr().err


@pytest.mark.parametrize("content", ["{}", "[]", "nonsense", '{"train": 1}', '{"train": {"examples": "é"}}'])
def test_a_damaged_file_is_said(content: str, source: str, tmp_path: Path) -> None:
    run = train(source, tmp_path / "run")
    (run.path / "data.json").write_text(content)
    with pytest.raises(GanvasError, match=r"data\.json is damaged"):
        service.evaluate(run)

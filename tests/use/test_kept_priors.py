"""A prior that was fitted to a run's codes is kept with the run, and used again for the same weights, kind and seed."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.torch import load_file, save_file
from torch import Tensor

import ganvas
from ganvas import service
from ganvas.training import checkpoint
from ganvas.use.fitted_priors import Gaussian, GaussianMixture, PostHocPrior, SecondStage

pytestmark = pytest.mark.trains

TINY: dict[str, Any] = {"data": "digits", "batch_size": 64, "width": 4, "latent": 2, "quiet": True}
QUICK = SecondStage(width=8, depth=1, epochs=1, steps=20)
KINDS = [Gaussian(), GaussianMixture(2), QUICK]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("kept") / "vae"
    ganvas.train("vae", out=path, images=128, **TINY)
    return path


@pytest.fixture
def run(trained: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(trained, tmp_path / "run"))


@pytest.fixture
def fits(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The kinds of prior that were fitted, in order."""
    found: list[str] = []
    for kind in (Gaussian, GaussianMixture, SecondStage):

        def counted(self: Any, z: Tensor, seed: int = 0, fit: Any = kind.fit) -> Any:
            found.append(type(self).__name__)
            return fit(self, z, seed)

        monkeypatch.setattr(kind, "fit", counted)
    return found


def samples(run: Path, prior: PostHocPrior, seed: int = 0) -> np.ndarray:
    out = service.sample(service.open_run(run), run.parent / "samples.npz", num=4, seed=seed, prior=prior)
    return np.load(out)["images"]


@pytest.mark.parametrize("prior", KINDS, ids=lambda prior: type(prior).__name__)
def test_a_prior_is_fitted_once(run: Path, fits: list[str], prior: PostHocPrior) -> None:
    first, again = samples(run, prior), samples(run, prior)
    assert len(fits) == 1
    assert (first == again).all()
    assert sorted(file.suffix for file in (run / "priors").iterdir()) == [".json", ".safetensors"]


def test_another_seed_kind_or_option_is_fitted_anew(run: Path, fits: list[str]) -> None:
    for prior, seed in ((Gaussian(), 0), (Gaussian(), 1), (GaussianMixture(2), 0), (GaussianMixture(3), 0)):
        samples(run, prior, seed)
        samples(run, prior, seed)
    assert fits == ["Gaussian", "Gaussian", "GaussianMixture", "GaussianMixture"]


def test_other_weights_are_fitted_anew_and_old_priors_go(run: Path, fits: list[str]) -> None:
    samples(run, Gaussian())
    kept = next((run / "priors").glob("*.json"))
    ganvas.train(resume=run, images=256, quiet=True)
    for old in checkpoint.checkpoints(run / "checkpoints")[:-1]:
        old.unlink()
        old.with_suffix(".safetensors").unlink()
    samples(run, Gaussian())
    assert fits == ["Gaussian", "Gaussian"]
    assert not kept.exists()
    assert len(list((run / "priors").iterdir())) == 2


def test_a_damaged_prior_is_fitted_again_with_a_warning(run: Path, fits: list[str]) -> None:
    first = samples(run, Gaussian())
    tensors = next((run / "priors").glob("*.safetensors"))
    facts = tensors.with_suffix(".json")
    whole = tensors.read_bytes(), facts.read_text()

    def swap(change: dict[str, Tensor]) -> None:
        save_file({**load_file(tensors), **change}, tensors)
        facts.write_text(json.dumps({**json.loads(whole[1]), "sha256": checkpoint.sha256(tensors)}))

    means = load_file(tensors)["means"]
    for damage in (
        lambda: tensors.write_bytes(b"x"),
        lambda: facts.write_text("[]"),
        lambda: facts.write_text('{"key": {}}'),
        lambda: tensors.unlink(),
        lambda: swap({"means": means.repeat(1, 2)}),
        lambda: swap({"means": means * float("nan")}),
    ):
        damage()
        with pytest.warns(UserWarning, match="is damaged and is fitted again"):
            assert (samples(run, Gaussian()) == first).all()
        assert (tensors.read_bytes(), facts.read_text()) == whole
    assert len(fits) == 7


def test_nothing_is_written_through_a_link(run: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (run / "priors").symlink_to(tmp_path / "elsewhere")
    samples(run, Gaussian())
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_no_recipe_is_built_to_say_that_there_is_no_encoder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = ganvas.train("gan", out=tmp_path / "gan", images=64, **TINY)
    assert run.model is not None

    def build(*_: object) -> None:
        raise AssertionError("a recipe was built")

    monkeypatch.setattr("ganvas.service.looking.build", build)
    monkeypatch.setattr("ganvas.use.opening.build", build)
    with pytest.raises(ganvas.GanvasError, match="has no encoder") as error:
        service.encode(run, "digits", tmp_path / "codes.npz")
    assert "search=Search()" in str(error.value)
    assert "--invert" in "\n".join(error.value.on_command_line())
    with pytest.raises(ganvas.GanvasError, match="has no encoder"):
        service.sample(run, tmp_path / "x.png", prior=Gaussian())

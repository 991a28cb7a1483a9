"""Numbers that are not finite: whose, why, and how training goes on; gradients that are too large."""

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

import ganvas
from ganvas import service
from ganvas.core.batch import Batch
from ganvas.core.model import FromCodes, Player, Round, Terms
from ganvas.models.vae import VAE
from ganvas.probability.priors import Normal
from ganvas.runs import listing
from ganvas.training import checkpoint
from ganvas.training.failures import Norms, likely_cause
from ganvas.training.trainer import Trainer
from ganvas.training.verdicts import NotFinite

pytestmark = pytest.mark.trains

TINY: dict[str, Any] = {"data": "digits", "batch_size": 32, "width": 4, "latent": 2, "quiet": True}


class Line(FromCodes):
    """One number that descends its product with the data."""

    def __init__(self) -> None:
        super().__init__()
        self.a = torch.nn.Linear(1, 1, bias=False)
        torch.nn.init.zeros_(self.a.weight)
        self.prior = Normal(1)

    def players(self) -> tuple[Player, ...]:
        return (Player("line", [self.a], self.loss),)

    def forward(self, batch: Batch) -> Round:
        return Round(a=self.a(batch.x))

    def generate(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        return self.a(z)

    def loss(self, r: Round) -> Terms:
        return {"product": r.a.mean()}


def trainer(**options: Any) -> Trainer:
    return Trainer(Line(), {"line": partial(torch.optim.SGD, lr=1.0)}, **options)


def step(t: Trainer, slope: float) -> None:
    t.step(Batch(torch.full((2, 1), slope)))


def position(t: Trainer) -> float:
    return next(t.model.parameters()).item()


def test_a_move_with_a_gradient_far_beyond_the_usual_is_not_taken() -> None:
    t = trainer(skip_gradient_norm=10)
    for _ in range(Norms.WARM):
        step(t, 1.0)
    step(t, 10.5)
    assert (position(t), t.verdicts.skipped_moves) == (-16.0, 1)
    step(t, 9.5)
    assert (position(t), t.verdicts.skipped_moves, t.verdicts.skipped_steps) == (-25.5, 1, 0)


def test_nothing_is_unusual_before_enough_is_known_and_nothing_is_skipped_unasked() -> None:
    for t in (trainer(skip_gradient_norm=2), trainer()):
        for slope in (1.0, 100.0) * (Norms.WARM // 2):
            step(t, slope)
        assert t.verdicts.skipped_moves == 0
    step(t, 1e6)
    assert t.verdicts.skipped_moves == 0


def test_a_lasting_change_is_followed() -> None:
    t = trainer(skip_gradient_norm=10)
    for _ in range(Norms.SIZE):
        step(t, 1.0)
    for _ in range(Norms.SIZE):
        step(t, 100.0)
    assert t.verdicts.skipped_moves == Norms.SIZE // 2 + 1


def test_what_is_usual_is_kept_in_a_checkpoint(tmp_path: Path) -> None:
    slopes = [1.0 + (n % 7) for n in range(90)] + [30.0, 70.0, 1.0]
    whole, first, second = (trainer(skip_gradient_norm=10) for _ in range(3))
    for slope in slopes:
        step(whole, slope)
    for slope in slopes[:85]:
        step(first, slope)
    checkpoint.load(second, checkpoint.save(first, tmp_path))
    for slope in slopes[85:]:
        step(second, slope)
    assert whole.state()[1] == second.state()[1]
    assert position(whole) == position(second)
    assert whole.verdicts.skipped_moves == 1


def test_norms_come_back_in_their_order() -> None:
    norms = Norms()
    for n in range(100):
        norms.add(torch.tensor(float(n)))
    assert norms.to_list() == [float(n) for n in range(36, 100)]
    again = Norms(norms.to_list())
    again.add(torch.tensor(100.0))
    norms.add(torch.tensor(100.0))
    assert again.to_list() == norms.to_list()
    assert again.limit(2.0) == norms.limit(2.0) == 2 * 68.0


@pytest.mark.parametrize(
    ("broken", "norms", "largest", "cause"),
    [
        ({"rate": float("inf")}, [1.0] * 20, 1.0, "log-variance out of bounds"),
        ({"distortion": float("nan")}, [1.0] * 20, 1.0, "likelihood"),
        ({"adversarial": float("inf")}, [1.0] * 20, 1.0, "critic's scores"),
        ({"rate": float("inf")}, [1.0] * 20 + [40.0], 1.0, "grown from 1 to 40"),
        ({"rate": float("inf")}, [], 1e6, "weights have grown to 1e+06"),
        ({"depth": float("inf")}, [], 1.0, "overflow in the loss: depth"),
        ({}, [], 1.0, "backward pass"),
    ],
)
def test_the_cause_follows_the_evidence(
    broken: dict[str, float], norms: list[float], largest: float, cause: str
) -> None:
    assert cause in likely_cause(broken, norms, largest)[0]


def test_a_step_that_fails_says_who_what_and_why() -> None:
    t = trainer(patience=2)
    step(t, float("nan"))
    with pytest.raises(NotFinite, match="player line: product is nan; likely cause: bad data") as caught:
        step(t, float("nan"))
    assert [failure.player for failure in caught.value.failures] == ["line", "line"]


@pytest.fixture
def fragile(monkeypatch: pytest.MonkeyPatch) -> Callable[[int, float], None]:
    """Makes the VAE's loss infinite from so many images on, while its learning rate is above a limit."""
    sound = VAE.negative_elbo
    current: list[Trainer] = []
    created = Trainer.__init__

    def remember(self: Trainer, *args: Any, **options: Any) -> None:
        created(self, *args, **options)
        current[:] = [self]

    def arrange(since: int, limit: float) -> None:
        def loss(self: VAE, r: Round) -> Terms:
            terms = sound(self, r)
            if self.training and self.clock.images >= since and current[0].seats[0].step_factor > limit:
                terms["rate"] = terms["rate"] + float("inf")
            return terms

        monkeypatch.setattr(Trainer, "__init__", remember)
        monkeypatch.setattr(VAE, "negative_elbo", loss)

    return arrange


def facts(run: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


def newest(run: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    return checkpoint.read(checkpoint.checkpoints(run / "checkpoints")[-1])


def same(one: Path, two: Path) -> None:
    (facts_one, tensors_one), (facts_two, tensors_two) = newest(one), newest(two)
    assert facts_one | {"seconds": 0} == facts_two | {"seconds": 0}
    assert all(torch.equal(tensors_one[name], tensor) for name, tensor in tensors_two.items())


@pytest.mark.parametrize("since", [480, 96])
def test_a_run_goes_back_to_its_last_checkpoint_with_smaller_steps(
    tmp_path: Path, fragile: Callable[[int, float], None], since: int
) -> None:
    fragile(since, 0.3)  # two rewinds are needed
    run, back = tmp_path / "run", since // 320 * 320
    options = {**TINY, "checkpoint_every": 320}
    ganvas.train("vae", out=run, images=1_280, **options)
    known = newest(run)[0]
    assert known["step_factors"] == {"autoencoder": 0.25}
    assert [rewind["images"] for rewind in known["rewinds"]] == [back, back]
    events = [fact for fact in facts(run) if fact.get("event") == "rewound"]
    assert [event["images"] for event in events] == [back, back]
    assert "log-variance out of bounds" in events[0]["message"]
    assert facts(run)[-1]["event"] == "finished"
    assert sorted(fact["images"] for fact in facts(run)) == [fact["images"] for fact in facts(run)]
    assert "rewind 2 of at most 3" in (run / "report.html").read_text()

    part = tmp_path / "part"
    ganvas.train("vae", out=part, images=800, **options)
    ganvas.train(resume=part, images=1_280, quiet=True)
    same(run, part)


def test_a_run_killed_just_after_a_rewind_goes_on_the_same(
    tmp_path: Path, fragile: Callable[[int, float], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    fragile(480, 0.6)
    options = {**TINY, "checkpoint_every": 320, "images": 960}
    ganvas.train("vae", out=tmp_path / "whole", **options)

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr("ganvas.jobs.rewinding.note_rewinds", killed)
        ganvas.train("vae", out=tmp_path / "killed", **options)
    assert newest(tmp_path / "killed")[0]["step_factors"] == {"autoencoder": 0.5}
    ganvas.train(resume=tmp_path / "killed", quiet=True)
    same(tmp_path / "whole", tmp_path / "killed")
    told = [[f.get("event") for f in facts(tmp_path / name)] for name in ("whole", "killed")]
    assert told[0].count("rewound") == told[1].count("rewound") == 1


def test_after_the_last_rewind_a_report_says_what_happened(
    tmp_path: Path, fragile: Callable[[int, float], None]
) -> None:
    fragile(200, 0.0)  # always
    run = tmp_path / "run"
    with pytest.raises(NotFinite, match=r"given up after 2 rewinds.*player autoencoder: rate is inf") as caught:
        ganvas.train("vae", out=run, images=640, checkpoint_every=160, rewinds=2, **TINY)
    assert "report.html" in caught.value.hint
    page = (run / "report.html").read_text()
    assert "given up after 2 rewinds" in page
    assert [f["images"] for f in facts(run) if f.get("event") == "rewound"] == [160, 160]
    assert len(newest(run)[0]["rewinds"]) == 2
    assert listing.facts(run).state == "given up"
    assert [finding.illness for finding in service.doctor(run).diagnosis.findings] == ["divergence"]


def test_what_was_gone_back_to_in_vain_is_gone_behind(tmp_path: Path, fragile: Callable[[int, float], None]) -> None:
    fragile(300, 0.3)
    ganvas.train("vae", out=tmp_path, images=640, checkpoint_every=128, **TINY)
    assert [rewind["images"] for rewind in newest(tmp_path)[0]["rewinds"]] == [256, 128]

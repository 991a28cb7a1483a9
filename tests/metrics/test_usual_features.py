"""The feature network that nobody named follows from the data, and a score that untrained networks reach is marked."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

import ganvas
from ganvas.cli import main
from ganvas.data import Data, open_data
from ganvas.metrics import evaluation
from ganvas.metrics.card import Card, Score
from ganvas.metrics.catalog import Row
from ganvas.metrics.evaluation import Protocol, feature_network, photographs, usual_features
from ganvas.nn.efficientnet import installed


def noisy(num: int = 64) -> Tensor:
    """Colours that change from pixel to pixel, as in a photograph."""
    return torch.randint(256, (num, 3, 16, 16), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def flat(num: int = 64) -> Tensor:
    """Large areas of one colour, as in a drawing."""
    return noisy(num)[:, :, :4, :4].repeat_interleave(4, 2).repeat_interleave(4, 3)


def data_of(x: Tensor, labels: bool = True) -> Data:
    y = np.arange(len(x)) % 2
    return open_data((x.permute(0, 2, 3, 1).numpy(), y) if labels else x.permute(0, 2, 3, 1).numpy())


def test_photographs_are_told_by_their_pixels() -> None:
    assert photographs(noisy())
    assert not photographs(flat())
    assert not photographs(noisy()[:, :1])
    assert not photographs(torch.zeros(8, 2))


@pytest.mark.parametrize("there", [True, False])
def test_the_usual_network_follows_from_the_data(there: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evaluation, "installed", lambda: there)
    for labels, other in ((True, "lenet"), (False, "random")):
        assert usual_features(data_of(noisy(), labels), labels) == ("efficientnet" if there else other)
        assert usual_features(data_of(flat(), labels), labels) == other


@pytest.mark.skipif(not installed(), reason="the extra `features` is not installed")
def test_efficientnet_is_used_where_it_is_installed() -> None:
    assert feature_network(Protocol(), data_of(noisy())).name == "efficientnet-lite0"


CARD = Card("fid", "data", "held-out", 100)


def row(value: float, floor: float | None, untrained: float | None, error: float | None = 1.0, **card: Any) -> Row:
    better = "higher" if card.get("metric") == "prdc" else "lower"

    def score(number: float | None) -> Score | None:
        return None if number is None else Score("name", number, error, better, replace(CARD, **card))

    ours = score(value)
    assert ours is not None
    return Row(ours, score(floor), score(untrained))


@pytest.mark.parametrize(
    ("case", "reached"),
    [
        (row(50, 5, 300), False),
        (row(50, 5, 40), True),
        (row(50, 5, 52), True),  # within two standard errors of the difference
        (row(50, 5, 52, error=None), False),
        (row(50, 5, None), False),
        (row(50, None, 300), False),
        (row(1.0, 0.8, 1.0, 0.01, metric="prdc"), True),
        (row(1.0, 0.8, 0.9, 0.01, metric="prdc"), True),  # as good as real data
        (row(0.7, 0.8, 0.1, 0.01, metric="prdc"), False),
    ],
)
def test_a_score_that_untrained_networks_reach_is_known(case: Row, reached: bool) -> None:
    assert case.untrained_reach_it is reached


@pytest.mark.trains
def test_it_is_marked_on_the_screen_in_the_file_and_on_the_page(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A run of one step is as its untrained networks."""
    run = ganvas.train(
        "vae", data="digits", out=tmp_path / "run", images=8, batch_size=8, width=4, latent=2, quiet=True
    ).path
    main(["evaluate", str(run), "--metrics", "swd", "--num", "200"])
    shown = " ".join(capsys.readouterr().out.split())
    assert "*" in shown and "The untrained networks reach this score, too" in shown
    assert '"untrained_reach_it": true' in (run / "evaluation.json").read_text()
    assert "The untrained networks reach this score, too" in (run / "report.html").read_text()

"""Vital signs of samples that are known: fresh ones, copies, and ones that are all alike."""

import pytest
import torch

from ganvas.data import Data, open_data
from ganvas.signs import Examination


@pytest.fixture(scope="module")
def few() -> Data:
    """A ring of which 64 points are known."""
    data = open_data("ring8")
    return Data(data.source, data.train.select(torch.arange(64)), data.held_out, data.info)


def test_fresh_samples_are_no_nearer_to_the_few_training_examples_and_copies_are(few: Data) -> None:
    examination = Examination(few, 0, "cpu")
    fresh = few.held_out.batch(torch.arange(len(few.held_out) - 256, len(few.held_out))).x
    copied = examination.known.repeat(4, 1) + 1e-4
    signs = [examination.of_samples(x) for x in (fresh, copied)]
    assert signs[0]["nearer_train"] == pytest.approx(0.5, abs=0.15)
    assert signs[1]["nearer_train"] == 1.0
    assert signs[0]["distance"] == pytest.approx(0.0, abs=0.05)


def test_samples_that_are_alike_have_no_spread(few: Data) -> None:
    signs = Examination(few, 0, "cpu").of_samples(few.train.batch(torch.zeros(256, dtype=torch.long)).x)
    assert signs["spread"] == pytest.approx(0.0, abs=1e-3)
    assert isinstance(signs["bins"], list) and max(signs["bins"]) == 1.0

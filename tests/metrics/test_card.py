import json
import math
from dataclasses import replace

import pytest

from ganvas.errors import GanvasError
from ganvas.metrics.card import Card, Score, comparable

CARD = Card(
    "fid", "a" * 64, "held-out", 10_000, 10_000, "lenet", "b" * 64, "none", {"k": 5}, 3, {"torch": "2"}, ("a note",)
)


@pytest.mark.parametrize("value", [1.25, math.inf])
def test_round_trip_through_strict_json(value):
    score = Score("fid", value, 0.5, "lower", CARD)
    json.loads(score.to_json(), parse_constant=lambda text: pytest.fail(f"{text} is not JSON"))
    assert Score.from_json(score.to_json()) == score


def test_what_is_not_a_score():
    nameless = Score("fid", 1.0, 0.5, "lower", CARD).to_json().replace('{"k": 5}', "[5]")
    for text in (nameless, "{", "{}", "[]", '{"card": {"notes": [], "speed": 3}}'):
        with pytest.raises(GanvasError, match="not a score"):
            Score.from_json(text)


def test_one_protocol_is_comparable_whatever_its_seed():
    assert comparable([CARD, replace(CARD, seed=9, versions={"torch": "3"}, notes=())]) is None
    assert comparable([CARD]) is None


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"metric": "kid"}, "the metric differs: fid against kid"),
        ({"data": "c" * 64}, "the evaluation data differs: aaaaaaaaaaaa… against cccccccccccc…"),
        ({"split": "train"}, "the split differs: held-out against train"),
        ({"num_samples": 50}, "the number of samples differs: 10000 against 50"),
        ({"num_reference": None}, "the number of reference examples differs: 10000 against none"),
        ({"features": "inception"}, "the feature network differs: lenet against inception"),
        ({"features_hash": "d" * 64}, "the feature network's weights differs"),
        ({"resize": "299x299"}, "the resize differs: none against 299x299"),
        ({"settings": {"k": 3}}, "the setting k differs: 5 against 3"),
    ],
)
def test_another_protocol_is_not(change, reason):
    assert reason in (comparable([CARD, CARD, replace(CARD, **change)]) or "")

"""Every player of every recipe has a role, and a run writes the roles beside the terms."""

import json
from pathlib import Path
from typing import get_args

import pytest

import ganvas
from ganvas.core.model import Role
from ganvas.data import DataInfo
from ganvas.recipes import RECIPES
from ganvas.use.opening import seeded_build
from kinds import info_for

IMAGES = DataInfo(shape=(1, 32, 32), classes=("a", "b"), num_train=1_000)


@pytest.mark.parametrize("name", RECIPES)
def test_every_player_has_a_role(name: str) -> None:
    try:
        model = seeded_build(RECIPES[name], info_for(name, IMAGES), {}, 0).model
    except ganvas.GanvasError as error:
        pytest.skip(f"not for these images: {error.message}")
    for player in model.players():
        assert player.role in get_args(Role), player.name
        if "critic" in player.name or "discriminator" in player.name:
            assert player.role == "critic"


@pytest.mark.trains
def test_roles_are_logged(tmp_path: Path) -> None:
    run = ganvas.train("gan", data="ring8", width=4, batch_size=32, images=2_000, quiet=True, out=tmp_path / "run")
    lines = [json.loads(line) for line in (run.path / "metrics.jsonl").read_text().splitlines()]
    training = [line for line in lines if line.get("split") == "train"]
    assert training
    assert all(line["roles"] == {"critic": "critic", "generator": "generator"} for line in training)

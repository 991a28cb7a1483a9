"""What is advised can be done: every option that is named is one of the recipe at hand, or of every run."""

import dataclasses
import re

import pytest

from ganvas import service
from ganvas.cli.verbs import Training
from ganvas.health import DETECTORS
from ganvas.health.advice import advice
from ganvas.recipes import RECIPES


@pytest.fixture(scope="module")
def recipes() -> list[service.RecipeFacts]:
    return service.recipes()


@pytest.mark.parametrize("illness", DETECTORS)
def test_every_option_that_is_named_exists(illness: str, recipes: list[service.RecipeFacts]) -> None:
    always = {field.name for field in dataclasses.fields(Training)}
    for recipe in recipes:
        words = advice(illness, recipe.options)
        named = {flag.replace("-", "_") for flag in re.findall(r"--([a-z0-9-]+)", words)}
        assert named <= always | set(recipe.options), (recipe.name, words)
        assert re.fullmatch(r"Try [^\n]+\.", words)


@pytest.mark.parametrize("illness", DETECTORS)
def test_recipes_that_are_named_exist(illness: str) -> None:
    named = re.findall(r"\(([a-z0-9]+(?:-[a-z]+)*(?:, [a-z0-9-]+)*)\)", advice(illness, {}))
    assert {name for names in named for name in names.split(", ")} <= set(RECIPES)

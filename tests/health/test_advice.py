"""What is advised can be done: every option that is named is one of the recipe at hand, or of every run."""

import dataclasses
import re

import pytest

from ganvas import service
from ganvas.health import DETECTORS
from ganvas.health.advice import REMEDIES, advice
from ganvas.recipes import RECIPES
from ganvas.runs.settings import Training
from ganvas.training.recipe import fits, options


@pytest.fixture(scope="module")
def recipes() -> list[service.RecipeFacts]:
    """Those that a run can have: a system of two stages leaves a run of each of its recipes."""
    return [recipe for recipe in service.recipes() if recipe.name in RECIPES]


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


@pytest.mark.parametrize("factor", [1, 1e-9, 1e9])
def test_what_is_advised_can_be_given(factor: float, recipes: list[service.RecipeFacts]) -> None:
    """Every value is of its option's type, whatever the value is now."""
    for recipe in recipes:
        known = options(RECIPES[recipe.name])
        given = {name: scaled(value, factor) for name, value in recipe.options.items()}
        for illness in DETECTORS:
            for flag, value in re.findall(r"--([a-z0-9-]+) ([0-9][^ ,]*[0-9]|[0-9])(?=[ ,.])", advice(illness, given)):
                if flag.replace("-", "_") in known:
                    kind = known[flag.replace("-", "_")].type
                    number = float(value) if re.search(r"[.e]", value) else int(value)
                    assert fits(number, kind), (recipe.name, illness, flag, value)


def scaled(value: object, factor: float) -> object:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return value
    return max(1, int(value * factor)) if isinstance(value, int) else value * factor


BOUNDED = [("r1", 1000.0), ("penalty", 1e4), ("gamma", 1e6), ("instance_noise", 4.0), ("pack", 16), ("beta", 1e3)]


@pytest.mark.parametrize(("option", "value"), BOUNDED)
def test_what_is_far_too_much_is_not_advised_to_be_more(option: str, value: float) -> None:
    """An AAE with R1 of 1000 was told to try 10000."""
    for illness in REMEDIES:
        told = advice(illness, {option: value})
        increased = re.findall(rf"--{option.replace('_', '-')} ([0-9.e+]+[0-9])", told)
        assert all(float(number) < value for number in increased), told


def test_advice_approaches_its_bound_and_stops_there() -> None:
    assert "--r1 100 (now 50)" in advice("critic overpowering", {"r1": 50.0})
    assert "--r1" not in advice("critic overpowering", {"r1": 100.0})
    assert "--learning-rate" not in advice("divergence", {"learning_rate": 1e-6})
    assert "--codes 128 (now 512)" in advice("codebook collapse", {"codes": 512})

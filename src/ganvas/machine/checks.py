"""Checks of numbers that a user gives."""

from ganvas.errors import GanvasError


def at_least(value: int, least: int, flag: str) -> None:
    if value < least:
        raise GanvasError(f"{flag} must be at least {least}, not {value}.")

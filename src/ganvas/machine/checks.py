"""Checks of numbers that a user gives."""

from ganvas.errors import GanvasError, option


def at_least(value: int, least: int, name: str) -> None:
    """Raises GanvasError when the argument of that name is smaller."""
    if value < least:
        raise GanvasError(f"{option(name)} must be at least {least}, not {value}.")

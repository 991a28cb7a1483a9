from collections.abc import Iterator

import pytest

from ganvas.machine import rng


@pytest.fixture(autouse=True)
def seeded() -> Iterator[None]:
    with rng.building(0):
        yield

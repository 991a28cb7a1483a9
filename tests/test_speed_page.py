"""docs/speed.md is what its results say."""

import speed


def test_the_page_in_the_repository_is_the_page_of_its_results() -> None:
    assert speed.PAGE.read_text() == speed.page()

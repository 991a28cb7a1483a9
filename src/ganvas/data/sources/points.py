"""Checks for sources of points."""

from dataclasses import replace

from ganvas.data.domains.image_files import ImageOptions
from ganvas.errors import GanvasError, option


def no_image_options(source: str, options: ImageOptions) -> None:
    """Raises GanvasError for picture options with a source of points."""
    if replace(options, split_by="content", white=None if options.white == 65_535 else options.white) != ImageOptions():
        raise GanvasError(
            f"{source} holds points, not pictures.",
            f"Leave out {option('size')}, {option('crop')}, {option('channels')} and {option('white')}.",
        )

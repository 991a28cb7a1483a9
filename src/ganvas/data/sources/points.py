"""Checks of options that a source has no use for."""

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


def no_tables(source: str, options: ImageOptions) -> None:
    """Raises GanvasError for options of tables and of files with frames, with a source that has neither."""
    for name in ("label_column", "file_column", "caption_column", "frames"):
        if getattr(options, name):
            raise GanvasError(f"{source} has no use for {option(name)}.", "Leave it out.")

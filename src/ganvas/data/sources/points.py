"""Checks for sources of points."""

from dataclasses import replace

from ganvas.data.domains.image_files import ImageOptions
from ganvas.errors import GanvasError


def no_image_options(source: str, options: ImageOptions) -> None:
    """Raises GanvasError for picture options with a source of points."""
    if replace(options, split_by="content") != ImageOptions():
        raise GanvasError(f"{source} holds points, not pictures.", "Leave out --size, --crop and --channels.")

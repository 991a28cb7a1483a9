"""Data: named sources and their facts, seeded batches, and pictures."""

from ganvas.data.batches import batches
from ganvas.data.choice import representative
from ganvas.data.dataset import Data, DataInfo, Modes, Skipped, Split
from ganvas.data.domains.drawing import image_grid, points_picture, to_uint8
from ganvas.data.domains.image_files import ImageOptions, read_image
from ganvas.data.labels import keep_labels
from ganvas.data.sources.by_name import add_source, open_data, source_names
from ganvas.data.summary import summary
from ganvas.data.transforms import Binarize, Compose, HorizontalFlip

__all__ = [
    "Binarize",
    "Compose",
    "Data",
    "DataInfo",
    "HorizontalFlip",
    "ImageOptions",
    "Modes",
    "Skipped",
    "Split",
    "add_source",
    "batches",
    "image_grid",
    "keep_labels",
    "open_data",
    "points_picture",
    "read_image",
    "representative",
    "source_names",
    "summary",
    "to_uint8",
]

"""Formats that Pillow opens only with a plugin."""

import functools
import importlib

from PIL import features

HEIF = ("pillow_heif", "register_heif_opener", "pillow-heif")
JXL = ("pillow_jxl", "", "pillow-jxl-plugin")

PLUGINS = {".heic": HEIF, ".heif": HEIF, ".hif": HEIF, ".jxl": JXL}
"""By the files' endings: the module, its function that tells Pillow of it, and the package."""


@functools.cache
def missing(kind: str) -> str | None:
    """Why pictures whose names end in `kind` cannot be opened; None if they can be. It loads a plugin that is installed."""
    name = kind[1:].upper()
    if kind == ".avif" and not features.check("avif"):
        return "AVIF pictures need a newer Pillow: pip install -U pillow"
    if kind not in PLUGINS:
        return None
    module, register, package = PLUGINS[kind]
    try:
        plugin = importlib.import_module(module)
        if register:
            getattr(plugin, register)()
    except (ImportError, AttributeError, OSError):  # not installed, or not for this Pillow
        return f"{name} pictures need a plugin: pip install {package}; or convert them to PNG or JPEG"
    return None

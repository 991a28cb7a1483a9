"""GANs, VAEs and everything between them: trained, measured, compared, explained and used under one trainer.

    run = ganvas.train("vaegan", data="glyphs", images=50_000)
    run.sample(64), run.reconstruct(x), run.encode(x)
    run = ganvas.open("runs/vaegan-glyphs")

Nothing is imported before it is asked for: `import ganvas` does not load torch.
"""

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from ganvas.errors import GanvasError
    from ganvas.jobs.start import train
    from ganvas.use.opening import open_run as open
    from ganvas.use.pictures import load_images

__all__ = ["GanvasError", "__version__", "load_images", "open", "train"]

_PLACES = {
    "train": ("service", "train"),
    "open": ("service", "open_run"),
    "load_images": ("service", "load_images"),
    "GanvasError": ("errors", "GanvasError"),
}


def __getattr__(name: str) -> Any:
    import importlib

    if name in _PLACES:
        module, attribute = _PLACES[name]
        return getattr(importlib.import_module(f"ganvas.{module}"), attribute)
    raise AttributeError(f"module 'ganvas' has no attribute {name!r}")

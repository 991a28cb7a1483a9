"""One function for each user action. The command line and Python users call only these."""

from ganvas.jobs.stages import train
from ganvas.jobs.suggestion import Suggestion, suggest
from ganvas.metrics.evaluation import facts as metrics
from ganvas.service.looking import Checkup, RecipeFacts, check, clear_cache, data, doctor, recipes, report
from ganvas.service.measuring import compare
from ganvas.service.using import encode, interpolate, reconstruct, sample
from ganvas.studies.measuring import evaluate
from ganvas.use.export import export
from ganvas.use.opening import open_run
from ganvas.use.pictures import load_images

__all__ = [
    "Checkup",
    "RecipeFacts",
    "Suggestion",
    "check",
    "clear_cache",
    "compare",
    "data",
    "doctor",
    "encode",
    "evaluate",
    "export",
    "interpolate",
    "load_images",
    "metrics",
    "open_run",
    "recipes",
    "reconstruct",
    "report",
    "sample",
    "suggest",
    "train",
]

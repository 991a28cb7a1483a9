"""Diagnose a run: detectors read the lines of its metrics, and say what they saw, since when, and what to try.

`Watch` reads line by line, while a run trains or afterwards, and nothing else: so a resumed run, whose first lines it reads
again, finds the same as one that never stopped. Thresholds were chosen on the seeds FIT of `benchmarks/doctor.py`, and how
often they are right is measured on others: docs/health.md.
"""

from ganvas.health.course import Course, Points
from ganvas.health.detectors import DETECTORS, Sight
from ganvas.health.diagnosis import Diagnosis, Healed, diagnose
from ganvas.health.watch import Change, Finding, Watch

__all__ = ["DETECTORS", "Change", "Course", "Diagnosis", "Finding", "Healed", "Points", "Sight", "Watch", "diagnose"]

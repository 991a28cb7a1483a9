"""Diagnosis of a run: detectors read its lines of metrics, and report problems, their start, and what to try.

`Watch` reads only these lines, during training or afterwards. A resumed run reads its first lines again, so its findings
equal those of an uninterrupted run. Thresholds were chosen on the seeds FIT of `benchmarks/doctor.py`. docs/health.md has
error rates on other seeds.
"""

from ganvas.health.course import Course, Points
from ganvas.health.detectors import DETECTORS, Sight
from ganvas.health.diagnosis import Diagnosis, Healed, diagnose
from ganvas.health.watch import Change, Finding, Watch

__all__ = ["DETECTORS", "Change", "Course", "Diagnosis", "Finding", "Healed", "Points", "Sight", "Watch", "diagnose"]

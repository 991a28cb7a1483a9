"""Pages that open without a network: of a run, what was trained and how it went; of several, how they compare."""

from ganvas.report.build import write_report
from ganvas.report.comparison import render_comparison

__all__ = ["render_comparison", "write_report"]

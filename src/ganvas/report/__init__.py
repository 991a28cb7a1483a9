"""HTML pages that open offline: a report of one run, and comparisons of several."""

from ganvas.report.build import write_report
from ganvas.report.comparison import render_comparison

__all__ = ["render_comparison", "write_report"]

"""The page of a run: what was trained, how it went and how to go on, in one file that opens without a network."""

from ganvas.report.build import write_report

__all__ = ["write_report"]

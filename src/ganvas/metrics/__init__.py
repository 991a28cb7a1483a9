"""Metrics: every score carries its protocol. `catalog.METRICS` lists all metrics."""

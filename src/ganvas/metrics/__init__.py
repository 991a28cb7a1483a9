"""Metrics: every number travels with the protocol that made it. `catalog.METRICS` lists what there is."""

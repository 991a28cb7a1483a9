"""Losses: pure functions and small objects that return one scalar and use no optimiser."""

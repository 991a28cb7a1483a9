"""Data sources: one file for each kind, and their names."""

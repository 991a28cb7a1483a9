"""Runs: a folder for each training run, its settings, its log and its scores."""

"""Models: one published system per file."""

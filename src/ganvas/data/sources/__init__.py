"""Where data come from: each kind of source in one file, and their names."""

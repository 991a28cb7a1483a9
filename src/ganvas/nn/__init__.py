"""The parts that networks are built from."""

"""Pure functions and small objects that return one scalar; none of them sees an optimiser."""

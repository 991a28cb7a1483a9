"""The one abstraction: models and players, what they see, and the clocks they follow."""

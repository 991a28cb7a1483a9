"""The trainer, and what a training run needs: recipes, checkpoints, callbacks, averages."""

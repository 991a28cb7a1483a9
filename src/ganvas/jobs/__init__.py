"""A training run in progress: started, watched, recorded, finished."""

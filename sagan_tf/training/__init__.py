"""The training loop, its callbacks, and the watch over it."""

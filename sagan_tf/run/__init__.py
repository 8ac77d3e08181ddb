"""The run directory: its layout, its checkpoints, and networks back out of it."""

"""The callbacks, which act at some steps of a training."""

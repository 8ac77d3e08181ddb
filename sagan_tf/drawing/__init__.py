"""Plots, captions and animation files: nothing here knows what it draws."""

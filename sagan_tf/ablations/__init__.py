"""Reproduces the paper's tables at any scale: plans the runs, trains them, reports."""

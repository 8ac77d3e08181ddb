"""Reports that show a run on one page."""

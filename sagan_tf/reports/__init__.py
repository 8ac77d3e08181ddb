"""What a run was, on one page."""

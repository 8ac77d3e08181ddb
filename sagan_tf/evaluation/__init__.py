"""Evaluates generated images: feature networks, metrics, protocols."""

"""Writes a trained generator to files that other programs open."""

"""A trained generator as files that other programs open."""

"""Metrics of generated images, from features, logits and labels."""

"""Estimates what a training costs: FLOPs, memory and days."""

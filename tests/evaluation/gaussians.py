"""Seeded features that no mistake passes by symmetry: ranged, correlated, shifted."""

import numpy as np


def features(count, size, seed=0):
    """Features (count, size), float64, of full covariance and a mean far from 0."""
    rng = np.random.default_rng(seed)
    mixing = rng.normal(size=(size, size)) * np.geomspace(3, 0.1, size)
    shift = 5 + 0.3 * seed + np.arange(size) / size
    return rng.normal(size=(count, size)) @ mixing.T + shift

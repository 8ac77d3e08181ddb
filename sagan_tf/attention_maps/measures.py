"""Measures of an attention map: how spread out it is, and how far it reaches.

Maps are `(H, W, K, L)` arrays, as of `attention_scores.attention_maps_of`: the share
that the query in row H, column W takes from the key in row K, column L. Where the
official variant pools keys 2x2, a key is in the middle of the four pooled locations.
"""

import functools

import numpy as np


def entropy_bits(scores):
    """How spread out the attention of each query is.

        H_j = - sum_i beta_{j,i} log2 beta_{j,i}

    Args:
        scores: `(H, W, K, L)` array.

    Returns:
        `(H, W)` float64 array in bits: 0 when all attention is on one key,
        `max_entropy_bits` when every key has the same share.
    """

    def of_row(row):
        shares = row.astype(np.float64)
        logarithms = np.log2(np.where(shares > 0, shares, 1))
        # Not a sum of -0.0, which would be printed as "-0.00".
        return np.abs(np.sum(shares * logarithms, axis=(1, 2)))

    return np.stack([of_row(row) for row in scores])


def max_entropy_bits(scores):
    """The entropy of a uniform map, log2(K * L): float."""
    return float(np.log2(scores.shape[2] * scores.shape[3]))


def attention_distance(scores):
    """How far from itself each query looks, on average.

        d_j = sum_i beta_{j,i} |p_i - p_j|,   p: the middle of a location

    This is the mean attention distance of Vision Transformers (Dosovitskiy et al.,
    arXiv 2010.11929, figure 7), for one image and one query. Pooled keys are never
    closer than 0.71 cells, half the diagonal of a cell.

    Args:
        scores: `(H, W, K, L)` array.

    Returns:
        `(H, W)` float64 array in cells of the query grid; a cell is R / H pixels wide.
    """
    height, width, keys_high, keys_wide = scores.shape
    distances = np.empty((height, width))
    rows = (np.arange(keys_high) + 0.5) * height / keys_high
    columns = (np.arange(keys_wide) + 0.5) * width / keys_wide
    across = np.arange(width)[:, None] + 0.5 - columns
    for index, row in enumerate(scores):
        down = index + 0.5 - rows
        lengths = np.hypot(down[None, :, None], across[:, None, :])
        distances[index] = np.sum(lengths * row, axis=(1, 2))
    return distances


@functools.cache
def uniform_distance(grid):
    """Mean `attention_distance` of a uniform map of (H, W, K, L): float."""
    share = np.float64(1 / (grid[2] * grid[3]))
    return float(attention_distance(np.broadcast_to(share, grid)).mean())


def measure(scores, resolution):
    """The measures of one map, means over its queries.

    Args:
        scores: `(H, W, K, L)` array.
        resolution: int, R, side of the image in pixels.

    Returns:
        Dict of float: `entropy_bits`, `max_entropy_bits`, `entropy_share` (the first
        relative to the second), `distance_cells`, `distance_pixels`,
        `uniform_distance_pixels`.
    """
    pixels_per_cell = resolution / scores.shape[0]
    entropy = float(entropy_bits(scores).mean())
    distance = float(attention_distance(scores).mean())
    return {
        "entropy_bits": entropy,
        "max_entropy_bits": max_entropy_bits(scores),
        "entropy_share": entropy / max_entropy_bits(scores),
        "distance_cells": distance,
        "distance_pixels": distance * pixels_per_cell,
        "uniform_distance_pixels": uniform_distance(scores.shape) * pixels_per_cell,
    }

"""Measures of an attention map: how spread out it is, how far it reaches, and where.

Maps are `(H, W, K, L)` arrays from `attention_scores.attention_maps_of`: the share that
the query in row H, column W takes from the key in row K, column L. If the official
variant pools keys 2x2, a key is in the center of the four pooled locations.
"""

import functools

import numpy as np

from sagan_tf.errors import BadInput


def entropy_bits(scores):
    """Computes the entropy of each query: how spread out its attention is.

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
        # Avoids -0.0, which would be printed as "-0.00".
        return np.abs(np.sum(shares * logarithms, axis=(1, 2)))

    return np.stack([of_row(row) for row in scores])


def max_entropy_bits(scores):
    """Returns the entropy of a uniform map, log2(K * L): float."""
    return float(np.log2(scores.shape[2] * scores.shape[3]))


def attention_distance(scores):
    """Computes how far from itself each query looks, on average.

        d_j = sum_i beta_{j,i} |p_i - p_j|,   p: the center of a location

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
    """Returns the mean `attention_distance` of a uniform (H, W, K, L) map: float."""
    share = np.float64(1 / (grid[2] * grid[3]))
    return float(attention_distance(np.broadcast_to(share, grid)).mean())


def measure(scores, resolution):
    """Computes the measures of one map, as means over its queries.

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


def cells_of_pixels(points, resolution, grid):
    """Returns the cells of a map's query grid that contain the given pixels.

    Args:
        points: list of (x, y), in pixels from the upper left corner.
        resolution: int, R, side of the image in pixels.
        grid: (H, W, ...), the shape of the map.

    Returns:
        List of (row, column).

    Raises:
        BadInput: a point is not in the image.
    """
    height, width = grid[:2]
    for x, y in points:
        if not (0 <= x < resolution and 0 <= y < resolution):
            raise BadInput(
                f"queries must be pixels of the image, x and y in 0..{resolution - 1}. "
                f"Received: {x},{y}. Try --queries=auto."
            )
    return [(y * height // resolution, x * width // resolution) for x, y in points]


def pick_queries(scores, count=5):
    """Picks queries that look far and at few places, each at different places.

    It picks one query after another. The next query has the largest

        d_j (1 - H_j / H_max) min_i TV(j, i),   TV(j, i) = 1/2 sum_k |beta_jk - beta_ik|

    where d is the mean attention distance, H the entropy, and the minimum is over the
    queries i picked before: TV is the share of j's attention that is elsewhere than
    i's. The first query has the largest d_j (1 - H_j / H_max). If the value is 0 for
    all remaining queries (attention is uniform, or the same for all), the next query is
    the farthest from those picked. Queries closer than an eighth of the map to a picked
    one are picked only if there are no others. Ties go to the first query by rows.

    Args:
        scores: `(H, W, K, L)` array.
        count: int, number of queries; at most H * W.

    Returns:
        List of (row, column), the best first.

    Raises:
        BadInput: `count` is not in 1..H * W.
    """
    height, width = scores.shape[:2]
    if not 1 <= count <= height * width:
        raise BadInput(
            f"count must be in 1..{height * width}, the locations of the map. "
            f"Received: count={count}."
        )
    focus = 1 - entropy_bits(scores) / max_entropy_bits(scores)
    merit = (attention_distance(scores) * focus).ravel()
    flat = scores.reshape(height * width, -1)
    places = np.stack(np.divmod(np.arange(height * width), width), axis=1)
    novelty, room = np.ones(len(flat)), np.full(len(flat), np.inf)
    taken = []
    for _ in range(count):
        # Values that differ only by rounding errors count as equal on every machine.
        gain = np.round(merit * novelty, 5)
        is_free = room >= (max(height, width) / 8) ** 2
        if not is_free.any():
            is_free = room > 0
        if gain[is_free].max() <= 0:
            gain = room if taken else -_squares(places, places.mean(axis=0))
        best = int(np.argmax(np.where(is_free, gain, -np.inf)))
        taken.append(best)
        variation = [0.5 * np.abs(row - flat[best]).sum() for row in flat]
        novelty = np.minimum(novelty, variation)
        room = np.minimum(room, _squares(places, places[best]))
    return [(index // width, index % width) for index in taken]


def _squares(places, one):
    return np.sum((places - one) ** 2.0, axis=1)

"""Query points: locations of an image whose attention is worth looking at."""

import numpy as np

from sagan_tf.attention_maps.measures import (
    attention_distance,
    entropy_bits,
    max_entropy_bits,
)
from sagan_tf.errors import BadInput


def cells_of_pixels(points, resolution, grid):
    """The cells of a map's query grid that contain pixels of the image.

    Args:
        points: list of (x, y), pixels from the upper left corner.
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
    """Queries that look far, at few places, and each at different ones.

    It picks one query after another. The next one has the largest

        d_j (1 - H_j / H_max) min_i TV(j, i),   TV(j, i) = 1/2 sum_k |beta_jk - beta_ik|

    where d is the mean attention distance, H the entropy, and the minimum is over the
    queries i picked before: TV is the share of j's attention that is elsewhere than
    i's. The first has the largest d_j (1 - H_j / H_max). If the value is 0 for all that
    are left (attention is uniform, or the same for all), the next is the query farthest
    from those picked. Queries closer than an eighth of the map to one picked before are
    picked only if there are no others. Of equals, the first one by rows.

    Args:
        scores: `(H, W, K, L)` array.
        count: int, how many; at most H * W.

    Returns:
        List of (row, column), the best first.

    Raises:
        BadInput: `count` is not among 1..H * W.
    """
    height, width = scores.shape[:2]
    if not 1 <= count <= height * width:
        raise BadInput(
            f"count must be among 1..{height * width}, the locations of the map. "
            f"Received: count={count}."
        )
    focus = 1 - entropy_bits(scores) / max_entropy_bits(scores)
    merit = (attention_distance(scores) * focus).ravel()
    flat = scores.reshape(height * width, -1)
    places = np.stack(np.divmod(np.arange(height * width), width), axis=1)
    novelty, room = np.ones(len(flat)), np.full(len(flat), np.inf)
    taken = []
    for _ in range(count):
        # What differs by rounding alone counts as equal, on every machine.
        gain = np.round(merit * novelty, 5)
        is_free = room >= (max(height, width) / 8) ** 2
        if not is_free.any():
            is_free = room > 0
        if gain[is_free].max() <= 0:
            gain = room if taken else -_squares(places, places.mean(axis=0))
        best = int(np.argmax(np.where(is_free, gain, -np.inf)))
        taken.append(best)
        novelty = np.minimum(novelty, _total_variation(flat, flat[best]))
        room = np.minimum(room, _squares(places, places[best]))
    return [(index // width, index % width) for index in taken]


def _total_variation(rows, one):
    return np.array([0.5 * np.abs(row - one).sum() for row in rows])


def _squares(places, one):
    return np.sum((places - one) ** 2.0, axis=1)

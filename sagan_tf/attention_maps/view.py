"""A view: what one attention layer looks at in one image, from a few queries."""

import dataclasses

import numpy as np

from sagan_tf.attention_maps import measures
from sagan_tf.errors import BadInput

# The text in the figure and on the page for a layer whose gamma is 0.
NO_EFFECT = (
    "gamma = 0: this layer passes its input on unchanged. It has not been trained; its "
    "attention has no effect."
)


@dataclasses.dataclass(frozen=True)
class Query:
    """A location of the query grid, and what it looks at.

    Attributes:
        pixel: (x, y), ints: the cell's center, rounded to the right and down.
        cell: (row, column), ints.
        entropy_bits, distance_cells, distance_pixels: float, see `measures.py`.
        largest_share: float, in 0..1.
        largest_at: (row, column) of the key with the largest share, ints.
        scores: `(K, L)` float32 array, beta of eq. 1 for this query; its sum is 1.
    """

    pixel: tuple
    cell: tuple
    entropy_bits: float
    distance_cells: float
    distance_pixels: float
    largest_share: float
    largest_at: tuple
    scores: np.ndarray


@dataclasses.dataclass(frozen=True)
class View:
    """One image and one attention layer, with only the queries' parts of its map.

    Attributes:
        title: str, describes the image.
        pixels: `(R, R, C)` uint8 array.
        network, layer, gamma, has_effect: see `AttentionMap`.
        grid: (H, W, K, L), sizes of the grids of queries and keys.
        means: dict of means over all queries, see `measures.measure`.
        queries: tuple of `Query`.
    """

    title: str
    pixels: np.ndarray
    network: str
    layer: str
    gamma: float
    has_effect: bool
    grid: tuple
    means: dict
    queries: tuple

    def as_dict(self):
        """Returns the view's part of attention.json: plain numbers and text."""
        queries = [dataclasses.asdict(query) for query in self.queries]
        for query in queries:
            del query["scores"]
        return {
            "network": self.network,
            "layer": self.layer,
            "gamma": self.gamma,
            "has_effect": self.has_effect,
            "queries_by_keys": [self.grid[:2], self.grid[2:]],
            **self.means,
            "queries": queries,
        }


def make_view(pixels, attention_map, cells, title=""):
    """Makes the view of one image and one attention layer.

    Args:
        pixels: `(R, R, C)` uint8 array, C 1 or 3: the image that a generator made
            or a discriminator saw.
        attention_map: `AttentionMap`.
        cells: list of (row, column), the queries: see `pick_queries`.
        title: str, describes the image.

    Returns:
        `View`. It keeps no reference to the whole map.

    Raises:
        BadInput: the pixels are not such an array, or a cell is not on the map.
    """
    pixels, scores = np.asarray(pixels), attention_map.scores
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] not in (1, 3):
        raise BadInput(
            "pixels must be uint8 (R, R, 1) or (R, R, 3). Received: "
            f"{pixels.dtype} {pixels.shape}. Try images.to_pixels for images in "
            "[-1, 1]."
        )
    for row, column in cells:
        if not (0 <= row < scores.shape[0] and 0 <= column < scores.shape[1]):
            raise BadInput(
                f"cells must be on the map of {scores.shape[0]} x {scores.shape[1]} "
                f"queries. Received: row {row}, column {column}. Try pick_queries."
            )
    entropies = measures.entropy_bits(scores)
    distances = measures.attention_distance(scores)
    size = [pixels.shape[i] / scores.shape[i] for i in (0, 1)]
    queries = [
        _query((int(i), int(j)), scores[i, j], entropies[i, j], distances[i, j], size)
        for i, j in cells
    ]
    return View(
        title=title,
        pixels=pixels,
        network=attention_map.network,
        layer=attention_map.layer,
        gamma=attention_map.gamma,
        has_effect=attention_map.has_effect,
        grid=scores.shape,
        means=measures.measure(scores, pixels.shape[0]),
        queries=tuple(queries),
    )


def _query(cell, shares, entropy, distance, cell_size):
    (row, column), (high, wide) = cell, cell_size
    largest_at = np.unravel_index(shares.argmax(), shares.shape)
    return Query(
        pixel=(int((column + 0.5) * wide), int((row + 0.5) * high)),
        cell=cell,
        entropy_bits=float(entropy),
        distance_cells=float(distance),
        distance_pixels=float(distance) * high,
        largest_share=float(shares.max()),
        largest_at=tuple(map(int, largest_at)),
        scores=shares.copy(),
    )

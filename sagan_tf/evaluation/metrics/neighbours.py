"""Precision, recall, density and coverage, by nearest neighbours; and nearest rows.

`NearestRows` searches rows that come in batches. All distances are Euclidean.
"""

import concurrent.futures
import os

import numpy as np

from sagan_tf.errors import BadInput
from sagan_tf.evaluation.metrics.blas import one_blas_thread
from sagan_tf.evaluation.metrics.rows import check_pair, check_rows

BLOCK_MEBIBYTES = 64
# The rounding of |q|^2 + |r|^2 - 2 qr in float64, relative to |q|^2 + |r|^2: a few
# hundred times 2^-53, even for thousands of features.
_ROUNDING = 1e-12


def neighbour_scores(
    real_features, fake_features, precision_neighbours=3, density_neighbours=5
):
    """Computes improved precision and recall, density and coverage: dict of float.

    Kynkaanniemi et al., "Improved precision and recall metric for assessing generative
    models", arXiv 1904.06991, equations 1 and 2. Each image of a set has a ball around
    it that reaches to its k-th nearest other image in the set. The border belongs to
    the ball. Precision is the share of fake images in at least one ball of the real
    images. Recall is the share of real images in at least one ball of the fake images.

    Naeem et al., "Reliable fidelity and diversity metrics for generative models", arXiv
    2002.09797, section 3. Density is the mean number of real images' balls that contain
    a fake image, divided by k; it can be above 1. Coverage is the share of real images
    whose ball contains at least one fake image. Here too, the border belongs to the
    ball. The authors' code excludes it, which matters only for exact copies of images.

    Both sets are converted to float64 and centered at the mean of the real images. Two
    distances that differ by less than their rounding are equal: a border is the
    distance of two images, and a copy of the second must lie on it, even if both are
    copies and the distance is 0. Memory: both sets in float64, and 64 MiB for a block
    of distances, whatever N and M.

    Args:
        real_features, fake_features: float arrays (N, D) and (M, D).
        precision_neighbours: int, k of precision and recall; 3 in the paper.
        density_neighbours: int, k of density and coverage; 5 in the paper.

    Raises:
        BadInput: a set has k or fewer images, a shape is wrong, or a feature is NaN or
            infinite.
    """
    neighbours = [precision_neighbours, density_neighbours]
    if min(neighbours) < 1:
        raise BadInput(
            f"neighbours must be at least 1. Received: {neighbours}. Try 3 or 5."
        )
    real, fake = check_pair(real_features, fake_features, at_least=max(neighbours) + 1)
    center = real.mean(axis=0, dtype=np.float64)
    real, fake = real - center, fake - center
    radii, density_radii = _radii(real, neighbours)
    (fake_radii,) = _radii(fake, [precision_neighbours])

    def compare(block, lowest):
        inside = lowest <= density_radii
        return (
            (lowest <= radii).any(axis=1),
            (lowest <= fake_radii[block, np.newaxis]).any(axis=0),
            inside.sum(axis=1),
            inside.any(axis=0),
        )

    precise, recalled, balls, covered = zip(*_for_blocks(compare, fake, real))
    return {
        "precision": float(np.concatenate(precise).mean()),
        "recall": float(np.any(recalled, axis=0).mean()),
        "density": float(np.concatenate(balls).mean() / density_neighbours),
        "coverage": float(np.any(covered, axis=0).mean()),
    }


def _radii(features, neighbours):
    """Returns squared distances (N,) to the k-th nearest other row, for each k.

    Each distance is an upper bound of the exact value.
    """
    squares = np.einsum("nd,nd->n", features, features)

    def find(block, lowest):
        rows = np.arange(len(lowest))
        # No row is its own neighbour.
        lowest[rows, rows + block.start] = np.inf
        order = np.argpartition(lowest, [k - 1 for k in neighbours], axis=1)
        radii = []
        for k in neighbours:
            nearest = order[:, k - 1]
            slack = 2 * _ROUNDING * (squares[block] + squares[nearest])
            radii.append(lowest[rows, nearest] + slack)
        return radii

    return [
        np.concatenate(radii) for radii in zip(*_for_blocks(find, features, features))
    ]


def _for_blocks(function, queries, rows):
    """Returns the results of a function for blocks of queries: list, in order.

    The function gets the slice of the queries and their squared distances to all rows.
    Each distance is a lower bound of the exact value.
    """
    squares, row_squares = (np.einsum("nd,nd->n", x, x) for x in (queries, rows))

    def run(block):
        sums = squares[block, np.newaxis] + row_squares
        with one_blas_thread():
            products = queries[block] @ rows.T
        sums *= 1 - _ROUNDING
        products *= 2
        return function(block, np.subtract(sums, products, out=sums))

    # One thread for each core, because BLAS itself has only one.
    with (
        one_blas_thread(),
        concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool,
    ):
        return list(pool.map(run, _blocks(queries, rows)))


def _blocks(queries, rows):
    """Returns slices of the queries; those in progress together take 64 MiB."""
    room = BLOCK_MEBIBYTES * 2**20 / (8 * len(rows) * os.cpu_count())
    size = max(int(room), 1)
    starts = range(0, len(queries), size)
    return [slice(first, min(first + size, len(queries))) for first in starts]


class NearestRows:
    """Finds the k rows of a stream that are nearest to each query; keeps no others.

    Distances are exact up to float64 rounding, even for nearly equal rows: products
    only choose candidates, whose distance is the length of the difference. Of rows at
    the same distance, the first counts.

    Args:
        queries: float array `(Q, D)`.
        neighbours: int >= 1, k.
        own_positions: `(Q,)` ints, positions of the queries in the stream: no query is
            its own neighbour. `None` if the queries are not in the stream.

    Attributes:
        distances: `(Q, k)` float64, ascending; infinite if there are fewer than k rows.
        positions: `(Q, k)` int64, positions in the stream from 0; -1 for no row.
        count: int, rows so far.

    Raises:
        BadInput: the shape is wrong, or a value is NaN or infinite.
    """

    def __init__(self, queries, neighbours, own_positions=None):
        self._queries = check_rows(queries, "queries").astype(np.float64)
        self._squares = np.einsum("qd,qd->q", self._queries, self._queries)
        self._own = None if own_positions is None else np.asarray(own_positions)
        shape = (len(self._queries), neighbours)
        self.distances = np.full(shape, np.inf)
        self.positions = np.full(shape, -1, np.int64)
        self.count = 0

    def add(self, rows):
        """Adds rows of the stream.

        Args:
            rows: float array `(N, D)`.

        Raises:
            BadInput: the shape is wrong, or a value is NaN or infinite.
        """
        width = self._queries.shape[1]
        rows = check_rows(rows, "rows", width).astype(np.float64)
        places = self.count + np.arange(len(rows))
        self.count += len(rows)
        sums = self._squares[:, None] + np.einsum("nd,nd->n", rows, rows)
        with one_blas_thread():
            products = self._queries @ rows.T
        lowest = sums * (1 - _ROUNDING) - 2 * products
        may_be_near = lowest <= self.distances[:, -1:] ** 2
        if self._own is not None:
            may_be_near &= places != self._own[:, None]
        for query in np.flatnonzero(may_be_near.any(axis=1)):
            near = np.flatnonzero(may_be_near[query])
            away = np.linalg.norm(rows[near] - self._queries[query], axis=1)
            away = np.concatenate([self.distances[query], away])
            positions = np.concatenate([self.positions[query], places[near]])
            # Stable: of rows at the same distance, the earlier one stays first.
            order = np.argsort(away, kind="stable")[: self.distances.shape[1]]
            self.distances[query], self.positions[query] = away[order], positions[order]

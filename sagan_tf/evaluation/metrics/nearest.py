"""The nearest of many rows, which come in batches and are not kept."""

import numpy as np

from sagan_tf.evaluation.metrics.blas import one_blas_thread
from sagan_tf.evaluation.metrics.rows import check_rows

# The rounding of |q|^2 + |r|^2 - 2 qr in float64, as a part of |q|^2 + |r|^2: a few
# hundred times 2^-53, even for thousands of features.
_ROUNDING = 1e-12


class NearestRows:
    """The k rows of a stream that are nearest to each of some queries.

    Distances are Euclidean and exact to float64's rounding, even of nearly equal rows:
    products only choose candidates, whose distance is the length of the difference. Of
    rows at the same distance the first counts.

    Args:
        queries: float array `(Q, D)`.
        neighbours: int >= 1, k.
        own_positions: `(Q,)` ints, places of the queries in the stream: a query is no
            neighbour of its own. `None` if they are not in it.

    Attributes:
        distances: `(Q, k)` float64, rising; infinite where there are less than k rows.
        positions: `(Q, k)` int64, places in the stream from 0; -1 where there are none.
        count: int, rows so far.

    Raises:
        BadInput: another shape, NaN or infinity.
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
        """Looks at more rows.

        Args:
            rows: float array `(N, D)`.

        Raises:
            BadInput: another shape, NaN or infinity.
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
            self._insert(query, away, places[near])

    def _insert(self, query, distances, places):
        distances = np.concatenate([self.distances[query], distances])
        places = np.concatenate([self.positions[query], places])
        # Stable: what came earlier stays before what is as near.
        order = np.argsort(distances, kind="stable")[: self.distances.shape[1]]
        self.distances[query], self.positions[query] = distances[order], places[order]

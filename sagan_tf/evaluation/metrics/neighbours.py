"""Precision, recall, density and coverage: who lies in whose neighbourhood.

Distances are Euclidean; scikit-learn sums them in float64 and rounds those of float32
features to float32. Memory: a block of distances at a time, 64 MiB, whatever N and M.
"""

from typing import NamedTuple

import numpy as np
from sklearn.metrics import pairwise_distances_chunked
from sklearn.neighbors import NearestNeighbors

from sagan_tf.errors import BadInput
from sagan_tf.evaluation.metrics.blas import one_blas_thread
from sagan_tf.evaluation.metrics.rows import check_pair

BLOCK_MEBIBYTES = 64


class NeighbourScores(NamedTuple):
    """See `precision_recall` and `density_coverage`; `None` if not asked for."""

    precision: float | None
    recall: float | None
    density: float | None
    coverage: float | None


def precision_recall(real_features, fake_features, neighbours=3):
    """Improved precision and recall.

    Kynkaanniemi et al., "Improved precision and recall metric for assessing generative
    models", arXiv 1904.06991, equations 1 and 2. Around each image of a set lies a ball
    that reaches to its k-th nearest neighbour in that set, itself not counted; its
    border belongs to it. Precision is the share of fake images in at least one ball of
    the real ones, recall that of real images in at least one ball of the fake ones.

    Args:
        real_features, fake_features: float arrays (N, D) and (M, D).
        neighbours: int, k; the paper's is 3.

    Returns:
        precision, recall: floats in 0..1.

    Raises:
        BadInput: k or fewer images of a kind, other shapes, NaN or infinity.
    """
    scores = neighbour_scores(real_features, fake_features, neighbours, None)
    return scores.precision, scores.recall


def density_coverage(real_features, fake_features, neighbours=5):
    """Density and coverage.

    Naeem et al., "Reliable fidelity and diversity metrics for generative models", arXiv
    2002.09797, section 3. With the balls of `precision_recall`: density is the mean
    number of balls of real images that hold a fake one, over k; coverage is the share
    of real images whose ball holds at least one fake one. Here too a border belongs to
    its ball; the authors' code leaves it out, which only exact copies of images show.

    Args:
        real_features, fake_features: float arrays (N, D) and (M, D).
        neighbours: int, k; the paper's is 5.

    Returns:
        density: float, at least 0; can be above 1.
        coverage: float in 0..1.

    Raises:
        BadInput: k or fewer images of a kind, other shapes, NaN or infinity.
    """
    scores = neighbour_scores(real_features, fake_features, None, neighbours)
    return scores.density, scores.coverage


def neighbour_scores(
    real_features, fake_features, precision_neighbours=3, density_neighbours=5
):
    """The four together, in three fifths of the time of one pair after the other.

    Args:
        real_features, fake_features: float arrays (N, D) and (M, D).
        precision_neighbours: int, k of precision and recall; `None` leaves them out.
        density_neighbours: int, k of density and coverage; `None` leaves them out.

    Returns:
        `NeighbourScores`.

    Raises:
        BadInput: k or fewer images of a kind, other shapes, NaN or infinity.
    """
    wanted = [k for k in (precision_neighbours, density_neighbours) if k is not None]
    if not wanted or min(wanted) < 1:
        raise BadInput(
            f"neighbours must be at least 1. Received: {wanted}. Try 3 or 5."
        )
    real, fake = check_pair(real_features, fake_features, at_least=max(wanted) + 1)
    with one_blas_thread():
        radii = _radii(real, wanted)
        counts = []
        if precision_neighbours is not None:
            fake_radii = _radii(fake, [precision_neighbours])
            counts.append(_PrecisionCount(radii[0], fake_radii[0]))
        if density_neighbours is not None:
            counts.append(_DensityCount(radii[-1], density_neighbours))
        for rows, distances in _blocks(fake, real):
            for count in counts:
                count.add(rows, distances)
    results = {}
    for count in counts:
        results |= count.results()
    return NeighbourScores(*map(results.get, NeighbourScores._fields))


class _PrecisionCount:
    """Counts fake images in balls of real ones, and real in balls of fake."""

    def __init__(self, real_radii, fake_radii):
        self._real_radii, self._fake_radii = real_radii, fake_radii
        self._precise = []
        self._recalled = np.zeros(len(real_radii), bool)

    def add(self, rows, distances):
        self._precise.append((distances <= self._real_radii).any(axis=1))
        balls = self._fake_radii[rows, np.newaxis]
        self._recalled |= (distances <= balls).any(axis=0)

    def results(self):
        return {
            "precision": float(np.concatenate(self._precise).mean()),
            "recall": float(self._recalled.mean()),
        }


class _DensityCount:
    """Counts balls of real images around fake ones, and those that are not empty."""

    def __init__(self, real_radii, neighbours):
        self._radii, self._neighbours = real_radii, neighbours
        self._balls = []
        self._covered = np.zeros(len(real_radii), bool)

    def add(self, rows, distances):
        inside = distances <= self._radii
        self._balls.append(inside.sum(axis=1))
        self._covered |= inside.any(axis=0)

    def results(self):
        return {
            "density": float(np.concatenate(self._balls).mean() / self._neighbours),
            "coverage": float(self._covered.mean()),
        }


def _radii(features, neighbours):
    """Distances (N,) to the k-th nearest other row, for each k of `neighbours`."""
    search = NearestNeighbors(n_neighbors=max(neighbours), algorithm="brute")
    # Without an argument, no row is a neighbour of its own.
    distances, _ = search.fit(features).kneighbors()
    return [distances[:, k - 1] for k in neighbours]


def _blocks(fake, real):
    """Slices of the rows of `fake`, each with their distances to all of `real`."""
    first = 0
    # A thread for each core: BLAS has only one of its own.
    for distances in pairwise_distances_chunked(
        fake, real, n_jobs=-1, working_memory=BLOCK_MEBIBYTES
    ):
        yield slice(first, first + len(distances)), distances
        first += len(distances)

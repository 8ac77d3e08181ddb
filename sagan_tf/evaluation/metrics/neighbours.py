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
    """Precision, recall and coverage in 0..1; density at least 0, it can be above 1."""

    precision: float
    recall: float
    density: float
    coverage: float


def neighbour_scores(
    real_features, fake_features, precision_neighbours=3, density_neighbours=5
):
    """Improved precision and recall, density and coverage, from one pass.

    Kynkaanniemi et al., "Improved precision and recall metric for assessing generative
    models", arXiv 1904.06991, equations 1 and 2. Around each image of a set lies a ball
    that reaches to its k-th nearest neighbour in that set, itself not counted; its
    border belongs to it. Precision is the share of fake images in at least one ball of
    the real ones, recall that of real images in at least one ball of the fake ones.

    Naeem et al., "Reliable fidelity and diversity metrics for generative models", arXiv
    2002.09797, section 3. Density is the mean number of balls of real images that hold
    a fake one, over k; coverage is the share of real images whose ball holds at least
    one fake one. Here too a border belongs to its ball; the authors' code leaves it
    out, which only exact copies of images show.

    Args:
        real_features, fake_features: float arrays (N, D) and (M, D).
        precision_neighbours: int, k of precision and recall; the paper's is 3.
        density_neighbours: int, k of density and coverage; the paper's is 5.

    Returns:
        `NeighbourScores`.

    Raises:
        BadInput: k or fewer images of a kind, other shapes, NaN or infinity.
    """
    neighbours = [precision_neighbours, density_neighbours]
    if min(neighbours) < 1:
        raise BadInput(
            f"neighbours must be at least 1. Received: {neighbours}. Try 3 or 5."
        )
    real, fake = check_pair(real_features, fake_features, at_least=max(neighbours) + 1)
    precise, balls = [], []
    recalled, covered = np.zeros(len(real), bool), np.zeros(len(real), bool)
    with one_blas_thread():
        radii, density_radii = _radii(real, neighbours)
        (fake_radii,) = _radii(fake, [precision_neighbours])
        for rows, distances in _blocks(fake, real):
            precise.append((distances <= radii).any(axis=1))
            recalled |= (distances <= fake_radii[rows, np.newaxis]).any(axis=0)
            inside = distances <= density_radii
            balls.append(inside.sum(axis=1))
            covered |= inside.any(axis=0)
    return NeighbourScores(
        precision=float(np.concatenate(precise).mean()),
        recall=float(recalled.mean()),
        density=float(np.concatenate(balls).mean() / density_neighbours),
        coverage=float(covered.mean()),
    )


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

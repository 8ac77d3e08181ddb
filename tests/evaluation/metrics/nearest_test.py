"""Nearest rows of a stream, against all distances at once."""

import numpy as np
import pytest

from sagan_tf.evaluation.metrics.nearest import NearestRows


def all_distances(queries, rows):
    """By the definition, in the longest floats there are."""
    queries, rows = queries.astype(np.longdouble), rows.astype(np.longdouble)
    return np.sqrt(((queries[:, None] - rows[None]) ** 2).sum(-1))


def stream(search, rows, sizes):
    start = 0
    for size in sizes:
        search.add(rows[start : start + size])
        start += size
    assert start == len(rows)


@pytest.mark.parametrize("neighbours", [1, 5])
@pytest.mark.parametrize("sizes", [[300], [64, 64, 64, 64, 44], [1, 2, 297], [150] * 2])
def test_nearest_rows_are_those_of_all_distances(neighbours, sizes):
    random = np.random.default_rng(0)
    # Some of length 1000, where products of float32 know no distance of 0.01.
    rows = random.normal(size=(300, 7)).astype(np.float32) + 400
    queries = random.normal(size=(40, 7)).astype(np.float32) + 400
    queries[:10] = rows[:10] + 0.01
    search = NearestRows(queries, neighbours)
    stream(search, rows, sizes)
    expected = all_distances(queries, rows)
    order = np.argsort(expected, axis=1, kind="stable")[:, :neighbours]
    np.testing.assert_array_equal(search.positions, order)
    np.testing.assert_allclose(
        search.distances, np.take_along_axis(expected, order, 1).astype(float), 1e-12
    )
    assert search.count == 300


def test_a_copy_is_at_distance_zero_and_almost_a_copy_is_not():
    rows = np.random.default_rng(0).normal(size=(50, 2048)).astype(np.float32) * 30
    almost = rows[7].copy()
    almost[0] = np.nextafter(almost[0], np.float32(np.inf))
    search = NearestRows(np.stack([rows[7], almost]), 1)
    stream(search, rows, [20, 30])
    assert search.distances[0, 0] == 0
    np.testing.assert_allclose(
        search.distances[1, 0], float(almost[0]) - float(rows[7, 0]), rtol=1e-12
    )


@pytest.mark.parametrize("seed", range(10))
def test_rows_that_are_all_but_equal_are_not_overlooked(seed):
    """Their distances are below the rounding of the products that they are found by."""
    random = np.random.default_rng(seed)
    query = random.normal(size=(1, 500)) * 1000
    away = random.normal(size=(40, 500))
    away /= np.linalg.norm(away, axis=1, keepdims=True)
    rows = query + away * np.linspace(4e-5, 1e-5, 40)[:, None]
    search = NearestRows(query, 1)
    stream(search, rows, [1] * 40)
    assert search.positions.tolist() == [[39]]
    np.testing.assert_allclose(search.distances, [[1e-5]], rtol=1e-6)


def test_of_equal_rows_the_first_ones_count():
    rows = np.zeros((6, 2))
    search = NearestRows(np.ones((1, 2)), 3)
    stream(search, rows, [2, 4])
    assert search.positions.tolist() == [[0, 1, 2]]


def test_a_query_that_is_in_the_stream_is_no_neighbour_of_its_own():
    rows = np.random.default_rng(0).normal(size=(30, 3))
    rows[9] = rows[4]
    search = NearestRows(rows[[4, 20]], 2, own_positions=[4, 20])
    stream(search, rows, [5, 10, 15])
    distances = all_distances(rows[[4, 20]], rows).astype(float)
    distances[[0, 1], [4, 20]] = np.inf
    assert search.positions[0, 0] == 9
    assert search.distances[0, 0] == 0
    np.testing.assert_array_equal(
        search.positions, np.argsort(distances, axis=1, kind="stable")[:, :2]
    )


def test_with_too_few_rows_the_rest_is_empty():
    search = NearestRows(np.zeros((1, 2)), 3)
    search.add(np.ones((2, 2)))
    assert search.positions.tolist() == [[0, 1, -1]]
    assert search.distances[0, 2] == np.inf


def test_what_is_no_number_is_refused():
    with pytest.raises(ValueError, match="queries must be finite"):
        NearestRows(np.full((1, 2), np.nan), 1)
    with pytest.raises(ValueError, match="rows must be finite"):
        NearestRows(np.zeros((1, 2)), 1).add(np.full((1, 2), np.inf))

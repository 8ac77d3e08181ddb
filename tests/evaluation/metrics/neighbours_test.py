"""Precision, recall, density and coverage against their definitions, written out."""

import numpy as np
import pytest

from sagan_tf.evaluation.metrics import neighbours
from sagan_tf.evaluation.metrics.neighbours import NearestRows, neighbour_scores


def two_sets(dtype=np.float64):
    rng = np.random.default_rng(0)
    real = rng.normal(size=(90, 6))
    fake = rng.normal(size=(70, 6)) * 1.1 + 0.6
    return real.astype(dtype), fake.astype(dtype)


def distances(one, other):
    differences = one[:, np.newaxis].astype(np.float64) - other
    return np.sqrt((differences**2).sum(axis=-1))


def by_definition(real, fake, k):
    # Sorted, column 0 is the distance of each row to itself.
    real_radii, fake_radii = (
        np.sort(distances(rows, rows), axis=1)[:, k] for rows in (real, fake)
    )
    in_real_ball = distances(fake, real) <= real_radii
    in_fake_ball = distances(real, fake) <= fake_radii
    return {
        "precision": in_real_ball.any(axis=1).mean(),
        "recall": in_fake_ball.any(axis=1).mean(),
        "density": in_real_ball.sum() / (k * len(fake)),
        "coverage": in_real_ball.any(axis=0).mean(),
    }


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_the_four_are_those_of_their_definitions(dtype):
    real, fake = two_sets(dtype)
    at_2, at_4 = (by_definition(real, fake, k) for k in (2, 4))
    # Neither 0 nor 1, and every one different: no two can be mistaken.
    values = [*at_2.values(), *at_4.values()]
    assert len(set(values)) == 8 and 0 < min(values) and max(values) < 1
    for first, second, k in ((at_2, at_4, (2, 4)), (at_4, at_2, (4, 2))):
        expected = {
            name: (first if name in ("precision", "recall") else second)[name]
            for name in first
        }
        assert neighbour_scores(real, fake, *k) == pytest.approx(expected)


def test_the_papers_neighbours_are_the_defaults():
    real, fake = two_sets()
    at_3, at_5 = (by_definition(real, fake, k) for k in (3, 5))
    expected = {name: at_3[name] for name in ("precision", "recall")}
    expected |= {name: at_5[name] for name in ("density", "coverage")}
    assert neighbour_scores(real, fake) == pytest.approx(expected)


def test_blocks_of_distances_change_nothing(monkeypatch):
    real, fake = two_sets()
    whole = neighbour_scores(real, fake)
    # 90 distances of 8 bytes: some 10 rows a block.
    monkeypatch.setattr(neighbours, "BLOCK_MEBIBYTES", 7200 / 2**20)
    assert len(list(neighbours._blocks(fake, real))) > 3
    assert neighbour_scores(real, fake) == whole


def test_a_set_lies_in_itself():
    real, _ = two_sets()
    scores = neighbour_scores(real, real)
    assert scores["precision"] == scores["recall"] == scores["coverage"] == 1
    # Each ball holds its center and k neighbours, the last of them on its border.
    assert 1 <= scores["density"] <= 6 / 5


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("offset", [0, 1000])
def test_copies_of_real_images_are_precise_however_many_copies_there_are(dtype, offset):
    """A ball around copies has radius 0; rounding must not leave out its center."""
    rng = np.random.default_rng(0)
    once = (rng.normal(size=(150, 300)) * 3 + offset).astype(dtype)
    # Of some there are seven: more than any number of neighbours.
    real = np.concatenate([once, *[once[:60]] * 6])[rng.permutation(510)]
    for fake in (real, once, real[rng.permutation(510)[:77]]):
        scores = neighbour_scores(real, fake)
        assert scores["precision"] == 1
    assert neighbour_scores(real, once)["coverage"] == 1
    assert neighbour_scores(once, real)["recall"] == 1
    # A border goes through images too: these are the nearest neighbours of all.
    scores = neighbour_scores(real, real)
    assert scores["recall"] == scores["coverage"] == 1


def test_almost_a_copy_is_no_copy():
    once = np.random.default_rng(0).normal(size=(60, 300)).astype(np.float32)
    real = np.repeat(once, 7, axis=0)
    assert neighbour_scores(real, once + np.float32(1e-5))["precision"] == 0


def test_sets_far_apart_share_nothing():
    real, fake = two_sets()
    assert set(neighbour_scores(real, fake + 100).values()) == {0}


def test_pictures_of_one_kind_are_precise_but_cover_little():
    real, _ = two_sets()
    fake = real[0] + np.random.default_rng(1).normal(size=(70, 6)) * 1e-3
    scores = neighbour_scores(real, fake)
    assert scores["precision"] == 1
    assert scores["recall"] < 0.05
    assert scores["coverage"] < 0.3


@pytest.mark.parametrize("count", [(5, 9), (9, 5)])
def test_too_few_images_are_refused(count):
    real, fake = np.zeros((count[0], 2)), np.zeros((count[1], 2))
    with pytest.raises(ValueError, match=f"at least 6.*{count[0]} real, {count[1]} fa"):
        neighbour_scores(real, fake)


@pytest.mark.parametrize(
    "none", [{"precision_neighbours": 0}, {"density_neighbours": 0}]
)
def test_no_neighbours_are_refused(none):
    with pytest.raises(ValueError, match="at least 1. Received: "):
        neighbour_scores(*two_sets(), **none)


def test_features_of_other_networks_are_refused():
    with pytest.raises(ValueError, match="fake_features must have shape"):
        neighbour_scores(np.zeros((9, 3)), np.zeros((9, 4)))


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

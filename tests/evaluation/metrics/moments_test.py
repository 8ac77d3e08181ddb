"""Moments: NumPy's mean and covariance, in one pass and any order."""

import tracemalloc

import numpy as np
import pytest

from sagan_tf.evaluation.metrics.moments import Moments, moments_of
from sagan_tf.evaluation.metrics.rows import ROWS_AT_A_TIME
from tests.evaluation.gaussians import features


def moments_in_pieces(rows, *bounds):
    moments = Moments(rows.shape[1])
    for piece in np.split(rows, bounds):
        moments.update(piece)
    return moments


def assert_same(one, other, rtol=1e-12):
    assert one.count == other.count
    np.testing.assert_allclose(one.mean, other.mean, rtol=rtol)
    scale = np.abs(other.covariance).max()
    np.testing.assert_allclose(
        one.covariance, other.covariance, rtol=rtol, atol=rtol * scale
    )


def test_moments_are_those_of_numpy():
    rows = features(2 * ROWS_AT_A_TIME + 300, 7)
    moments = moments_in_pieces(rows, 3, 3, 500)
    assert moments.count == len(rows)
    np.testing.assert_allclose(moments.mean, rows.mean(axis=0), rtol=1e-13)
    covariance = np.cov(rows, rowvar=False)
    np.testing.assert_allclose(moments.covariance, covariance, rtol=1e-11, atol=1e-12)
    assert moments.covariance.dtype == moments.mean.dtype == np.float64


def test_the_order_does_not_matter():
    rows = features(3000, 6) + 1e3
    shuffled = np.random.default_rng(1).permutation(rows)
    by_size = rows[np.argsort(rows[:, 0])]
    expected = moments_in_pieces(rows)
    for other in (shuffled, by_size):
        assert_same(moments_in_pieces(other, 1, 64, 2000), expected, 1e-9)


def test_features_of_little_spread_far_from_zero_keep_their_digits():
    rows = features(500, 4)
    far = rows + 2**20
    expected = np.cov(far - 2**20, rowvar=False)
    found = moments_in_pieces(far, 100).covariance
    np.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-10)


def test_stored_statistics_come_back_and_go_on():
    rows = features(300, 5)
    before = moments_in_pieces(rows[:100])
    mean, covariance = before.mean, before.covariance
    after = Moments.from_statistics(before.count, mean, covariance)
    mean[:], covariance[:] = 0, 0  # what was passed in is not kept
    assert_same(after, before)
    after.update(rows[100:])
    assert_same(after, moments_in_pieces(rows))


def test_float32_features_are_summed_in_float64():
    rows = (features(2000, 3) + 3e4).astype(np.float32)
    expected = np.cov(rows.astype(np.float64), rowvar=False)
    found = moments_in_pieces(rows).covariance
    np.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-10)


def test_memory_does_not_grow_with_the_features():
    rows = np.ones((20 * ROWS_AT_A_TIME, 20), np.float32)
    moments = Moments(20)
    tracemalloc.start()
    moments.update(rows)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    # A piece as float64 and its workings, nowhere near twice the input.
    assert peak < 0.5 * rows.nbytes


def test_arrays_are_measured_each_by_itself():
    sets = [features(50, 4, seed=1), features(80, 6, seed=2)]
    found = moments_of(*sets)
    for moments, rows in zip(found, sets):
        assert_same(moments, moments_in_pieces(rows))


def test_what_is_not_finite_is_counted_and_nothing_is_added():
    rows = features(2000, 4)
    rows[[1500, 1700], 2] = np.nan, np.inf
    moments = Moments(4)
    with pytest.raises(ValueError, match="in 2 of 2,000 rows, first in row 1500"):
        moments.update(rows)
    assert moments.count == 0


@pytest.mark.parametrize("shape", [(3,), (3, 5), (2, 2, 4)])
def test_other_shapes_are_refused(shape):
    with pytest.raises(ValueError, match="must have shape"):
        Moments(4).update(np.zeros(shape))


@pytest.mark.parametrize("count", [0, 1])
def test_a_covariance_of_fewer_than_two_rows_is_refused(count):
    moments = Moments(4)
    moments.update(features(count, 4))
    with pytest.raises(ValueError, match=f"at least 2 rows.*Received: {count}"):
        _ = moments.covariance


@pytest.mark.parametrize(
    ("count", "mean", "covariance", "complaint"),
    [
        (1, np.zeros(3), np.eye(3), "count=1"),
        (9, np.zeros(2), np.eye(3), "shapes"),
        (9, np.zeros(3), np.diag([1, 1, np.nan]), "finite"),
        (9, np.zeros(3), np.triu(np.ones((3, 3))), "symmetric"),
    ],
)
def test_impossible_statistics_are_refused(count, mean, covariance, complaint):
    with pytest.raises(ValueError, match=complaint):
        Moments.from_statistics(count, mean, covariance)

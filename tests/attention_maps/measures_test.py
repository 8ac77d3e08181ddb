"""Entropy and mean attention distance of maps whose figures are known."""

import math

import numpy as np
import pytest

from sagan_tf.attention_maps import measures


def on_one_key(grid, row, column):
    """All queries look at one key."""
    scores = np.zeros(grid, "float32")
    scores[:, :, row, column] = 1
    return scores


def uniform(grid):
    return np.full(grid, 1 / (grid[2] * grid[3]), "float32")


def test_one_key_is_no_entropy_and_all_alike_the_most():
    one, all_ = on_one_key((2, 3, 4, 8), 1, 5), uniform((2, 3, 4, 8))
    np.testing.assert_array_equal(measures.entropy_bits(one), np.zeros((2, 3)))
    assert not np.signbit(measures.entropy_bits(one)).any()
    np.testing.assert_allclose(measures.entropy_bits(all_), np.full((2, 3), 5.0))
    assert measures.max_entropy_bits(all_) == 5.0


def test_entropy_is_in_bits_and_of_each_query():
    scores = on_one_key((2, 3, 4, 8), 1, 5)
    scores[1, 2, 1, 5], scores[1, 2, 0, 0] = 0.75, 0.25
    expected = np.zeros((2, 3))
    expected[1, 2] = 0.25 * 2 + 0.75 * math.log2(4 / 3)
    np.testing.assert_allclose(measures.entropy_bits(scores), expected)


def test_distance_to_one_key_is_that_of_the_middles():
    distances = measures.attention_distance(on_one_key((2, 3, 2, 3), 1, 2))
    expected = [[math.hypot(1, 2), math.hypot(1, 1), 1], [2, 1, 0]]
    np.testing.assert_allclose(distances, expected)


def test_a_pooled_key_lies_in_the_middle_of_four_locations():
    distances = measures.attention_distance(on_one_key((4, 8, 2, 4), 1, 3))
    corner = math.hypot(0.5, 0.5)
    np.testing.assert_allclose(distances[2:, 6:], np.full((2, 2), corner))
    assert distances[0, 0] == pytest.approx(math.hypot(3 - 0.5, 7 - 0.5))


def test_distance_is_weighted_by_the_shares():
    scores = on_one_key((1, 4, 1, 4), 0, 0)
    scores[0, 1] = [[0.5, 0.25, 0, 0.25]]
    distances = measures.attention_distance(scores)
    np.testing.assert_allclose(distances, [[0, 0.5 * 1 + 0.25 * 2, 2, 3]])


def test_distance_of_a_uniform_map_is_the_mean_of_all_pairs():
    grid = (4, 6, 2, 6)
    pairs = [
        math.hypot(r + 0.5 - 2 * (k + 0.5), c - j)
        for r in range(4)
        for c in range(6)
        for k in range(2)
        for j in range(6)
    ]
    assert measures.uniform_distance(grid) == pytest.approx(np.mean(pairs))


def test_figures_are_means_and_pixels_are_those_of_the_image():
    scores = uniform((4, 4, 2, 2))
    scores[0, 0] = [[1, 0], [0, 0]]
    figures = measures.measure(scores, resolution=32)
    assert figures["entropy_bits"] == pytest.approx(2 * 15 / 16)
    assert figures["max_entropy_bits"] == 2
    assert figures["entropy_share"] == pytest.approx(15 / 16)
    cells = measures.attention_distance(scores).mean()
    assert figures["distance_cells"] == pytest.approx(cells)
    assert figures["distance_pixels"] == pytest.approx(8 * cells)
    uniform_pixels = 8 * measures.uniform_distance((4, 4, 2, 2))
    assert figures["uniform_distance_pixels"] == pytest.approx(uniform_pixels)

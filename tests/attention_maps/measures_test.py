"""Entropy and mean attention distance of known maps, and the points that are picked."""

import math

import numpy as np
import pytest

from sagan_tf.attention_maps import measures
from sagan_tf.attention_maps.measures import cells_of_pixels, pick_queries

GRID = (8, 8, 4, 4)


def on_one_key(grid, row, column):
    """All queries look at one key."""
    scores = np.zeros(grid, "float32")
    scores[:, :, row, column] = 1
    return scores


def uniform(grid=GRID):
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


def looking(at):
    """A map in which some queries look at one key each, and the others at all alike."""
    scores = uniform()
    for (row, column), key in at.items():
        scores[row, column] = 0
        scores[(row, column, *key)] = 1
    return scores


def test_a_pixel_lies_in_a_cell():
    points = [(0, 0), (31, 31), (7, 8), (8, 7), (15, 16)]
    found = cells_of_pixels(points, 32, (4, 8, 2, 4))
    assert found == [(0, 0), (3, 7), (1, 1), (0, 2), (2, 3)]


@pytest.mark.parametrize("point", [(32, 0), (0, 32), (40, 3)])
def test_a_pixel_outside_the_image_is_named(point):
    words = rf"0\.\.31\. Received: {point[0]},{point[1]}"
    with pytest.raises(ValueError, match=words):
        cells_of_pixels([(1, 1), point], 32, GRID)


def test_those_are_picked_that_look_far_at_few_and_at_different_places():
    far, also_far, nearer = (0, 0), (7, 6), (7, 0)
    near, same_as_far = (1, 7), (0, 4)
    scores = looking(
        {
            **{far: (3, 3), also_far: (0, 0), nearer: (2, 3)},
            # Focused, but on its own surroundings.
            near: (0, 3),
            # Further than `nearer` looks, but at what `far` looks at.
            same_as_far: (3, 3),
        }
    )
    assert pick_queries(scores, 3) == [far, also_far, nearer]


def test_what_differs_by_rounding_alone_counts_as_equal():
    scores = looking({(0, 0): (3, 3), (7, 7): (0, 0), (0, 7): (3, 0)})
    # Three distances are equal, but for what the first ones lose here.
    for cell, key in {(0, 0): (3, 3), (0, 7): (3, 0)}.items():
        scores[(*cell, *key)] -= 1e-7
    assert pick_queries(scores, 3) == [(0, 0), (0, 7), (7, 7)]


def test_between_two_maps_the_newer_one_is_picked():
    scores = looking({(0, 0): (3, 3)})
    scores[0, 5] = scores[0, 0]
    scores[7, 7] = 0
    scores[7, 7, 3, 3], scores[7, 7, 0, 0] = 0.5, 0.5
    # (0, 5) looks further and is more focused, and sees nothing new.
    assert pick_queries(scores, 2) == [(0, 0), (7, 7)]


def test_points_are_not_next_to_one_another_while_there_are_others():
    grid = (16, 16, 8, 8)
    scores = uniform(grid)
    for cell, key in {(0, 0): (7, 7), (0, 1): (7, 0), (9, 9): (0, 7)}.items():
        scores[cell] = 0
        scores[(*cell, *key)] = 1
    assert pick_queries(scores, 2) == [(0, 0), (9, 9)]


def test_uniform_attention_is_asked_all_over_the_image():
    picked = pick_queries(uniform(), 5)
    assert len(set(picked)) == 5
    assert set(picked[1:]) == {(0, 0), (0, 7), (7, 0), (7, 7)}
    assert picked[0] in {(3, 3), (3, 4), (4, 3), (4, 4)}


def test_after_all_that_is_new_the_rest_is_spread():
    scores = looking({(0, 0): (3, 3)})
    assert pick_queries(scores, 2) == [(0, 0), (7, 7)]


@pytest.mark.parametrize("count", [1, 64])
def test_as_many_are_picked_as_asked_for(count):
    random = np.random.default_rng(0).random(GRID).astype("float32")
    scores = random / random.sum((2, 3), keepdims=True)
    picked = pick_queries(scores, count)
    assert len(set(picked)) == count
    assert all(isinstance(part, int) for cell in picked for part in cell)


@pytest.mark.parametrize("count", [0, 65])
def test_more_than_there_are_cannot_be_picked(count):
    with pytest.raises(ValueError, match=rf"in 1\.\.64.*Received: count={count}"):
        pick_queries(uniform(), count)

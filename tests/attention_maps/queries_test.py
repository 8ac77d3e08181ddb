"""Query points: as they are typed, where they lie, and those that are picked."""

import numpy as np
import pytest

from sagan_tf.attention_maps.queries import cells_of_pixels, pick_queries

GRID = (8, 8, 4, 4)


def uniform(grid=GRID):
    return np.full(grid, 1 / (grid[2] * grid[3]), "float32")


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
    with pytest.raises(ValueError, match=rf"among 1\.\.64.*Received: count={count}"):
        pick_queries(uniform(), count)

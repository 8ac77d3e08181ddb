"""A view: what is kept of a map for its picture."""

import json

import numpy as np
import pytest

from sagan_tf.attention_maps.measures import attention_distance, entropy_bits, measure
from sagan_tf.attention_maps.view import make_view
from sagan_tf.networks.attention_scores import AttentionMap

GRID = (4, 8, 2, 4)


def scores():
    random = np.random.default_rng(0).random(GRID).astype("float32")
    return random / random.sum((2, 3), keepdims=True)


def view(cells=((1, 6), (3, 0)), gamma=0.5, pixels=None):
    if pixels is None:
        pixels = np.zeros((32, 32, 3), "uint8")
    attention_map = AttentionMap("generator", "attention_4x8", gamma, scores())
    return make_view(pixels, attention_map, cells, "seed 3")


def test_a_query_has_its_map_and_its_figures():
    first, second = view().queries
    np.testing.assert_array_equal(first.scores, scores()[1, 6])
    assert (first.cell, second.cell) == ((1, 6), (3, 0))
    assert first.entropy_bits == entropy_bits(scores())[1, 6]
    assert second.distance_cells == attention_distance(scores())[3, 0]


def test_a_query_has_the_pixel_in_the_middle_of_its_cell():
    first, second = view().queries
    assert (first.pixel, second.pixel) == ((26, 12), (2, 28))


def test_the_whole_map_is_not_kept():
    found = view()
    assert all(query.scores.base is None for query in found.queries)
    assert found.grid == GRID
    assert found.means == measure(scores(), 32)


def test_json_has_the_figures_and_where_each_query_looks_most():
    told = json.loads(json.dumps(view().as_dict()))
    assert told["gamma"] == 0.5 and told["has_effect"] is True
    assert told["queries_by_keys"] == [[4, 8], [2, 4]]
    assert told["entropy_bits"] == measure(scores(), 32)["entropy_bits"]
    first = told["queries"][0]
    row, column = first["largest_at"]
    assert scores()[1, 6, row, column] == scores()[1, 6].max()
    assert first["largest_share"] == pytest.approx(scores()[1, 6].max())
    assert first["pixel"] == [26, 12] and first["cell"] == [1, 6]
    assert first["distance_pixels"] == pytest.approx(8 * first["distance_cells"])


@pytest.mark.parametrize("cell", [(4, 0), (0, 8), (-1, 0)])
def test_a_cell_that_is_not_on_the_map_is_named(cell):
    with pytest.raises(ValueError, match=f"4 x 8 .*row {cell[0]}, column {cell[1]}"):
        view(cells=[cell])


@pytest.mark.parametrize(
    "pixels",
    [
        np.zeros((32, 32, 3), "float32"),
        np.zeros((1, 32, 32, 3), "uint8"),
        np.zeros((32, 32, 4), "uint8"),
    ],
)
def test_what_is_no_image_is_named(pixels):
    with pytest.raises(ValueError, match="pixels must be uint8 .* images.to_pixels"):
        view(pixels=pixels)

"""A map over its picture: where it is bright, and what is seen of the picture."""

import numpy as np
import pytest

from sagan_tf.attention_maps.overlay import (
    QUERY_COLOURS,
    blended,
    colour_table,
    ink_on,
    overlay,
)


def relative_luminance(colour):
    """Of sRGB in 0..1, as WCAG 2 defines it."""
    linear = np.where(
        colour <= 0.04045, colour / 12.92, ((colour + 0.055) / 1.055) ** 2.4
    )
    return linear @ [0.2126, 0.7152, 0.0722]


def test_larger_values_are_brighter_all_the_way():
    luminance = relative_luminance(colour_table() / 255)
    assert (np.diff(luminance) > 0).all()
    assert luminance[0] < 0.001 and luminance[-1] > 0.9


def test_the_largest_share_has_the_last_colour_and_the_place_of_its_key():
    scores = np.zeros((8, 4))
    scores[1, 2] = 0.03
    drawn = overlay(np.zeros((8, 8, 3), "uint8"), scores, 64).astype(int)
    bright = np.argwhere(drawn.sum(axis=2) == drawn.sum(axis=2).max())
    # The key covers rows 8..15 and columns 32..47.
    assert np.abs(bright.mean(axis=0) - (11.5, 39.5)).max() < 2
    np.testing.assert_allclose(
        drawn.reshape(-1, 3).max(axis=0), colour_table()[-1], atol=16
    )


def test_the_image_is_seen_where_nothing_is_looked_at():
    pixels = np.zeros((8, 8, 1), "uint8")
    pixels[:, 4:] = 255
    scores = np.zeros((4, 4))
    scores[0, 0] = 1
    drawn = overlay(pixels, scores, 64).astype(int)
    dark, light = drawn[40, 16], drawn[40, 48]
    assert (light - dark > 80).all()
    assert np.ptp(light) <= 1  # Gray: no colour of the map.


def test_the_most_looked_at_hides_the_image():
    one = [
        overlay(np.full((4, 4, 1), v, "uint8"), np.ones((2, 2)), 8) for v in (0, 255)
    ]
    np.testing.assert_array_equal(*one)


def test_values_have_their_colours_where_there_is_nothing_behind():
    values = np.linspace(0, 1, 256)[None]
    drawn = blended(values, np.zeros((1, 256)))[0].astype(float)
    opacity = 0.3 + 0.7 * values[0] ** 0.6
    np.testing.assert_allclose(drawn, colour_table() * opacity[:, None], atol=0.51)


@pytest.mark.parametrize("colour", QUERY_COLOURS)
def test_a_number_can_be_read_on_its_dot(colour):
    """A contrast of 4.5, WCAG 2's for text."""
    rgb = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    ink = {"black": 0.0, "white": 1.0}[ink_on(colour)]
    darker, lighter = sorted((relative_luminance(rgb), ink))
    assert (lighter + 0.05) / (darker + 0.05) >= 3.0


def test_between_two_keys_colours_change_gradually():
    scores = np.array([[1.0, 0.0]] * 2)
    drawn = overlay(np.zeros((8, 8, 1), "uint8"), scores, 64).astype(int)
    steps = np.abs(np.diff(drawn[32], axis=0)).max(axis=1)
    assert steps.max() < 40
    assert (steps > 0).sum() > 20

"""The colors of queries, and of an attention map over its image.

`overlay.js` computes the same overlay in the browser.
"""

import numpy as np
from PIL import Image

from sagan_tf.drawing.colours import BLUE, GREEN, ORANGE, PURPLE, RED, SKY, YELLOW

QUERY_COLOURS = (ORANGE, SKY, GREEN, YELLOW, RED, PURPLE, BLUE)
# Perceptually uniform, and dark at 0.
_COLOUR_MAP = "inferno"
# Dark parts of an image are not black, and light parts differ from the map.
_DARKEST, _LIGHTEST = 0.08, 0.8


def colour_table():
    """Returns the colors of 256 values from 0 to the largest: `(256, 3)` uint8."""
    from matplotlib import colormaps

    return colormaps[_COLOUR_MAP](np.arange(256), bytes=True)[:, :3]


def ink_on(colour):
    """Returns black or white, whichever is readable on a color like `"#E69F00"`."""
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return "black" if 0.3 * red + 0.59 * green + 0.11 * blue > 120 else "white"


def overlay(pixels, scores, size):
    """Draws a map over its image.

    The image is gray and dark. The map is colored, and more opaque where shares are
    larger, so the image is visible where shares are small. Between the centers of the
    keys, shares are interpolated (bicubic).

    Args:
        pixels: `(R, R, C)` uint8 array.
        scores: `(K, L)` float array, not negative: the largest gets the last color.
        size: int, side of the result.

    Returns:
        `(size, size, 3)` uint8 array.
    """
    gray = _resized(pixels.mean(axis=2) / 255, size, Image.Resampling.NEAREST)
    values = _resized(scores / scores.max(), size, Image.Resampling.BICUBIC)
    return blended(np.clip(values, 0, 1), _DARKEST + (_LIGHTEST - _DARKEST) * gray)


def blended(values, gray=_DARKEST):
    """Blends the colors of values over gray.

    Args:
        values: `(H, W)` float array in [0, 1].
        gray: `(H, W)` float array in [0, 1], or one value for all pixels.

    Returns:
        `(H, W, 3)` uint8 array.
    """
    colours = colour_table()[np.minimum((values * 256).astype(int), 255)] / 255
    opacity = (0.3 + 0.7 * values**0.6)[..., None]
    mixed = opacity * colours + (1 - opacity) * np.asarray(gray)[..., None]
    return np.rint(255 * mixed).astype(np.uint8)


def _resized(values, size, method):
    image = Image.fromarray(np.ascontiguousarray(values, np.float32))
    return np.asarray(image.resize((size, size), method))

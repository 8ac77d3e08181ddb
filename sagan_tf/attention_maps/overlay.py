"""The colours of attention: those of queries, and of a map over its image.

`overlay.js` computes the same overlay in the browser.
"""

import numpy as np
from PIL import Image

from sagan_tf.drawing.colours import BLUE, GREEN, ORANGE, PURPLE, RED, SKY, YELLOW

QUERY_COLOURS = (ORANGE, SKY, GREEN, YELLOW, RED, PURPLE, BLUE)
# Perceptually uniform, and dark at 0.
_COLOUR_MAP = "inferno"
# Dark parts of an image differ from black, and light parts from the map.
_DARKEST, _LIGHTEST = 0.08, 0.8


def colour_table():
    """The colours of 256 values from 0 to the largest: `(256, 3)` uint8 array."""
    from matplotlib import colormaps

    return colormaps[_COLOUR_MAP](np.arange(256), bytes=True)[:, :3]


def ink_on(colour):
    """Black or white, whichever can be read on a colour such as `"#E69F00"`."""
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return "black" if 0.3 * red + 0.59 * green + 0.11 * blue > 120 else "white"


def overlay(pixels, scores, size):
    """A map over its image.

    The image is grey and dark. The map is coloured, and more opaque where shares are
    larger, so that the image is visible where shares are small. Between the middles of
    the keys shares are interpolated (bicubic).

    Args:
        pixels: `(R, R, C)` uint8 array.
        scores: `(K, L)` float array, not negative: the largest gets the last colour.
        size: int, side of the result.

    Returns:
        `(size, size, 3)` uint8 array.
    """
    grey = _resized(pixels.mean(axis=2) / 255, size, Image.Resampling.NEAREST)
    values = _resized(scores / scores.max(), size, Image.Resampling.BICUBIC)
    return blended(np.clip(values, 0, 1), _DARKEST + (_LIGHTEST - _DARKEST) * grey)


def blended(values, grey=_DARKEST):
    """Colours of values over grey.

    Args:
        values: `(H, W)` float array in [0, 1].
        grey: `(H, W)` float array in [0, 1], or one for all.

    Returns:
        `(H, W, 3)` uint8 array.
    """
    colours = colour_table()[np.minimum((values * 256).astype(int), 255)] / 255
    opacity = (0.3 + 0.7 * values**0.6)[..., None]
    mixed = opacity * colours + (1 - opacity) * np.asarray(grey)[..., None]
    return np.rint(255 * mixed).astype(np.uint8)


def _resized(values, size, method):
    image = Image.fromarray(np.ascontiguousarray(values, np.float32))
    return np.asarray(image.resize((size, size), method))

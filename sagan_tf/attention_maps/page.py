"""attention.html: a page that shows what any location looks at when pointed to.

The page is `page.html` with the data put in. It loads nothing, so it works from a file
and can be sent to others.
"""

import base64
import html
import json
import pathlib
import string

import numpy as np

from sagan_tf.attention_maps import measures
from sagan_tf.attention_maps.overlay import QUERY_COLOURS, colour_table
from sagan_tf.attention_maps.view import NO_EFFECT
from sagan_tf.errors import BadInput
from sagan_tf.files import write_text

MOST_BYTES = 64 * 2**20

_TEMPLATE = pathlib.Path(__file__).with_name("page.html")
# What its style and its script begin with, as those of `exports/web_page.html` do.
_SHARED = ("page.css", "overlay.js")
# The least side of the drawn map in pixels: a multiple of all sizes of maps.
_CANVAS = 384


class Page:
    """Collects views with their whole maps, and writes them as one HTML file.

    Each share is kept as one of 255 steps up to the query's largest share (rounded, so
    it is exact to 1/510 of that). The largest share, the entropy and the distance of
    each query are kept as they are.

    Args:
        num_images: int, how many there will be.
        grids: list of (H, W, K, L), the sizes of the maps that each image will have.

    Raises:
        BadInput: the page would be larger than `MOST_BYTES`.
    """

    def __init__(self, num_images, grids):
        # Base64 writes four letters for three bytes.
        each = sum(int(np.prod(grid)) * 4 // 3 for grid in grids)
        if num_images * each > MOST_BYTES:
            raise BadInput(
                f"The page may have {MOST_BYTES / 2**20:.0f} MiB of attention maps. "
                f"Received: {num_images} image(s) with {each / 2**20:,.1f} MiB each. "
                f"Try at most {MOST_BYTES // each} image(s) in --seeds and --labels, "
                "or only one --network."
            )
        self._images = {}

    def add(self, index, view, scores):
        """Adds a layer to an image.

        Args:
            index: int, the position of the image.
            view: `View`, whose queries are pinned at first.
            scores: `(H, W, K, L)` float array, its whole map.
        """
        image = {
            "title": view.title,
            "resolution": len(view.pixels),
            "pixels": _text(view.pixels),
            "layers": [],
        }
        steps, largest = quantized(scores)
        self._images.setdefault(index, image)["layers"].append(
            {
                **view.as_dict(),
                "grid": view.grid,
                "maps": _text(steps),
                "largest": _text(largest),
                "entropy": _text(measures.entropy_bits(scores)),
                "distance": _text(measures.attention_distance(scores)),
                # Of the shares themselves: several may have the step 255.
                "largest_at": _text(
                    scores.reshape(*scores.shape[:2], -1).argmax(axis=2)
                ),
            }
        )

    def write(self, path, title, about):
        """Writes the page: whole, or not at all.

        Args:
            path: where to; the folder exists already.
            title: str.
            about: str, the line under the title.

        Raises:
            OSError: it cannot be written.
        """
        chosen = [self._images[index] for index in sorted(self._images)]
        data = {
            "canvas": canvas_side(*(image["resolution"] for image in chosen)),
            "query_colours": QUERY_COLOURS,
            "images": chosen,
        }
        text = filled(_TEMPLATE, title, about, data)
        write_text(path, text)


def canvas_side(*resolutions):
    """The side of the drawn map, for images of these sizes: int."""
    return max([_CANVAS, *(2 * resolution for resolution in resolutions)])


def filled(template, title, about, data, script=""):
    """A page that shows attention maps, with its words, its data and all its parts.

    Args:
        template: path of an HTML file with places for `$title`, `$about`, `$data`,
            `$style` and `$script`.
        title, about: str, any text.
        data: dict that can be JSON. The page has colours and a sentence beside it.
        script: str, lines of JavaScript after those that such pages share.

    Returns:
        Text.
    """
    data = {"colours": _text(colour_table()), "no_effect": NO_EFFECT, **data}
    style, shared = (
        _TEMPLATE.with_name(name).read_text(encoding="utf-8") for name in _SHARED
    )
    page = string.Template(template.read_text(encoding="utf-8"))
    return page.substitute(
        title=html.escape(title),
        about=html.escape(about),
        style=style,
        script=shared + script,
        # A title could otherwise end the script that contains the data.
        data=json.dumps(data, allow_nan=False).replace("<", "\\u003c"),
    )


def quantized(scores):
    """The map as the page has it: a byte for each share.

    Args:
        scores: `(H, W, K, L)` float array, not negative.

    Returns:
        `(H, W, K, L)` uint8 array, 255 for the largest share of each query; and
        `(H, W)` float32 array, these largest shares.
    """
    largest = scores.max(axis=(2, 3), keepdims=True)
    return np.rint(255 * (scores / largest)).astype(np.uint8), largest[:, :, 0, 0]


def _text(values):
    """An array as base64: uint8 as it is, other numbers as little-endian float32."""
    values = np.asarray(values)
    if values.dtype != np.uint8:
        values = values.astype("<f4")
    return base64.b64encode(values.tobytes()).decode("ascii")

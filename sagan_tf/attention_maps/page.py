"""attention.html: one page in which the pointer asks every location what it looks at.

The page is `page.html` with the data put in. It loads nothing, so that it
works from a file and can be sent to others.
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
# Side of the drawn map in pixels, at least: a multiple of all sizes of maps.
_CANVAS = 384


class Page:
    """Collects views with their whole maps, and writes them as one HTML file.

    Of each map every share is kept as 255 steps of the query's largest one (rounded, so
    that it is exact to 1/510 of that), and for each query the largest share, the
    entropy and the distance as they are.

    Args:
        num_pictures: int, how many there will be.
        grids: list of (H, W, K, L), the sizes of the maps that each picture will have.

    Raises:
        BadInput: the page would be larger than `MOST_BYTES`.
    """

    def __init__(self, num_pictures, grids):
        each = sum(_encoded_size(grid) for grid in grids)
        if num_pictures * each > MOST_BYTES:
            raise BadInput(
                f"The page may have {MOST_BYTES / 2**20:.0f} MiB of attention maps. "
                f"Received: {num_pictures} picture(s) with {each / 2**20:,.1f} MiB "
                f"each. Try at most {MOST_BYTES // each} picture(s) in --seeds and "
                "--labels, or one --network alone."
            )
        self._pictures = {}

    def add(self, index, view, scores):
        """Adds a layer to a picture.

        Args:
            index: int, the place of the picture.
            view: `View`, whose queries are pinned at first.
            scores: `(H, W, K, L)` float array, its whole map.
        """
        if index not in self._pictures:
            self._pictures[index] = {
                "title": view.title,
                "resolution": view.resolution,
                "pixels": _text(view.pixels),
                "layers": [],
            }
        self._pictures[index]["layers"].append(_packed(view, scores))

    def write(self, path, title, about):
        """Writes the page: whole, or not at all.

        Args:
            path: where to; the folder exists already.
            title: str.
            about: str, the line under the title.

        Raises:
            OSError: it cannot be written.
        """
        pictures = [self._pictures[index] for index in sorted(self._pictures)]
        data = {
            "canvas": max([_CANVAS, *(2 * each["resolution"] for each in pictures)]),
            "colours": _text(colour_table()),
            "query_colours": QUERY_COLOURS,
            "no_effect": NO_EFFECT,
            "pictures": pictures,
        }
        template = string.Template(_TEMPLATE.read_text(encoding="utf-8"))
        text = template.substitute(
            title=html.escape(title),
            about=html.escape(about),
            # A title could otherwise end the script that the data is in.
            data=json.dumps(data, allow_nan=False).replace("<", "\\u003c"),
        )
        write_text(path, text)


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


def _packed(view, scores):
    steps, largest = quantized(scores)
    return {
        "network": view.network,
        "layer": view.layer,
        "gamma": view.gamma,
        "has_effect": view.has_effect,
        "grid": view.grid,
        "figures": view.figures,
        "most_bits": measures.max_entropy_bits(scores),
        "queries": [[query.row, query.column] for query in view.queries],
        "maps": _text(steps),
        "largest": _text(largest),
        "entropy": _text(measures.entropy_bits(scores)),
        "distance": _text(measures.attention_distance(scores)),
        # Of the shares themselves: several may have the step 255.
        "largest_at": _text(scores.reshape(*scores.shape[:2], -1).argmax(axis=2)),
    }


def _encoded_size(grid):
    """Bytes of a map in base64, which writes four letters for three bytes."""
    return int(np.prod(grid)) * 4 // 3


def _text(values):
    """An array as base64: uint8 as it is, other numbers as little-endian float32."""
    values = np.asarray(values)
    if values.dtype != np.uint8:
        values = values.astype("<f4")
    return base64.b64encode(values.tobytes()).decode("ascii")

"""attention.html: a page that shows what the location under the pointer looks at.

The page is `page.html` with the data in it. It loads nothing, so it works from a file
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
# Its style and script begin with these files, as in `exports/web_page.html`.
_SHARED = ("page.css", "overlay.js")
# The smallest side of the drawn map in pixels: a multiple of all map sizes.
_CANVAS = 384


class Page:
    """Collects views with their whole maps, and writes them as one HTML file.

    The page stores each share as one of 255 steps up to the query's largest share. The
    steps are rounded, so a share is exact to 1/510 of the largest. The largest share,
    the entropy and the distance of each query are stored exactly.

    Args:
        num_images: int, number of images to come.
        grids: list of (H, W, K, L), the sizes of each image's maps.

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
            view: `View`; the page pins its queries at the start.
            scores: `(H, W, K, L)` float array, the whole map.
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
                # From the shares, because several may have the step 255.
                "largest_at": _text(
                    scores.reshape(*scores.shape[:2], -1).argmax(axis=2)
                ),
            }
        )

    def write(self, path, title, about):
        """Writes the page: the whole file, or nothing.

        Args:
            path: path of the page in an existing folder.
            title: str.
            about: str, the line under the title.

        Raises:
            OSError: the page cannot be written.
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
    """Returns the side of the drawn map for images of these sizes: int."""
    return max([_CANVAS, *(2 * resolution for resolution in resolutions)])


def filled(template, title, about, data, script=""):
    """Fills the template of a page that shows attention maps.

    Args:
        template: path of an HTML file with places for `$title`, `$about`, `$data`,
            `$style` and `$script`.
        title, about: str, any text.
        data: dict for JSON. The function adds colors and a sentence to it.
        script: str, lines of JavaScript after the shared ones.

    Returns:
        str, the page.
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
    """Converts a map to one byte for each share, as the page stores it.

    Args:
        scores: `(H, W, K, L)` float array, not negative.

    Returns:
        `(H, W, K, L)` uint8 array, 255 for the largest share of each query, and
        `(H, W)` float32 array of these largest shares.
    """
    largest = scores.max(axis=(2, 3), keepdims=True)
    return np.rint(255 * (scores / largest)).astype(np.uint8), largest[:, :, 0, 0]


def _text(values):
    """Encodes an array as base64: uint8, or else little-endian float32."""
    values = np.asarray(values)
    if values.dtype != np.uint8:
        values = values.astype("<f4")
    return base64.b64encode(values.tobytes()).decode("ascii")

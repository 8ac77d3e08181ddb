"""From the bytes of an image file to pixels."""

import io

import numpy as np
import tensorflow as tf
from PIL import Image, UnidentifiedImageError

from sagan_tf.errors import BadInput

# What `decode_picture` can read, and how such files begin.
PICTURE_SUFFIXES = (".jpg", ".jpeg", ".png", ".gif", ".bmp", ".webp")
_SIGNATURES = (b"\xff\xd8\xff", b"\x89PNG", b"GIF8", b"BM", b"RIFF")


def looks_like_picture(start):
    """Whether bytes begin as an image file does: JPEG, PNG, GIF, BMP or WebP."""
    return bytes(start[:4]).startswith(_SIGNATURES)


def decode_picture(contents):
    """Decodes a JPEG, PNG, GIF, BMP or WebP file; works in graph mode.

    JPEGs (CMYK ones too) and palettes become RGB or grey, 16-bit values lose their low
    byte, animations become their first frame. Orientation tags (EXIF) are ignored.

    Args:
      contents: scalar string tensor, the bytes of the file.

    Returns:
      uint8 tensor `(H, W, C)`, C = 1 (grey), 2 (grey + alpha), 3 (RGB) or 4 (RGBA).

    Raises:
      tf.errors.OpError: when it runs, if the bytes are damaged, cut off or no image;
        in eager mode `BadInput` for a GIF or BMP.
    """
    start = tf.strings.substr(contents, 0, 2)
    # TensorFlow's GIF decoder paints transparent parts black, and its BMP decoder
    # takes the numbers of palette colours for grey values. Pillow reads both well.
    needs_pillow = tf.logical_or(tf.equal(start, b"GI"), tf.equal(start, b"BM"))
    branches = [
        # As libjpeg and Pillow; TensorFlow's default is off by up to 3, not faster.
        lambda: tf.io.decode_jpeg(contents, dct_method="INTEGER_ACCURATE"),
        lambda: tf.numpy_function(
            _decode_with_pillow, [contents], tf.uint8, stateful=False
        ),
        lambda: tf.io.decode_image(contents, expand_animations=False),
    ]
    is_jpeg = tf.equal(start, b"\xff\xd8")
    branch = tf.where(is_jpeg, 0, tf.where(needs_pillow, 1, 2))
    pixels = tf.switch_case(branch, branches)
    pixels.set_shape([None, None, None])
    return pixels


def _decode_with_pillow(contents):
    try:
        with Image.open(io.BytesIO(contents), formats=("GIF", "BMP")) as picture:
            transparent = "transparency" in picture.info or picture.mode == "RGBA"
            return np.array(picture.convert("RGBA" if transparent else "RGB"))
    except UnidentifiedImageError as error:
        raise BadInput("Invalid GIF or BMP data") from error
    except (OSError, SyntaxError) as error:  # Pillow's words for a damaged file.
        raise BadInput(f"Invalid GIF or BMP data: {error}") from error

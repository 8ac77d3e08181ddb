"""Decodes the bytes of an image file to pixels.

The first bytes of a file, not its name, decide how it is read. TensorFlow decodes JPEG
and PNG, exactly and on all cores. Pillow decodes what TensorFlow's decoders get wrong
or crash on: GIF, BMP, WebP and CMYK JPEGs.
"""

import atexit
import functools
import io
import logging
import os
import stat
import struct
import threading
import time
import warnings

import numpy as np
import tensorflow as tf
from PIL import ExifTags, Image, UnidentifiedImageError

from sagan_tf.errors import DAMAGE, BadInput

# What `decode_picture` can read, and how such files begin.
PICTURE_SUFFIXES = (".jpg", ".jpeg", ".png", ".gif", ".bmp", ".webp")
_SIGNATURES = (b"\xff\xd8\xff", b"\x89PNG", b"GIF8", b"BM", b"RIFF")

_LARGEST_FILE = 2**31
# What Pillow raises for an image that is damaged, or too large for it.
PICTURE_DAMAGE = (*DAMAGE, AssertionError, Image.DecompressionBombError)
# The branches of `_decode`.
_JPEG, _PNG, _DEEP_PNG, _PILLOW = range(4)
# 16-bit values below this become almost black: they may have 12 or 14 bits.
_DARK = 2**14

# Large images are refused below. Other damage of EXIF data does not matter.
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)
warnings.filterwarnings("ignore", message="Corrupt EXIF data")


def looks_like_picture(start):
    """Returns True if bytes begin like a JPEG, PNG, GIF, BMP or WebP file."""
    return bytes(start[:4]).startswith(_SIGNATURES)


def decode_picture(contents, name=""):
    """Decodes a JPEG, PNG, GIF, BMP or WebP file, alike in graph and eager mode.

    Images are turned upright according to their orientation tag (EXIF). JPEGs (also
    CMYK) and palettes become RGB or gray. Animations become their first frame. 16-bit
    values, 0..65535, keep their high byte. A warning names an image that becomes almost
    black because its values do not fill that range.

    Args:
      contents: scalar string tensor, the bytes of the file.
      name: scalar string tensor or str, what a warning calls the image.

    Returns:
      uint8 tensor `(H, W, C)`, C = 1 (gray), 2 (gray + alpha), 3 (RGB) or 4 (RGBA).

    Raises:
      tf.errors.OpError: when it runs, if the bytes are damaged, cut off or not an
        image, or if the image has more pixels than Pillow's limit.
    """
    return _decode(tf.convert_to_tensor(contents), tf.convert_to_tensor(name))


def read_picture(path):
    """Reads a file and decodes it: see `decode_picture`.

    Args:
      path: scalar string tensor. Only a regular file is opened.

    Raises:
      tf.errors.OpError: as in `decode_picture`; also if the file cannot be read.
    """
    return _read_and_decode(tf.convert_to_tensor(path))


# The two below are `tf.function`s: otherwise `numpy_function` gets other arguments and
# raises other errors in eager mode.
_TEXT = tf.TensorSpec([], tf.string)


@tf.function(input_signature=[_TEXT], autograph=False)
def _read_and_decode(path):
    contents = _python(_read, [path], tf.string)
    return _decode(tf.ensure_shape(contents, []), path)


@tf.function(input_signature=[_TEXT, _TEXT], autograph=False)
def _decode(contents, name):
    examined = _python(_examine, [contents], tf.int32)
    branch, orientation = tf.unstack(tf.ensure_shape(examined, [2]))

    def reduce_deep_png():
        deep = tf.io.decode_png(contents, dtype=tf.uint16)
        return _python(_reduce, [contents, deep, name], tf.uint8)

    branches = {
        # Like libjpeg and Pillow. TensorFlow's default is off by up to 3, not faster.
        _JPEG: lambda: tf.io.decode_jpeg(contents, dct_method="INTEGER_ACCURATE"),
        _PNG: lambda: tf.io.decode_png(contents),
        _DEEP_PNG: reduce_deep_png,
        _PILLOW: lambda: _python(_decode_with_pillow, [contents], tf.uint8),
    }
    pixels = tf.switch_case(branch, branches)
    pixels = tf.cond(
        orientation > 1,
        lambda: _python(_turn_upright, [pixels, orientation], tf.uint8),
        lambda: pixels,
    )
    pixels.set_shape([None, None, None])
    return pixels


class _Calls:
    """Python calls from TensorFlow's threads, which must end before Python does.

    While Python shuts down, it ends every thread that returns to it. The call of such a
    thread would never end, and a pipeline that still exists would wait for it.
    """

    def __init__(self):
        self.running = self.started = 0
        self.closing = False
        self.lock = threading.Lock()

    def __call__(self, function, *arguments):
        with self.lock:
            self.started += 1
            self.running += 1
        try:
            if self.closing:
                raise BadInput("Python is shutting down.")
            return function(*arguments)
        finally:
            with self.lock:
                self.running -= 1

    def close(self, quiet_seconds=0.1, longest_seconds=30):
        """Makes new calls fail at once; returns when no call has come for a while."""
        self.closing = True
        end = time.monotonic() + longest_seconds
        started = None
        while self.started and time.monotonic() < end:
            if not self.running and self.started == started:
                return
            started = self.started
            time.sleep(quiet_seconds)


_calls = _Calls()
atexit.register(_calls.close)


def _python(function, arguments, dtype):
    """Calls a Python function in a graph."""
    call = functools.partial(_calls, function)
    return tf.numpy_function(call, arguments, dtype, stateful=False)


def _as_bytes(value):
    """Returns the bytes of a scalar that is an array if functions run eagerly."""
    return np.asarray(value, object).item()


def _read(path):
    path = _as_bytes(path)
    try:
        status = os.stat(path)
        if not stat.S_ISREG(status.st_mode):
            raise BadInput("It is not a regular file.")
        if status.st_size > _LARGEST_FILE:
            raise BadInput(f"It has {status.st_size:,} bytes: too many for an image.")
        with open(path, "rb") as file:
            return file.read()
    except OSError as error:
        raise BadInput(f"It cannot be read: {error.strerror}.") from error


def _kind(contents):
    """Returns Pillow's name of the format."""
    if contents.startswith(b"\xff\xd8"):
        return "JPEG"
    if contents.startswith(b"\x89PNG\r\n\x1a\n"):
        return "PNG"
    if contents.startswith(b"GIF8"):
        return "GIF"
    if contents.startswith(b"BM"):
        return "BMP"
    if contents.startswith(b"RIFF") and contents[8:12] == b"WEBP":
        return "WEBP"
    raise BadInput(
        "It must be a JPEG, PNG, GIF, BMP or WebP file. Received: "
        f"{len(contents):,} other bytes."
    )


def _examine(contents):
    """Returns the branch of `_decode` for a file, and its orientation: int32 (2,)."""
    contents = _as_bytes(contents)
    kind = _kind(contents)
    if kind == "PNG":
        return np.int32(_examine_png(contents))
    try:
        orientation, mode = _with_pillow(contents, kind, _orientation_and_mode)
    except _Damaged:
        if kind != "JPEG":
            raise
        # TensorFlow reads JPEGs with stray bytes between their parts.
        _check_size(*tf.image.extract_jpeg_shape(contents)[:2].numpy())
        orientation, mode = 1, "RGB"
    plain = kind == "JPEG" and mode in ("L", "RGB")
    return np.int32((_JPEG if plain else _PILLOW, orientation))


def _examine_png(contents):
    header = contents[16:26]
    if len(header) < 10:
        return _PNG, 1  # TensorFlow says what is wrong.
    width, height, bits, _ = struct.unpack(">IIBB", header)
    _check_size(height, width)
    orientation = 1
    for name, start, _ in _png_chunks(contents):
        keyword = contents[start : start + 21]
        if name == b"eXIf" or keyword.startswith(
            (b"Raw profile type exif", b"XML:com.adobe.xmp")
        ):
            # Pillow decodes the image, because the tag may come last.
            orientation, _ = _with_pillow(contents, "PNG", _orientation_and_mode)
            break
    is_deep = bits == 16 or _transparent_colour(contents) is not None
    return _DEEP_PNG if is_deep else _PNG, orientation


def _check_size(height, width):
    limit = Image.MAX_IMAGE_PIXELS
    if limit and int(height) * int(width) > 2 * limit:
        raise BadInput(
            f"It has {width:,} x {height:,} pixels. Pillow's limit is {2 * limit:,} in "
            "all, because a small file can claim to be huge."
        )


class _Damaged(BadInput):
    """Pillow cannot read a file."""


def _with_pillow(contents, kind, function):
    """Calls a function with the undecoded `PIL.Image.Image` of a file."""
    try:
        with Image.open(io.BytesIO(contents), formats=(kind,)) as picture:
            _check_size(picture.height, picture.width)
            return function(picture)
    except (BadInput, MemoryError):
        raise
    except Image.DecompressionBombError as error:
        raise BadInput(f"{error}") from error
    except UnidentifiedImageError as error:
        raise _Damaged(f"Damaged {kind} file.") from error
    except PICTURE_DAMAGE as error:
        raise _Damaged(f"Damaged {kind} file: {error}.") from error


def _orientation_and_mode(picture):
    try:
        orientation = picture.getexif().get(ExifTags.Base.Orientation, 1)
    except PICTURE_DAMAGE:  # The tag is damaged. The image itself may be good.
        orientation = 1
    return orientation if orientation in range(1, 9) else 1, picture.mode


def _decode_with_pillow(contents):
    contents = _as_bytes(contents)

    def decode(picture):
        mode = "RGBA" if picture.has_transparency_data else "RGB"
        return np.array(picture.convert(mode))

    return _with_pillow(contents, _kind(contents), decode)


def _turn_upright(pixels, orientation):
    """Undoes an EXIF orientation. Orientations 5 to 8 swap rows and columns."""
    if orientation >= 5:
        pixels = pixels.swapaxes(0, 1)
    rows = -1 if orientation in (3, 4, 7, 8) else 1
    columns = -1 if orientation in (2, 3, 6, 7) else 1
    return np.ascontiguousarray(pixels[::rows, ::columns])


def _png_chunks(contents):
    """Yields the name of each part of a PNG, where its data start, and their length."""
    position = 8
    while position + 12 <= len(contents):
        length, name = struct.unpack_from(">I4s", contents, position)
        yield name, position + 8, length
        position += length + 12


def _transparent_colour(contents):
    """Returns the transparent color of a PNG without alpha, or None.

    TensorFlow and libpng leave it to us. It is uint16 (1,) or (3,) in 0..65535, like
    the pixels of `_reduce`.
    """
    bits, colour_type = contents[24:26]
    channels = {0: 1, 2: 3}.get(colour_type)
    for name, start, length in _png_chunks(contents):
        if name == b"IDAT":
            break
        if name == b"tRNS" and channels and length == 2 * channels:
            colour = np.frombuffer(contents, ">u2", channels, start)
            highest = 2**bits - 1
            return ((colour & highest) * (0xFFFF // highest)).astype(np.uint16)
    return None


def _reduce(contents, deep, name):
    """Reduces the pixels of a PNG from uint16 to uint8, with alpha if it has any."""
    contents = _as_bytes(contents)
    channels = deep.shape[-1]
    highest = deep[..., : 3 if channels >= 3 else 1].max(initial=0)
    if contents[24] == 16 and 0 < highest < _DARK:
        path = _as_bytes(name).decode(errors="backslashreplace")
        _warn_of_dark(os.path.dirname(path), path, int(highest))
    pixels = (deep >> 8).astype(np.uint8)
    colour = _transparent_colour(contents)
    if colour is not None:
        visible = (deep != colour).any(axis=-1, keepdims=True)
        pixels = np.concatenate([pixels, visible * np.uint8(255)], axis=-1)
    return pixels


_DARK_FOLDERS = set()


def _warn_of_dark(folder, name, highest):
    """Warns of one image in each folder: the others are like it."""
    if folder not in _DARK_FOLDERS:
        _DARK_FOLDERS.add(folder)
        logging.warning(
            "%s: its 16-bit values go up to %d of 65535, so the image is almost black. "
            "Try multiplying them, or saving images with 8 bits. Other images in its "
            "folder are not named.",
            name,
            highest,
        )

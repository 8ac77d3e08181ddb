"""Images: conversion of pixels, crop and resize, grids, PNG files.

Only this file knows the two ranges: *pixels* are uint8 in 0..255, *images* are float32
in [-1, 1]. Shapes: N images, H rows, W columns, C channels, R the resolution (cropped
images are square).
"""

import numpy as np
import tensorflow as tf
from PIL import Image, PngImagePlugin

from sagan_tf.errors import BadInput
from sagan_tf.files import replacing

# name: (method of tf.image.resize, antialias)
_RESIZE = {
    "antialiased_bilinear": ("bilinear", True),
    "bilinear": ("bilinear", False),
    "antialiased_bicubic": ("bicubic", True),
    "bicubic": ("bicubic", False),
    "lanczos3": ("lanczos3", True),
    "area": ("area", False),
    "nearest": ("nearest", False),
}
RESIZE_METHODS = tuple(_RESIZE)


def from_pixels(pixels):
    """Turns pixels into images: `x * (2 / 255) - 1`, like the official code.

    Args:
        pixels: uint8 tensor or NumPy array of any shape, 0..255.

    Returns:
        float32 of the same shape and kind (tensor or array), in [-1, 1].
    """
    if isinstance(pixels, np.ndarray):
        return pixels.astype(np.float32) * np.float32(2 / 255) - np.float32(1)
    return tf.cast(pixels, tf.float32) * (2 / 255) - 1


def to_pixels(images):
    """Turns images into pixels: `clip(x * 127.5 + 128, 0, 255)`, truncated.

    It is the inverse of `from_pixels`: all 256 values survive the round trip. The
    common `(x + 1) * 127.5` loses 47 of them.

    Args:
        images: float tensor or NumPy array of any shape; values outside [-1, 1] are
            clipped. Half precision is computed in float32.

    Returns:
        uint8 of the same shape and kind (tensor or array).
    """
    if isinstance(images, np.ndarray):
        scaled = images.astype(np.float32) * np.float32(127.5) + np.float32(128)
        return np.clip(scaled, 0, 255).astype(np.uint8)
    scaled = tf.cast(images, tf.float32) * 127.5 + 128
    return tf.cast(tf.clip_by_value(scaled, 0, 255), tf.uint8)


def adapt_channels(pixels, channels):
    """Converts gray, gray + alpha, RGB or RGBA pixels to gray or RGB.

    White shows through transparent parts. RGB becomes gray by ITU-R 601 luma in
    Pillow's fixed-point form, so both give the same values.

    Args:
        pixels: uint8 `(..., C)`, C = 1, 2, 3 or 4. C may be unknown in graph mode.
        channels: 1 or 3.

    Returns:
        uint8 tensor `(..., channels)`.

    Raises:
        BadInput: `channels` or a known C has another value.
    """
    if channels not in (1, 3):
        raise BadInput(
            f"channels must be 1 (gray) or 3 (RGB). Received: channels={channels}."
        )
    pixels = tf.convert_to_tensor(pixels)
    known = pixels.shape[-1]
    if known is None:
        branches = [
            lambda given=given: _adapt(pixels, given, channels) for given in range(1, 5)
        ]
        adapted = tf.switch_case(tf.shape(pixels)[-1] - 1, branches)
    elif 1 <= known <= 4:
        adapted = _adapt(pixels, known, channels)
    else:
        raise BadInput(
            "Pixels must have 1, 2, 3 or 4 channels on their last axis. Received: "
            f"shape={tuple(pixels.shape)}."
        )
    adapted.set_shape(pixels.shape[:-1].concatenate([channels]))
    return adapted


def _adapt(pixels, given, channels):
    if given == channels:
        return pixels
    has_alpha = given in (2, 4)
    colours = tf.cast(pixels[..., : given - has_alpha], tf.int32)
    if has_alpha:
        alpha = tf.cast(pixels[..., given - 1 : given], tf.int32)
        colours = (colours * alpha + 255 * (255 - alpha) + 127) // 255
    if given >= 3 and channels == 1:
        weighted = colours * tf.constant([19595, 38470, 7471])
        colours = (tf.reduce_sum(weighted, axis=-1, keepdims=True) + 0x8000) // 0x10000
    if given <= 2 and channels == 3:
        colours = tf.concat([colours] * 3, axis=-1)
    return tf.cast(colours, tf.uint8)


def center_crop_and_resize(pixels, resolution, method="antialiased_bilinear"):
    """Crops the largest square in the middle and resizes it.

    The result is rounded to whole pixel values. Real images then have the same 256
    values as generated images in a file, and take a quarter of the memory. A square
    that already has the resolution is not resampled. If the sides differ by an odd
    number, the square lies half a pixel up or to the left.

    Args:
        pixels: uint8 `(H, W, C)` or `(N, H, W, C)`.
        resolution: R, the side of the result.
        method: one of `RESIZE_METHODS`; "antialiased" widens the filter when an image
            shrinks, as Pillow does. "lanczos3" is antialiased.

    Returns:
        uint8 tensor `(R, R, C)` or `(N, R, R, C)`.

    Raises:
        BadInput: the method is unknown.
    """
    if method not in _RESIZE:
        raise BadInput(
            f"resize must be one of {', '.join(RESIZE_METHODS)}. Received: "
            f"resize={method!r}."
        )
    pixels = tf.convert_to_tensor(pixels)
    shape = tf.shape(pixels)
    height, width = shape[-3], shape[-2]
    side = tf.minimum(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    square = pixels[..., top : top + side, left : left + side, :]

    def resampled():
        kind, antialias = _RESIZE[method]
        values, size = tf.cast(square, tf.float32), [resolution, resolution]
        values = tf.image.resize(values, size, kind, antialias=antialias)
        return tf.cast(tf.clip_by_value(tf.round(values), 0, 255), tf.uint8)

    result = tf.cond(tf.equal(side, resolution), lambda: square, resampled)
    result.set_shape([*pixels.shape[:-3], resolution, resolution, pixels.shape[-1]])
    return result


def grid(pixels, columns, pad=2, background=255):
    """Lays images out in a grid, row by row.

    Args:
        pixels: uint8 tensor or array `(N, H, W, C)`.
        columns: images in a row; the last row may be shorter.
        pad: pixels between neighbours (none around the outside).
        background: value between the images and in empty places, 0..255.

    Returns:
        uint8 array `(rows * (H + pad) - pad, columns * (W + pad) - pad, C)`.

    Raises:
        BadInput: the shape or dtype is wrong, or there are no images.
    """
    pixels = np.asarray(pixels)
    if pixels.dtype != np.uint8 or pixels.ndim != 4 or 0 in pixels.shape or columns < 1:
        raise BadInput(
            "grid needs uint8 pixels (N, H, W, C) and at least one column. Received: "
            f"dtype={pixels.dtype}, shape={pixels.shape}, columns={columns}. Try "
            "to_pixels for images in [-1, 1]."
        )
    count, height, width, channels = pixels.shape
    rows = -(-count // columns)
    shape = (rows * (height + pad) - pad, columns * (width + pad) - pad, channels)
    canvas = np.full(shape, background, np.uint8)
    for index, image in enumerate(pixels):
        top = index // columns * (height + pad)
        left = index % columns * (width + pad)
        canvas[top : top + height, left : left + width] = image
    return canvas


def enlarge(pixels, scale):
    """Enlarges every pixel to a square of `scale` x `scale`, to show tiny images.

    Args:
        pixels: array `(..., H, W, C)`.
        scale: int.

    Returns:
        Array `(..., scale * H, scale * W, C)`.
    """
    return np.asarray(pixels).repeat(scale, axis=-3).repeat(scale, axis=-2)


def to_picture(pixels, scale=1):
    """Returns one image for a notebook or a file.

    Args:
        pixels: uint8 tensor or array `(H, W, 1)` or `(H, W, 3)`.
        scale: see `enlarge`.

    Returns:
        `PIL.Image.Image`, gray or RGB.

    Raises:
        BadInput: the shape or dtype is wrong.
    """
    pixels = np.asarray(pixels)
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[-1] not in (1, 3):
        raise BadInput(
            "An image needs uint8 pixels (H, W, 1) or (H, W, 3). Received: "
            f"dtype={pixels.dtype}, shape={pixels.shape}. Try to_pixels for images in "
            "[-1, 1], and grid for several images."
        )
    pixels = enlarge(pixels, scale)
    return Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels)


def write_png(path, pixels, scale=1, title=None):
    """Writes one image as a PNG file, completely or not at all.

    Args:
        path: of the file; its folder must exist.
        pixels, scale: see `to_picture`.
        title: str, what the image shows: the file's text "Title".

    Raises:
        BadInput: the shape or dtype is wrong.
        OSError: the file cannot be written.
    """
    image = to_picture(pixels, scale)
    info = PngImagePlugin.PngInfo()
    if title is not None:
        info.add_text("Title", title)
    with replacing(path) as temporary, open(temporary, "wb") as file:
        # This level takes a third of the default level's time, for a sixth more bytes.
        image.save(file, format="PNG", pnginfo=info, compress_level=3)

"""Captions beside, above and below images. The pixels of the images stay the same.

Images are uint8 arrays `(H, W, C)`, C = 1 or 3. Captions are black on white, in
Matplotlib's DejaVu Sans: Latin, Greek, Cyrillic and more, but no Chinese or Japanese.
They may have several lines. A line that is too long for its place ends in an ellipsis.
"""

import functools
import os

import numpy as np
from PIL import Image, ImageDraw, ImageFont

WHITE = 255
# A row's caption may be as wide as this many of its images.
_WIDEST = 4
# The smallest readable font size.
_SMALLEST = 10


def letter_height(size):
    """Returns the font size, in pixels, for captions of images of height `size`."""
    return min(max(6 + size // 10, 11), 26)


def beside(image, texts, size, gap=0, side="left"):
    """Adds a column of captions on one side of a grid, one for each row.

    Args:
        image: uint8 `(H, W, C)`, a grid.
        texts: sequence of str, a caption for each row.
        size: int, height of a row.
        gap: int, pixels between rows.
        side: "left" or "right".

    Returns:
        uint8 `(H, W + width of the captions, C)`.
    """
    font, margin = _font(letter_height(size)), size // 8
    texts = [_shortened(text, font, _WIDEST * size) for text in texts]
    width = max(_measure(text, font)[0] for text in texts) + 2 * margin
    x, align = (width - margin, "right") if side == "left" else (margin, "left")
    places = [(x, row * (size + gap), size) for row in range(len(texts))]
    strip = _strip(image, len(image), width, texts, font, places, align)
    return np.concatenate([strip, image] if side == "left" else [image, strip], 1)


def above(image, texts, size, gap=0, left=0):
    """Adds a line of captions above a grid: one for each column.

    Args:
        image: uint8 `(H, W, C)`, a grid, with or without captions beside it.
        texts, size, gap: see `beside`, with columns for rows.
        left: int, where the first column begins.

    Returns:
        uint8 `(H + height of the captions, W, C)`.
    """
    texts, font = _fitted(texts, letter_height(size), size + gap // 2)
    height = max(_measure(text, font)[1] for text in texts) + size // 8
    centers = [left + i * (size + gap) + size / 2 for i in range(len(texts))]
    places = [(center, 0, height) for center in centers]
    strip = _strip(image, height, image.shape[1], texts, font, places, "center")
    return np.concatenate([strip, image])


def below_each(images, texts):
    """Adds a caption below each of several images.

    Args:
        images: uint8 `(N, H, W, C)`.
        texts: N str.

    Returns:
        uint8 `(N, H + height of the captions, W, C)`.
    """
    size, width = images.shape[1:3]
    texts, font = _fitted(texts, letter_height(size), width - 2)
    lines = [_measure(text, font)[1] for text in texts]
    height = max(lines) + size // 12
    strips = [
        _strip(image, height, width, [text], font, [(width / 2, size // 24, line)])
        for image, text, line in zip(images, texts, lines, strict=True)
    ]
    return np.concatenate([images, np.stack(strips)], axis=1)


def headed(image, text, size):
    """Adds one line above an image.

    Args:
        image: uint8 `(H, W, C)`.
        text: str.
        size: int, font size; a little smaller where the text would not fit.

    Returns:
        uint8 `(H + height of the line, W, C)`; the height depends on `size` alone.
    """
    width = image.shape[1]
    height, left = size + 2 * (size // 3), min(size // 3, width // 20)
    texts, font = _fitted([text], size, width - 2 * left)
    strip = _strip(image, height, width, texts, font, [(left, 0, height)], "left")
    return np.concatenate([strip, image])


def on_white(images):
    """Puts images into white frames of one size and one number of channels.

    Args:
        images: list of uint8 `(H, W, C)`, of any sizes; they go to the upper left.

    Returns:
        List of uint8 arrays of one shape.
    """
    shape = tuple(np.max([image.shape for image in images], axis=0))
    frames = [np.full(shape, WHITE, np.uint8) for _ in images]
    for frame, image in zip(frames, images):
        frame[: image.shape[0], : image.shape[1]] = image
    return frames


@functools.cache
def _font(size):
    import matplotlib  # Slow, so only when a caption is drawn.

    folder = os.path.join(matplotlib.get_data_path(), "fonts", "ttf")
    return ImageFont.truetype(os.path.join(folder, "DejaVuSans.ttf"), size)


def _fitted(texts, size, width):
    """Returns the texts and the largest readable font in which they fit into a width.

    If they fit in none, they are shortened in the font of the given size.
    """
    for smaller in range(size, min(size, _SMALLEST) - 1, -1):
        font = _font(smaller)
        if all(_measure(text, font)[0] <= width for text in texts):
            break
    else:
        font = _font(size)
    return [_shortened(text, font, width) for text in texts], font


def _measure(text, font):
    """Returns the width and the height of a text in pixels."""
    if not text:
        return 0, 0
    draw, spacing = ImageDraw.Draw(Image.new("L", (1, 1))), font.size // 6
    right = draw.multiline_textbbox((0, 0), text, font=font, spacing=spacing)[2]
    # The font's height, not these letters': captions side by side share a baseline.
    lines = text.count("\n") + 1
    height = lines * sum(font.getmetrics()) + (lines - 1) * spacing
    return int(np.ceil(right)), height


def _shortened(text, font, width):
    """Returns the text; each line that is too long ends in an ellipsis."""
    if "\n" in text:
        return "\n".join(_shortened(line, font, width) for line in text.split("\n"))
    lengths = range(len(text) - 1, 0, -1)
    candidates = [text, *(text[:length].rstrip(" ,") + "…" for length in lengths)]
    return next((each for each in candidates if font.getlength(each) <= width), "")


def _strip(image, height, width, texts, font, places, align="center"):
    """Draws texts on white, with an image's channels: uint8 `(height, width, C)`.

    A place has the x to align a text to, the top of its line, and the line's height.
    """
    strip = Image.new("L", (width, height), WHITE)
    for text, (x, top, line) in zip(texts, places):
        wide, high = _measure(text, font)
        x -= {"left": 0, "center": wide / 2, "right": wide}[align]
        ImageDraw.Draw(strip).multiline_text(
            (round(x), round(top + (line - high) / 2)),
            text,
            font=font,
            fill=0,
            spacing=font.size // 6,
            align=align,
        )
    return np.repeat(np.asarray(strip)[..., None], image.shape[-1], axis=-1)

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
# A row's caption may be as wide as so many of its images.
_WIDEST = 4
# The smallest font that can be read.
_SMALLEST = 10


def letter_height(size):
    """The font size, in pixels, for captions of images that are `size` pixels high."""
    return min(max(6 + size // 10, 11), 26)


def beside(image, texts, size, gap=0, side="left"):
    """Adds a column of captions on one side of a grid: one for each row.

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
    strip, draw = _paper(len(image), width)
    for row, text in enumerate(texts):
        place = (width - margin if side == "left" else margin, row * (size + gap))
        _write(draw, place, size, text, font, "right" if side == "left" else "left")
    strip = _like(strip, image)
    return np.concatenate([strip, image] if side == "left" else [image, strip], 1)


def above(image, texts, size, gap=0, left=0):
    """Adds a line of captions above a grid: one for each column.

    Args:
        image: uint8 `(H, W, C)`, a grid, with or without captions beside it.
        texts: sequence of str, a caption for each column.
        size: int, width of a column.
        gap: int, pixels between columns.
        left: int, where the first column begins.

    Returns:
        uint8 `(H + height of the captions, W, C)`.
    """
    font = _fitting_font(texts, letter_height(size), size + gap // 2)
    texts = [_shortened(text, font, size + gap // 2) for text in texts]
    height = max(_measure(text, font)[1] for text in texts) + size // 8
    strip, draw = _paper(height, image.shape[1])
    for column, text in enumerate(texts):
        center = left + column * (size + gap) + size / 2
        _write(draw, (center, 0), height, text, font, "center")
    return np.concatenate([_like(strip, image), image])


def below_each(images, texts):
    """Adds a caption below each of several images.

    Args:
        images: uint8 `(N, H, W, C)`.
        texts: N str.

    Returns:
        uint8 `(N, H + height of the captions, W, C)`.
    """
    size, width = images.shape[1:3]
    font = _fitting_font(texts, letter_height(size), width - 2)
    texts = [_shortened(text, font, width - 2) for text in texts]
    height = max(_measure(text, font)[1] for text in texts) + size // 12
    strips = []
    for text, image in zip(texts, images, strict=True):
        strip, draw = _paper(height, width)
        lines = _measure(text, font)[1]
        _write(draw, (width / 2, size // 24), lines, text, font, "center")
        strips.append(_like(strip, image))
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
    font = _fitting_font([text], size, width - 2 * left)
    strip, draw = _paper(height, width)
    text = _shortened(text, font, width - 2 * left)
    _write(draw, (left, 0), height, text, font, "left")
    return np.concatenate([_like(strip, image), image])


@functools.cache
def _font(size):
    import matplotlib  # Takes a while; only where something is written.

    folder = os.path.join(matplotlib.get_data_path(), "fonts", "ttf")
    return ImageFont.truetype(os.path.join(folder, "DejaVuSans.ttf"), size)


def _fitting_font(texts, size, width):
    """The largest font that can be read in which all texts fit into a width."""
    for smaller in range(size, min(size, _SMALLEST) - 1, -1):
        if all(_measure(text, _font(smaller))[0] <= width for text in texts):
            return _font(smaller)
    return _font(size)


def _measure(text, font):
    """Width and height of a text in pixels."""
    if not text:
        return 0, 0
    _, draw = _paper(1, 1)
    spacing = font.size // 6
    right = draw.multiline_textbbox((0, 0), text, font=font, spacing=spacing)[2]
    # The height of the font, not of these letters: neighbours stand on one line.
    lines = text.count("\n") + 1
    height = lines * sum(font.getmetrics()) + (lines - 1) * spacing
    return int(np.ceil(right)), height


def _shortened(text, font, width):
    return "\n".join(_shortened_line(line, font, width) for line in text.split("\n"))


def _shortened_line(line, font, width):
    if font.getlength(line) <= width:
        return line
    for length in range(len(line) - 1, 0, -1):
        shorter = line[:length].rstrip(" ,") + "…"
        if font.getlength(shorter) <= width:
            return shorter
    return ""


def _paper(height, width):
    """An empty strip, and the object that draws on it."""
    strip = Image.new("L", (width, height), WHITE)
    return strip, ImageDraw.Draw(strip)


def _write(draw, place, height, text, font, align):
    """Writes text at `place`: where it is aligned, and the top of its line."""
    x, top = place
    width, lines = _measure(text, font)
    x -= {"left": 0, "center": width / 2, "right": width}[align]
    draw.multiline_text(
        (round(x), round(top + (height - lines) / 2)),
        text,
        font=font,
        fill=0,
        spacing=font.size // 6,
        align=align,
    )


def _like(strip, image):
    """A strip as an array with the image's channels."""
    return np.repeat(np.asarray(strip)[..., None], image.shape[-1], axis=-1)

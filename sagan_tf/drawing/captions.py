"""Words beside, above and below pictures, which stay as they are, pixel for pixel.

Pictures are uint8 arrays `(H, W, C)`, C = 1 or 3; words are black on white, in
Matplotlib's DejaVu Sans: Latin, Greek, Cyrillic and more, but no Chinese or Japanese.
Text that is too long for its place ends in an ellipsis. It can have several lines.
"""

import functools
import os

import numpy as np
from PIL import Image, ImageDraw, ImageFont

WHITE = 255
# A row's caption may be as wide as so many of its pictures.
_WIDEST = 4
# The smallest font that can be read.
_SMALLEST = 10


def letter_height(size):
    """The font size for captions of pictures of a size: int, in pixels.

    Args:
        size: int, height of a picture in pixels.
    """
    return min(max(6 + size // 10, 11), 26)


def beside(picture, texts, size, gap=0, side="left"):
    """Adds a column of captions on one side of a grid: one for each row.

    Args:
        picture: uint8 `(H, W, C)`, a grid.
        texts: sequence of str, a caption for each row.
        size: int, height of a row.
        gap: int, pixels between rows.
        side: "left" or "right".

    Returns:
        uint8 `(H, W + some, C)`; as high as before.
    """
    font, margin = _font(letter_height(size)), size // 8
    texts = [_shortened(text, font, _WIDEST * size) for text in texts]
    width = max(_measure(text, font)[0] for text in texts) + 2 * margin
    strip, draw = _paper(len(picture), width)
    for row, text in enumerate(texts):
        place = (width - margin if side == "left" else margin, row * (size + gap))
        _write(draw, place, size, text, font, "right" if side == "left" else "left")
    strip = _like(strip, picture)
    return np.concatenate([strip, picture] if side == "left" else [picture, strip], 1)


def above(picture, texts, size, gap=0, left=0):
    """Adds a line of captions above a grid: one for each column.

    Args:
        picture: uint8 `(H, W, C)`, a grid, with or without captions beside it.
        texts: sequence of str, a caption for each column.
        size: int, width of a column.
        gap: int, pixels between columns.
        left: int, where the first column begins.

    Returns:
        uint8 `(H + some, W, C)`; as wide as before.
    """
    font = _fitting_font(texts, letter_height(size), size + gap // 2)
    texts = [_shortened(text, font, size + gap // 2) for text in texts]
    height = max(_measure(text, font)[1] for text in texts) + size // 8
    strip, draw = _paper(height, picture.shape[1])
    for column, text in enumerate(texts):
        centre = left + column * (size + gap) + size / 2
        _write(draw, (centre, 0), height, text, font, "centre")
    return np.concatenate([_like(strip, picture), picture])


def below_each(pictures, texts):
    """Adds a caption below each of several pictures.

    Args:
        pictures: uint8 `(N, H, W, C)`.
        texts: N str.

    Returns:
        uint8 `(N, H + some, W, C)`; as wide as before.
    """
    size, width = pictures.shape[1:3]
    font = _fitting_font(texts, letter_height(size), width - 2)
    texts = [_shortened(text, font, width - 2) for text in texts]
    height = max(_measure(text, font)[1] for text in texts) + size // 12
    strips = []
    for text, picture in zip(texts, pictures, strict=True):
        strip, draw = _paper(height, width)
        lines = _measure(text, font)[1]
        _write(draw, (width / 2, size // 24), lines, text, font, "centre")
        strips.append(_like(strip, picture))
    return np.concatenate([pictures, np.stack(strips)], axis=1)


def headed(picture, text, size):
    """Adds one line above a picture.

    Args:
        picture: uint8 `(H, W, C)`.
        text: str.
        size: int, font size; a little smaller where the text would not fit.

    Returns:
        uint8 `(H + some, W, C)`: for the same `size` always as much higher, whatever
        the text and the picture are.
    """
    width = picture.shape[1]
    height, left = size + 2 * (size // 3), min(size // 3, width // 20)
    font = _fitting_font([text], size, width - 2 * left)
    strip, draw = _paper(height, width)
    text = _shortened(text, font, width - 2 * left)
    _write(draw, (left, 0), height, text, font, "left")
    return np.concatenate([_like(strip, picture), picture])


@functools.cache
def _font(size):
    import matplotlib  # Takes a while; only where something is written.

    folder = os.path.join(matplotlib.get_data_path(), "fonts", "ttf")
    return ImageFont.truetype(os.path.join(folder, "DejaVuSans.ttf"), size)


def _fitting_font(texts, size, width):
    """The font in which all texts are within a width, if one that can be read is."""
    for smaller in range(size, min(size, _SMALLEST) - 1, -1):
        if all(_measure(text, _font(smaller))[0] <= width for text in texts):
            return _font(smaller)
    return _font(size)


@functools.cache
def _paper_for_measuring():
    return ImageDraw.Draw(Image.new("L", (1, 1)))


def _measure(text, font):
    """Width and height of a text in pixels."""
    if not text:
        return 0, 0
    draw = _paper_for_measuring()
    right = draw.multiline_textbbox((0, 0), text, font=font, spacing=_spacing(font))[2]
    return int(np.ceil(right)), _lines_height(text, font)


def _spacing(font):
    return font.size // 6


def _lines_height(text, font):
    # Of the font, not of these letters: lines of neighbours stand at one height.
    lines = text.count("\n") + 1
    return lines * sum(font.getmetrics()) + (lines - 1) * _spacing(font)


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
    """An empty strip, and what draws on it."""
    strip = Image.new("L", (width, height), WHITE)
    return strip, ImageDraw.Draw(strip)


def _write(draw, place, height, text, font, align):
    """Writes text into a line: `place` is the line's top, and where the text is."""
    x, top = place
    width, lines = _measure(text, font)
    x -= {"left": 0, "centre": width / 2, "right": width}[align]
    draw.multiline_text(
        (round(x), round(top + (height - lines) / 2)),
        text,
        font=font,
        fill=0,
        spacing=_spacing(font),
        align={"centre": "center"}.get(align, align),
    )


def _like(strip, picture):
    """A strip as an array with the picture's channels."""
    return np.repeat(np.asarray(strip)[..., None], picture.shape[-1], axis=-1)

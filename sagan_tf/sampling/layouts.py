"""Pictures laid out as one picture, or as the frames of an animation.

An enlarged picture is its pixels repeated; words stand beside it and never over it.
"""

import math

import numpy as np

from sagan_tf import images
from sagan_tf.drawing import captions
from sagan_tf.sampling.rows import lines

# Pixels of the pictures between two of them, as in the grids of a training.
_GAP = 2
# The side that a small picture is enlarged to, and that of all pictures of a frame.
_SIDE, _FRAME_SIDE = 64, 256
# How long an animated walk stays where it stops.
_STOP_SECONDS = 0.6


def seed_rows(rows, pixels, choice, columns=None, captioned=False):
    """A picture of rows of seeds, see `sheets.rows_of_seeds`.

    Args:
        rows: list of `Row`.
        pixels: uint8 `(rows, F, R, R, C)`.
        choice: `Choice` that they are of.
        columns: int, pictures beside one another; `None` for those of a row, or for a
            square if there is but one row, without a name.
        captioned: bool. Where `columns` tears rows apart, each picture has its words
            below it.

    Returns:
        uint8 `(H, W, C)`.
    """
    count = pixels.shape[1]
    if columns is None:
        is_square = len(rows) == 1 and not rows[0].name
        columns = math.isqrt(count - 1) + 1 if is_square else count
    pictures, size, gap = _enlarged(pixels)
    if not captioned:
        return images.grid(pictures, columns, gap)
    names = [f"seed {seed}" for seed in choice.seeds]
    if not choice.labels and choice.num_classes:
        own = map(choice.label_name, choice.own_labels())
        names = [lines(label, seed) for label, seed in zip(own, names)]
    if columns != count:
        texts = [lines(row.name, name) for row in rows for name in names]
        return images.grid(captions.below_each(pictures, texts), columns, gap)
    picture = images.grid(pictures, columns, gap)
    left = [row.name for row in rows]
    return _with_margins(picture, size, gap, left=left, above=names)


def still_walks(rows, pixels, captioned=False):
    """A picture of walks: a row from each stop to the next.

    Args:
        rows: list of `Row`.
        pixels: uint8 `(rows, F, R, R, C)`.
        captioned: bool.

    Returns:
        uint8 `(H, W, C)`.
    """
    pictures, size, gap = _enlarged(pixels)
    frames = pixels.shape[1] // (len(rows[0].stops) - 1)
    picture = images.grid(pictures, frames, gap)
    if not captioned:
        return picture
    ways = [(row, start) for row in rows for start in range(len(row.stops) - 1)]
    left = [lines(row.name, row.stops[start]) for row, start in ways]
    right = [row.stops[start + 1] for row, start in ways]
    return _with_margins(picture, size, gap, left=left, right=right)


def moving_walks(rows, pixels, frame_seconds, captioned=False):
    """The frames of an animation in which all walks go on at the same time.

    Args:
        rows: list of `Row` with the same number of stops.
        pixels: uint8 `(rows, F, R, R, C)`.
        frame_seconds: float, from picture to picture; stops take longer.
        captioned: bool.

    Returns:
        List of uint8 `(H, W, C)`, and of as many floats, the seconds of each.
    """
    columns = math.isqrt(len(rows) - 1) + 1
    ways = len(rows[0].stops) - 1
    frames = pixels.shape[1] // ways
    pictures, seconds = [], []
    for way in range(ways):
        # A stop is the end of one way and the beginning of the next.
        for frame in range(0 if way == 0 else 1, frames):
            some, size, gap = _enlarged(pixels[:, way * frames + frame], columns)
            if captioned and any(row.name for row in rows):
                some = captions.below_each(some, [row.name for row in rows])
            picture = images.grid(some, columns, gap)
            if captioned:
                letters = captions.letter_height(picture.shape[1] // 3)
                text = _place(rows[0].stops, way, frame / (frames - 1))
                picture = captions.headed(picture, text, letters)
            pictures.append(picture)
            is_stop = frame in (0, frames - 1)
            seconds.append(max(frame_seconds, _STOP_SECONDS * is_stop))
    return pictures, seconds


def _place(stops, way, done):
    """Where walks are: at a stop, or between two."""
    start, end = (text.replace("\n", ", ") for text in stops[way : way + 2])
    return start if done == 0 else end if done == 1 else f"{start} → {end}"


def neighbour_blocks(samples, neighbours, texts=None, columns=None):
    """A picture of generated pictures, each with others on its right.

    Args:
        samples: uint8 `(N, R, R, C)`.
        neighbours: uint8 `(N, K, R, R, C)`.
        texts: N * (1 + K) str, to stand below each picture: the first sample, its
            neighbours, the second sample, ...; `None` for none.
        columns: int, samples beside one another; `None` for about a square.

    Returns:
        uint8 `(H, W, C)`.
    """
    count = neighbours.shape[1]
    everything = np.concatenate([samples[:, None], neighbours], axis=1)
    pictures, size, gap = _enlarged(everything)
    if texts is not None:
        pictures = captions.below_each(pictures, texts)
    blocks = []
    for start in range(0, len(pictures), count + 1):
        own = pictures[start]
        others = images.grid(pictures[start + 1 : start + 1 + count], count, gap)
        space = np.full_like(own[:, : size // 8], captions.WHITE)
        blocks.append(np.concatenate([own, space, others], axis=1))
    if columns is None:
        height, width = blocks[0].shape[:2]
        columns = max(1, round(math.sqrt(len(blocks) * height / width)))
    return images.grid(np.stack(blocks), columns, size // 4)


def _enlarged(pixels, columns=None):
    """Pictures `(N, H, W, C)` large enough to be seen, their side, and the gap.

    With `columns` so many of them make up a frame.
    """
    resolution, channels = pixels.shape[-2:]
    scale = max(1, _SIDE // resolution)
    if columns is not None:
        scale = max(scale, _FRAME_SIDE // (columns * resolution))
    flat = pixels.reshape(-1, resolution, resolution, channels)
    return images.enlarge(flat, scale), scale * resolution, scale * _GAP


def _with_margins(picture, size, gap, left=(), right=(), above=()):
    """A grid with words on the sides that have any."""
    if any(right):
        picture = captions.beside(picture, right, size, gap, "right")
    start = 0
    if any(left):
        width = picture.shape[1]
        picture = captions.beside(picture, left, size, gap)
        start = picture.shape[1] - width
    if any(above):
        picture = captions.above(picture, above, size, gap, start)
    return picture

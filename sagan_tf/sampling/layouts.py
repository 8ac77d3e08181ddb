"""Lays out images in one image, or in the frames of an animation.

Images are enlarged by repeating pixels. With `captioned`, captions stand beside the
images, never on them. `pixels` are uint8 `(rows, F, R, R, C)`, the images of a list of
`Row`. The result is uint8 `(H, W, C)`.
"""

import math

import numpy as np

from sagan_tf import images
from sagan_tf.drawing import captions
from sagan_tf.sampling.rows import lines

# The gap between images, in their own pixels, as in the grids of a training.
_GAP = 2
# Small images are enlarged to the first side, frames of animations to the second.
_SIDE, _FRAME_SIDE = 64, 256
# How long an animated walk pauses at a stop.
_STOP_SECONDS = 0.6


def seed_rows(rows, pixels, choice, columns=None, captioned=False):
    """Lays out the rows of `rows_of_seeds` as one image.

    Args:
        rows, pixels: see the module's docstring.
        choice: `Choice` that the rows come from.
        columns: int, images side by side; `None` for a line per row, or for a square
            if there is only one row, without a name.
        captioned: bool. If `columns` breaks rows, a caption stands below each image.
    """
    count = pixels.shape[1]
    if columns is None:
        is_square = len(rows) == 1 and not rows[0].name
        columns = math.isqrt(count - 1) + 1 if is_square else count
    enlarged, size, gap = _enlarged(pixels)
    columns = min(columns, len(enlarged))
    sheet = images.grid(enlarged, columns, gap)
    if not captioned:
        return sheet
    names = [f"seed {seed}" for seed in choice.seeds]
    if not choice.labels and choice.num_classes:
        labels = map(choice.label_name, choice.own_labels())
        names = [lines(label, name) for label, name in zip(labels, names)]
    if columns != count:
        texts = [lines(row.name, name) for row in rows for name in names]
        return images.grid(captions.below_each(enlarged, texts), columns, gap)
    left = [row.name for row in rows]
    return _with_margins(sheet, size, gap, left=left, above=names)


def still_walks(rows, pixels, captioned=False):
    """Lays out walks as one image, with a row from each stop to the next."""
    enlarged, size, gap = _enlarged(pixels)
    frames = pixels.shape[1] // (len(rows[0].stops) - 1)
    sheet = images.grid(enlarged, frames, gap)
    if not captioned:
        return sheet
    left = [lines(row.name, stop) for row in rows for stop in row.stops[:-1]]
    right = [stop for row in rows for stop in row.stops[1:]]
    return _with_margins(sheet, size, gap, left=left, right=right)


def moving_walks(rows, pixels, frame_seconds, captioned=False):
    """Lays out the frames of an animation that shows all walks side by side.

    Args:
        rows, pixels: see the module's docstring; all rows have equally many stops.
        frame_seconds: float, the time of a frame; a stop takes longer.

    Returns:
        List of frames, and list of floats, the seconds of each frame.
    """
    columns = math.isqrt(len(rows) - 1) + 1
    legs = len(rows[0].stops) - 1
    frames = pixels.shape[1] // legs
    names = [row.name for row in rows]
    sheets, seconds = [], []
    for leg in range(legs):
        # The first frame of a later leg is the last frame of the leg before it.
        for frame in range(min(leg, 1), frames):
            enlarged, size, gap = _enlarged(pixels[:, leg * frames + frame], columns)
            if captioned and any(names):
                enlarged = captions.below_each(enlarged, names)
            sheet = images.grid(enlarged, columns, gap)
            if captioned:
                letters = captions.letter_height(sheet.shape[1] // 3)
                text = _place(rows[0].stops, leg, frame / (frames - 1))
                sheet = captions.headed(sheet, text, letters)
            sheets.append(sheet)
            is_stop = frame in (0, frames - 1)
            seconds.append(max(frame_seconds, _STOP_SECONDS * is_stop))
    return sheets, seconds


def _place(stops, leg, done):
    """Returns the caption of a place on a walk: a stop, or two stops with an arrow."""
    start, end = (text.replace("\n", ", ") for text in stops[leg : leg + 2])
    return start if done == 0 else end if done == 1 else f"{start} → {end}"


def neighbour_blocks(samples, neighbours, texts=None, columns=None):
    """Lays out samples as one image, each with its neighbours on the right.

    Args:
        samples: uint8 `(N, R, R, C)`.
        neighbours: uint8 `(N, K, R, R, C)`.
        texts: N * (1 + K) str below the images: the first sample, its neighbours, the
            second sample, ...; `None` for no captions.
        columns: int, samples side by side; `None` for about a square.
    """
    count = neighbours.shape[1]
    everything = np.concatenate([samples[:, None], neighbours], axis=1)
    enlarged, size, gap = _enlarged(everything)
    if texts is not None:
        enlarged = captions.below_each(enlarged, texts)
    space = np.full_like(enlarged[0][:, : size // 8], captions.WHITE)
    blocks = [
        np.concatenate([sample, space, images.grid(others, count, gap)], axis=1)
        for sample, *others in enlarged.reshape(-1, count + 1, *enlarged.shape[1:])
    ]
    if columns is None:
        height, width = blocks[0].shape[:2]
        columns = max(1, round(math.sqrt(len(blocks) * height / width)))
    return images.grid(np.stack(blocks), min(columns, len(blocks)), size // 4)


def _enlarged(pixels, columns=None):
    """Returns enlarged images `(N, H, W, C)`, their side and the gap between them.

    With `columns`, that many images fill a frame.
    """
    resolution, channels = pixels.shape[-2:]
    scale = max(1, _SIDE // resolution)
    if columns is not None:
        scale = max(scale, _FRAME_SIDE // (columns * resolution))
    flat = pixels.reshape(-1, resolution, resolution, channels)
    return images.enlarge(flat, scale), scale * resolution, scale * _GAP


def _with_margins(sheet, size, gap, left=(), right=(), above=()):
    """Adds captions to the sides of a grid that have any."""
    if any(right):
        sheet = captions.beside(sheet, right, size, gap, "right")
    start = 0
    if any(left):
        width = sheet.shape[1]
        sheet = captions.beside(sheet, left, size, gap)
        start = sheet.shape[1] - width
    return captions.above(sheet, above, size, gap, start) if any(above) else sheet

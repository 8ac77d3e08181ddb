"""Animations: GIF and WebP files.

WebP files are lossless. A GIF has 256 colors per frame: gray frames lose nothing, and
each color frame gets its own best palette.
"""

import os

import numpy as np
from PIL import Image

from sagan_tf.errors import BadInput
from sagan_tf.files import replacing
from sagan_tf.progress import progress_bar

SUFFIXES = (".gif", ".webp")
# GIF counts hundredths of a second. Browsers choose the speed of faster animations.
SHORTEST_SECONDS = 0.02
# A GIF stores the hundredths of each frame in 16 bits.
LONGEST_SECONDS = 655
# The palette is chosen from this many pixels: all those of a large frame take long.
_PALETTE_PIXELS = 2**15


def is_animation(path):
    """Returns True if a path has the suffix of an animation.

    Raises:
        BadInput: the suffix is neither that of a still image nor of an animation.
    """
    stem, suffix = os.path.splitext(os.fspath(path))
    if suffix.lower() in (".png", *SUFFIXES):
        return suffix.lower() != ".png"
    raise BadInput(
        "output must be a .png, or an animation: a .gif or a .webp. Received: "
        f"{os.fspath(path)}. Try {stem}.png."
    )


def write_animation(path, frames, seconds):
    """Writes an animation that loops forever.

    The file is written whole or not at all.

    Args:
        path: path of the `.gif` or `.webp`; its folder must exist.
        frames: sequence of uint8 `(H, W, 1)` or `(H, W, 3)`, all of one shape.
        seconds: sequence of floats, the time of each frame.

    Raises:
        BadInput: the frames differ in shape, or a time is missing or too short.
        OSError: the file cannot be written.
    """
    if not frames or {frame.shape for frame in frames} != {frames[0].shape}:
        raise BadInput(
            "An animation needs frames, all of one shape. Received: "
            f"{sorted({frame.shape for frame in frames})}."
        )
    within = all(SHORTEST_SECONDS <= time <= LONGEST_SECONDS for time in seconds)
    if len(seconds) != len(frames) or not within:
        raise BadInput(
            f"Each of {len(frames)} frames needs a time from {SHORTEST_SECONDS} to "
            f"{LONGEST_SECONDS} seconds. Received: {len(seconds)} times, the shortest "
            f"{min(seconds)}, the longest {max(seconds)}."
        )
    is_gif = os.path.splitext(os.fspath(path))[1].lower() == ".gif"
    images = []
    with progress_bar("Choosing colours", len(frames), "frames") as bar:
        for frame in frames:
            images.append(_to_pillow(np.asarray(frame), is_gif))
            bar.update()
    options = {"disposal": 1} if is_gif else {"lossless": True, "method": 4}
    with replacing(path) as temporary, open(temporary, "wb") as file:
        images[0].save(
            file,
            format="GIF" if is_gif else "WEBP",
            save_all=True,
            append_images=images[1:],
            duration=[round(1000 * time) for time in seconds],
            loop=0,
            **options,
        )


def _to_pillow(frame, is_gif):
    if frame.shape[-1] == 1:
        return Image.fromarray(frame[..., 0])
    image = Image.fromarray(frame)
    return _in_256_colours(image) if is_gif else image


def _in_256_colours(image):
    """Gives an RGB image its own palette; dithers it if 256 colors are not enough."""
    if image.getcolors(256):
        return image.quantize(256, Image.Quantize.MEDIANCUT)
    pixels = np.asarray(image)
    count = min(pixels.size // 3, _PALETTE_PIXELS)
    chosen = np.linspace(0, pixels.size // 3 - 1, count).astype(int)
    sample = Image.fromarray(pixels.reshape(1, -1, 3)[:, chosen])
    sample = sample.quantize(254, Image.Quantize.MEDIANCUT, kmeans=1)
    colours = sample.getpalette()[: 3 * 254] + [255] * 3 + [0] * 3
    palette = Image.new("P", (1, 1))
    palette.putpalette(colours)
    numbers = np.array(
        image.quantize(palette=palette, dither=Image.Dither.FLOYDSTEINBERG)
    )
    # Keeps captions black on white: Pillow may map white to a near-white color.
    numbers[(pixels == 255).all(axis=-1)] = len(colours) // 3 - 2
    numbers[(pixels == 0).all(axis=-1)] = len(colours) // 3 - 1
    result = Image.fromarray(numbers)
    result.putpalette(colours)
    return result

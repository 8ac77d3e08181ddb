"""Moving pictures: GIF and WebP files.

A WebP is lossless. A GIF has 256 colours a frame: grey pictures lose nothing, of others
each frame gets the colours that suit it best.
"""

import os

import numpy as np
from PIL import Image
from tqdm import tqdm

from sagan_tf.errors import BadInput
from sagan_tf.files import replacing

SUFFIXES = (".gif", ".webp")
# GIF counts in hundredths; browsers show what is faster than this at their own speed.
SHORTEST_SECONDS = 0.02
# The best palette of all pixels of a large frame takes long to find.
_PALETTE_PIXELS = 2**15


def is_animation(path):
    """Whether a file is to be an animation.

    Raises:
        BadInput: its suffix is neither that of a still picture nor of a moving one.
    """
    suffix = os.path.splitext(os.fspath(path))[1].lower()
    if suffix in (".png", *SUFFIXES):
        return suffix != ".png"
    raise BadInput(
        "output must be a .png, or an animation: a .gif or a .webp. Received: "
        f"{os.fspath(path)}. Try {os.path.splitext(os.fspath(path))[0]}.png."
    )


def write_animation(path, frames, seconds):
    """Writes an animation that starts anew for ever: whole, or not at all.

    Args:
        path: where to, `.gif` or `.webp`; the folder exists already.
        frames: sequence of uint8 `(H, W, 1)` or `(H, W, 3)`, all of one shape.
        seconds: how long each frame is shown: as many floats.

    Raises:
        BadInput: the frames differ in shape, or are something else.
        OSError: the file cannot be written.
    """
    if not frames or {frame.shape for frame in frames} != {frames[0].shape}:
        raise BadInput(
            "An animation needs frames, all of one shape. Received: "
            f"{sorted({frame.shape for frame in frames})}."
        )
    if len(seconds) != len(frames) or min(seconds) < SHORTEST_SECONDS:
        raise BadInput(
            f"Each of {len(frames)} frames needs a time of {SHORTEST_SECONDS} seconds "
            f"or more. Received: {len(seconds)} times, the shortest {min(seconds)}."
        )
    is_gif = os.path.splitext(os.fspath(path))[1].lower() == ".gif"
    bar = tqdm(frames, "Colours", delay=2, leave=False, disable=None)
    first, *others = [_picture(frame, is_gif) for frame in bar]
    options = {"disposal": 1} if is_gif else {"lossless": True, "method": 4}
    with replacing(path) as temporary, open(temporary, "wb") as file:
        first.save(
            file,
            format="GIF" if is_gif else "WEBP",
            save_all=True,
            append_images=others,
            duration=[round(1000 * time) for time in seconds],
            loop=0,
            **options,
        )


def _picture(frame, is_gif):
    """A frame for Pillow, in a GIF's colours."""
    frame = np.asarray(frame)
    if frame.shape[-1] == 1:
        return Image.fromarray(frame[..., 0])
    picture = Image.fromarray(frame)
    return _in_256_colours(picture) if is_gif else picture


def _in_256_colours(picture):
    """An RGB picture with a palette of its own; dithered if that is not enough."""
    if picture.getcolors(256):
        return picture.quantize(256, Image.Quantize.MEDIANCUT)
    pixels = np.asarray(picture)
    count = min(pixels.size // 3, _PALETTE_PIXELS)
    some = np.linspace(0, pixels.size // 3 - 1, count).astype(int)
    found = Image.fromarray(pixels.reshape(1, -1, 3)[:, some]).quantize(
        254, Image.Quantize.MEDIANCUT, kmeans=1
    )
    colours = found.getpalette()[: 3 * 254] + [255] * 3 + [0] * 3
    palette = Image.new("P", (1, 1))
    palette.putpalette(colours)
    numbers = np.array(
        picture.quantize(palette=palette, dither=Image.Dither.FLOYDSTEINBERG)
    )
    # Paper and words stay what they are: Pillow takes what is nearly white for white.
    numbers[(pixels == 255).all(axis=-1)] = len(colours) // 3 - 2
    numbers[(pixels == 0).all(axis=-1)] = len(colours) // 3 - 1
    result = Image.fromarray(numbers)
    result.putpalette(colours)
    return result

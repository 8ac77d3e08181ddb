"""Animates the sample grids of a training.

This needs neither TensorFlow nor a checkpoint.
"""

import math
import pathlib

import numpy as np
from PIL import Image

from sagan_tf.drawing import captions
from sagan_tf.drawing.animation import write_animation
from sagan_tf.errors import BadInput
from sagan_tf.run.records import find_grids

_FRAME_SECONDS = 0.4
# The last frame shows the result, so it stays longer.
_LAST_SECONDS = 3.0


def write_progress(
    workdir, output, frame_seconds=None, max_frames=None, captioned=None
):
    """Writes an animation of a run's sample grids, with the step above each.

    The frames have the size of the largest grid; smaller ones are in the upper left
    corner. (Their size changes with `--samples_per_class`.)

    Args:
        workdir: path of the run.
        output: path of a `.gif` or `.webp`.
        frame_seconds: float, the time of a frame; `None` for 0.4. The last frame takes
            at least three seconds.
        max_frames: int >= 2, the number of grids at most, see `spread_steps`; `None`
            for all.
        captioned: bool, whether to write the step above each grid; `None` for yes, if
            the grids do not have it.

    Returns:
        List of the steps that are shown.

    Raises:
        BadInput: there are fewer than two grids, or one cannot be read.
        OSError: the file cannot be written.
    """
    paths = find_grids(workdir)
    if len(paths) < 2:
        raise BadInput(
            "progress needs at least two sample grids (step_00001000.png and so on). "
            f"Received: {workdir}/samples, which has {len(paths)}. Try the --workdir "
            "of a training with --sample_every_steps."
        )
    steps = spread_steps(list(paths), max_frames or len(paths))
    grids, titles = zip(*(read_grid(paths[step]) for step in steps))
    grids = captions.on_white(grids)
    if captioned is None:
        captioned = None in titles
    if captioned:
        letters = captions.letter_height(grids[0].shape[1] // 3)
        grids = [
            captions.headed(grid, f"step {step:,}", letters)
            for grid, step in zip(grids, steps)
        ]
    frame_seconds = frame_seconds or _FRAME_SECONDS
    seconds = [frame_seconds] * len(grids)
    seconds[-1] = max(_LAST_SECONDS, frame_seconds)
    pathlib.Path(output).parent.mkdir(parents=True, exist_ok=True)
    write_animation(output, grids, seconds)
    return steps


def spread_steps(steps, count):
    """Chooses steps that are about evenly spread on a logarithmic scale.

    A training changes most at its start. The first and the last step are always chosen.

    Args:
        steps: list of rising ints >= 0.
        count: int >= 2.

    Returns:
        List of `count` steps, or all if there are fewer.
    """
    if len(steps) <= count:
        return list(steps)
    scale = [math.log(step) if step else math.nan for step in steps]
    if not steps[0]:
        # Step 0 has no logarithm: it gets the distance of the two steps after it.
        scale[0] = 2 * scale[1] - scale[2]
    chosen = [0]
    while len(chosen) < count:
        last, left = chosen[-1], count - len(chosen)
        wanted = scale[last] + (scale[-1] - scale[last]) / left
        possible = range(last + 1, len(steps) - left + 1)
        chosen.append(min(possible, key=lambda index: abs(scale[index] - wanted)))
    return [steps[index] for index in chosen]


def read_grid(path):
    """Reads a grid as uint8 `(H, W, 1)` or `(H, W, 3)`, and its title or `None`.

    Raises:
        BadInput: the file is not an image.
    """
    try:
        with Image.open(path) as grid:
            mode = "L" if grid.mode in ("1", "L") else "RGB"
            pixels = np.atleast_3d(np.asarray(grid.convert(mode)))
            return pixels, grid.info.get("Title")
    except (OSError, SyntaxError) as error:
        raise BadInput(
            f"{path} must be an image. Received: {error}. Try removing the file."
        ) from error

"""The pictures that a training has saved, one after the other, as an animation.

Needs neither TensorFlow nor a checkpoint.
"""

import math
import pathlib
import re

import numpy as np
from PIL import Image, UnidentifiedImageError

from sagan_tf.drawing import captions
from sagan_tf.drawing.animation import write_animation
from sagan_tf.errors import BadInput

FRAME_SECONDS = 0.4
# What people want to look at.
_LAST_SECONDS = 3.0


def write_progress(
    workdir, output, frame_seconds=None, max_frames=None, captioned=None
):
    """Writes an animation of a run's sample grids, with the step above each.

    Grids of other sizes, as a run has whose `--samples_per_class` was changed, stand
    in the upper left corner of a frame that all of them fit into.

    Args:
        workdir: path of the run.
        output: path of a `.gif` or `.webp`.
        frame_seconds: float, how long a frame is shown; `None` for `FRAME_SECONDS`. The
            last is shown for three seconds or more.
        max_frames: int >= 2, how many of the grids are taken at most, see
            `spread_steps`; `None` for all.
        captioned: bool, whether the step is written above; `None` for yes.

    Returns:
        List of the steps that are shown.

    Raises:
        BadInput: there are less than two grids, or one cannot be read.
        OSError: the file cannot be written.
    """
    folder = pathlib.Path(workdir) / "samples"
    found = sample_grids(folder)
    if len(found) < 2:
        raise BadInput(
            "An animation needs two pictures of a training or more, step_00001000.png "
            f"and so on. Received: {folder}, which has {len(found)}. Try the --workdir "
            "that was given to sagan_tf.train, and --sample_every_steps there."
        )
    steps = spread_steps(sorted(found), max_frames or len(found))
    grids = _same_shape([_read(found[step]) for step in steps])
    if captioned is not False:
        letters = captions.letter_height(grids[0].shape[1] // 3)
        grids = [
            captions.headed(grid, f"step {step:,}", letters)
            for grid, step in zip(grids, steps)
        ]
    frame_seconds = frame_seconds or FRAME_SECONDS
    seconds = [frame_seconds] * len(grids)
    seconds[-1] = max(_LAST_SECONDS, frame_seconds)
    pathlib.Path(output).parent.mkdir(parents=True, exist_ok=True)
    write_animation(output, grids, seconds)
    return steps


def sample_grids(folder):
    """The pictures of a run's folder `samples`: dict of step to path."""
    folder = pathlib.Path(folder)
    if not folder.is_dir():
        return {}
    found = ((re.fullmatch(r"step_(\d+)\.png", p.name), p) for p in folder.iterdir())
    return {int(match.group(1)): path for match, path in found if match}


def spread_steps(steps, count):
    """Chooses steps that are about evenly spread on a logarithmic scale.

    Most happens early in a training. The first and the last step are always chosen;
    where the scale asks for more steps than there are, all of those are taken.

    Args:
        steps: list of ints >= 0, rising.
        count: int >= 2, how many are wanted.

    Returns:
        List of `count` of them, or all if there are not more.
    """
    if len(steps) <= count:
        return list(steps)
    # Step 0 has no logarithm. It stands as far before the next as that before the one
    # after it.
    scale = [math.log(step) if step else math.nan for step in steps]
    if not steps[0]:
        scale[0] = 2 * scale[1] - scale[2]
    chosen = [0]
    while len(chosen) < count:
        last, left = chosen[-1], count - len(chosen)
        wanted = scale[last] + (scale[-1] - scale[last]) / left
        possible = range(last + 1, len(steps) - left + 1)
        chosen.append(min(possible, key=lambda index: abs(scale[index] - wanted)))
    return [steps[index] for index in chosen]


def _read(path):
    """A picture as uint8 `(H, W, 1)` or `(H, W, 3)`."""
    try:
        with Image.open(path) as picture:
            kind = "L" if picture.mode in ("1", "L") else "RGB"
            return np.atleast_3d(np.asarray(picture.convert(kind)))
    except (OSError, UnidentifiedImageError, SyntaxError) as error:
        raise BadInput(
            f"{path} cannot be read: {error}. Try without it: remove the file."
        ) from error


def _same_shape(grids):
    """The grids on paper of one size, with one number of channels."""
    height, width, channels = np.max([grid.shape for grid in grids], axis=0)
    shape = (height, width, channels)
    paper = [np.full(shape, captions.WHITE, np.uint8) for _ in grids]
    for sheet, grid in zip(paper, grids):
        sheet[: grid.shape[0], : grid.shape[1]] = grid
    return paper

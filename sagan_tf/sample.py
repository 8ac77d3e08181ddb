"""Draws images with a trained generator: grids, walks, animations, neighbours.

python -m sagan_tf.sample --workdir=runs/digits --seeds=0-63 --output=grid.png

There is one image for each seed. It depends only on its seed, label and truncation.
Without --labels, the label is drawn from the seed. With --labels, each label has a row
and each seed a column. --truncation cuts z at 2 and multiplies it. With several values,
each has a row: 0.2,0.5,1 shrink the same z; none does not cut and gives another z.

--interpolate walks from each seed to the next on the sphere through both z (slerp),
with the label of the first, or once for each of --labels. --interpolate_labels walks
from label to label for each seed: z stays, the gains and biases of batch normalization
are mixed. Both flags together change both at once. A .gif or .webp animates the walks.

--neighbours=5 puts beside each image the training images nearest to it in the feature
space of --feature_network, and says whether any looks like a copy.
--progress animates the grids that the training saved; it needs no generator.
"""

import sys

from absl import flags

from sagan_tf import hub
from sagan_tf.drawing.animation import LONGEST_SECONDS as LONGEST
from sagan_tf.drawing.animation import SHORTEST_SECONDS as SHORTEST
from sagan_tf.errors import FINISHED
from sagan_tf.sampling import kinds, progress
from sagan_tf.settings.arguments import (
    STANDING,
    parse_numbers,
    parse_step,
    parse_truncations,
)
from sagan_tf.settings.command import load, required, run_command

_READ = ("checkpoint", "ema", "standing_batches", "seeds", "labels", "truncation")
_DRAW = (
    "interpolate",
    "interpolate_labels",
    "neighbours",
    "neighbour_images",
    "skip_bad_images",
    "feature_network",
    "inception",
    "columns",
    "frame_seconds",
    "captions",
)


def _define(values):
    for name, default, about in (
        ("workdir", None, "folder of the run, or hf://user/name"),
        ("output", None, "a .png; a walk or --progress can be a .gif or .webp"),
        ("seeds", "0-63", "numbers and ranges with commas: 0-63 or 3,7,10-12"),
        ("labels", None, "numbers and ranges with commas, or all"),
        ("checkpoint", "newest", "step of the checkpoint, newest or best"),
        ("truncation", None, "shrinks z: cleaner, less varied; several values: rows"),
        ("feature_network", None, "inception or a classifier folder; none: the run's"),
        ("inception", None, "unpacked folder or handle of TF-GAN's Inception module"),
    ):
        flags.DEFINE_string(name, default, about, flag_values=values)
    for name, least, most, about in (
        ("columns", 1, 1000, "images in a row; for a walk, images from stop to stop"),
        ("neighbours", 1, 1000, "training images beside each image"),
        ("neighbour_images", 2, None, "training images to search; none: all"),
        ("max_frames", 2, None, "frames of --progress, even in log(step); none: all"),
    ):
        flags.DEFINE_integer(name, None, about, least, most, flag_values=values)
    flags.DEFINE_integer("standing_batches", 0, STANDING, 0, 10**6, flag_values=values)
    about = "seconds per frame; none: 0.06 for a walk, 0.4 for --progress"
    within = {"lower_bound": SHORTEST, "upper_bound": LONGEST, "flag_values": values}
    flags.DEFINE_float("frame_seconds", None, about, **within)
    for name, default, about in (
        ("interpolate", False, "walk from seed to seed"),
        ("interpolate_labels", False, "walk from label to label"),
        ("progress", False, "animate the training's own grids"),
        (
            "skip_bad_images",
            None,
            "leave unreadable real images out, and name them",
        ),
        ("captions", None, "write captions; none: only if more than the seeds differ"),
        ("ema", True, "use the averaged weights, if the run has them"),
    ):
        flags.DEFINE_bool(name, default, about, flag_values=values)


def _sample(values):
    required(values, "workdir", "runs/digits")
    output = required(values, "output", "grid.png")
    flag = {name: values[name].value for name in values}
    kinds.check(flag, {n for n in values if values[n].value != values[n].default})
    has_network = values.feature_network or values.inception
    # Without a network, --neighbours trains one and keeps it in the run.
    is_written = values.neighbours and not has_network
    find = hub.find_own_run if is_written else hub.find_run
    if values.progress:
        workdir = find(values.workdir)
        options = values.frame_seconds, values.max_frames, values.captions
        steps = progress.write_progress(workdir, output, *options)
        written = f"{len(steps)} steps from {steps[0]:,} to {steps[-1]:,}"
    else:
        # TensorFlow takes seconds to load, so the flags are checked first.
        parse_numbers(values.seeds, "seeds")
        parse_truncations(values.truncation)
        parse_step(values.checkpoint)
        workdir = find(values.workdir)
        drawing = load("sagan_tf.sampling.drawing")
        drawing = drawing.Drawing(workdir, **{name: flag[name] for name in _READ})
        written = drawing.write(output, **{name: flag[name] for name in _DRAW})
        written += f" from step {drawing.step:,}"
    print(f"{written}: {output}")
    return FINISHED


def main(argv=None):
    """Runs the command; returns its exit status."""
    return run_command(_sample, _define, __doc__, argv)


if __name__ == "__main__":
    sys.exit(main())

"""Draws pictures with a trained generator: grids, walks, animations, neighbours.

python -m sagan_tf.sample --workdir=runs/digits --seeds=0-63 --output=grid.png

One picture a seed: it depends on its seed, label and truncation alone. Without --labels
the label is drawn from the seed too. With --labels each label has a row and each seed a
column. --truncation takes z from a normal distribution cut at 2 and multiplies it. Each
of several values has a row: 0.2,0.5,1 are the same z shrunk more or less; none, a whole
normal distribution, is another z.

--interpolate walks from each seed to the next, one row a walk, on the sphere through
both z (slerp), with the label of its first seed, or once for each of --labels.
--interpolate_labels walks from each of --labels to the next, for each seed: z stays,
the gains and biases of batch normalization are mixed. Both together walk from seed to
seed and from label to label at the same time. With --output=walk.gif or walk.webp walks
move; --seeds=0-3,0 comes back to where it began.

--neighbours=5 puts beside each picture the training pictures nearest to it in the
feature space of --feature_network, and says whether any of them looks copied.
--progress makes an animation of the grids that the training saved: no generator runs.
"""

import sys

from absl import flags

from sagan_tf.drawing import animation
from sagan_tf.errors import FINISHED
from sagan_tf.sampling import kinds, progress
from sagan_tf.settings.command import load, required, run_command


def _define(values):
    for name, default, about in (
        ("workdir", None, "folder of the run"),
        ("output", None, "a .png; a walk or --progress can be a .gif or .webp"),
        ("seeds", "0-63", "numbers and ranges with commas: 0-63 or 3,7,10-12"),
        ("labels", None, "numbers and ranges with commas, or all"),
        ("checkpoint", "newest", "step of the checkpoint, newest or best"),
        ("truncation", None, "shrinks z: more alike, cleaner; with commas a row each"),
        (
            "feature_network",
            None,
            "inception, or a classifier's folder; none: the run's",
        ),
        ("inception", None, "unpacked folder or handle of TF-GAN's Inception module"),
    ):
        flags.DEFINE_string(name, default, about, flag_values=values)
    for name, least, about in (
        ("columns", 1, "pictures in a row; pictures of a walk from stop to stop"),
        ("neighbours", 1, "training pictures beside each picture"),
        ("neighbour_images", 2, "training pictures that are searched; none: all"),
        ("max_frames", 2, "of --progress: as even in log(step) as may be; none: all"),
    ):
        flags.DEFINE_integer(name, None, about, least, flag_values=values)
    flags.DEFINE_float(
        "frame_seconds",
        None,
        "of an animation; none: 0.06 on a walk, 0.4 of --progress",
        animation.SHORTEST_SECONDS,
        flag_values=values,
    )
    for name, default, about in (
        ("interpolate", False, "walk from seed to seed"),
        ("interpolate_labels", False, "walk from label to label"),
        ("progress", False, "animate the training's own grids"),
        ("captions", None, "words beside the pictures; none: where much changes"),
        ("ema", True, "use the averaged weights, if the run has them"),
    ):
        flags.DEFINE_bool(name, default, about, flag_values=values)


def _sample(values):
    workdir = required(values, "workdir", "runs/digits")
    output = required(values, "output", "grid.png")
    kinds.check({name: values[name].value for name in values})
    if values.progress:
        steps = progress.write_progress(
            workdir, output, values.frame_seconds, values.max_frames, values.captions
        )
        print(f"{len(steps)} steps from {steps[0]:,} to {steps[-1]:,}: {output}")
        return FINISHED
    # TensorFlow takes seconds to load: flags are checked before.
    drawing = load("sagan_tf.sampling.drawing").Drawing(
        workdir,
        checkpoint=values.checkpoint,
        ema=values.ema,
        seeds=values.seeds,
        labels=values.labels,
        truncation=values.truncation,
    )
    written = drawing.write(
        output,
        interpolate=values.interpolate,
        interpolate_labels=values.interpolate_labels,
        neighbours=values.neighbours,
        neighbour_images=values.neighbour_images,
        feature_network=values.feature_network,
        inception=values.inception,
        columns=values.columns,
        frame_seconds=values.frame_seconds,
        captions=values.captions,
    )
    print(f"{written} from step {drawing.step:,}: {output}")
    return FINISHED


def main(argv=None):
    """Runs the command; returns its exit status."""
    return run_command(_sample, _define, __doc__, argv)


if __name__ == "__main__":
    sys.exit(main())

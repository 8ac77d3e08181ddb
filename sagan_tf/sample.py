"""Draws pictures with a trained generator.

python -m sagan_tf.sample --workdir=runs/digits --seeds=0-63 --output=grid.png

One picture a seed: it depends on its seed and label alone. Without --labels the label
is drawn from the seed too. With --labels each label has a row and each seed a column.
--interpolate walks from each seed to the next, one row a walk, on the sphere through
both z (slerp), with the label of its first seed, or once for each of --labels.
"""

import math
import pathlib
import sys

from absl import flags

from sagan_tf.flags import FINISHED, load, required, run_command


def _define(values):
    def text(name, default, about):
        flags.DEFINE_string(name, default, about, flag_values=values)

    text("workdir", None, "folder of the run")
    text("output", None, "the PNG to write")
    text("seeds", "0-63", "numbers and ranges with commas: 0-63 or 3,7,10-12")
    text("labels", None, "numbers and ranges with commas, or all")
    text("checkpoint", "newest", "step of the checkpoint, newest or best")
    flags.DEFINE_integer(
        "columns", None, "pictures in a row; frames of a walk", flag_values=values
    )
    flags.DEFINE_float(
        "truncation",
        None,
        "z from a normal distribution cut at 2 and times this: more alike, cleaner",
        lower_bound=0.0,
        flag_values=values,
    )
    for name, default, about in (
        ("interpolate", False, "walk from seed to seed"),
        ("ema", True, "use the averaged weights, if the run has them"),
    ):
        flags.DEFINE_bool(name, default, about, flag_values=values)


def _sample(values):
    workdir = required(values, "workdir", "runs/digits")
    output = required(values, "output", "grid.png")
    # TensorFlow takes seconds to load: flags are checked before.
    images, rundir, sampling = (
        load(f"sagan_tf.{name}") for name in ("images", "rundir", "sampling")
    )

    seeds = sampling.parse_numbers(values.seeds, "seeds")
    step = sampling.parse_step(values.checkpoint)
    generator, config, names, step = rundir.load_generator(workdir, step, values.ema)
    labels = sampling.parse_labels(values.labels, config.num_classes)
    if values.interpolate:
        columns = values.columns or 9
        z, labels = sampling.walks(
            seeds, labels, columns, config.z_dim, config.num_classes, values.truncation
        )
    else:
        default = len(seeds) if labels else math.isqrt(len(seeds) - 1) + 1
        columns = values.columns or default
        z, labels = sampling.one_each(
            seeds, labels, config.z_dim, config.num_classes, values.truncation
        )
    pixels = images.to_pixels(sampling.generate_one_by_one(generator, z, labels))
    scale = max(1, 64 // config.resolution)
    pathlib.Path(output).parent.mkdir(parents=True, exist_ok=True)
    images.write_png(output, images.grid(pixels, columns), scale)
    print(f"{len(pixels)} pictures from step {step:,}: {output}")
    return FINISHED


def main(argv=None):
    """Runs the command; returns its exit status."""
    return run_command(_sample, _define, __doc__, argv)


if __name__ == "__main__":
    sys.exit(main())

"""Shows what the attention layers of a run look at, like figures 1 and 5 of the paper.

python -m sagan_tf.attention --workdir=runs/digits --seeds=0-3 --output=attention.png

The figure has a row for each image and attention layer: the image with its query
points, and for each of them a map of what that location looks at. The command prints
gamma, entropy and mean attention distance, and writes them as JSON beside the figure.
--html writes a page for any browser that shows what any location looks at.

For real images (--images=real), --seeds are positions in the data set, in training
order. With --labels, they are positions among the images of the class.
"""

import pathlib
import sys

from absl import flags

from sagan_tf.errors import FINISHED, BadInput
from sagan_tf.files import check_writable
from sagan_tf.hub import find_run
from sagan_tf.settings.arguments import parse_numbers, parse_queries, parse_step
from sagan_tf.settings.command import load, required, run_command


def _define(values):
    for name, default, about in (
        ("workdir", None, "folder of the run, or hf://user/name"),
        ("output", None, "the PNG to write; the JSON goes beside it"),
        ("html", None, "the page to write, or none"),
        ("seeds", "0-3", "numbers and ranges with commas: 0-63 or 3,7,10-12"),
        ("labels", None, "numbers and ranges with commas, or all"),
        ("queries", "auto", 'points x,y in pixels: "8,8;20,12"; auto picks them'),
        ("checkpoint", "newest", "step of the checkpoint, newest or best"),
    ):
        flags.DEFINE_string(name, default, about, flag_values=values)
    about = "how many points auto picks"
    flags.DEFINE_integer("num_queries", 5, about, 1, 7, flag_values=values)
    networks, about = ["generator", "discriminator"], "none: all that see the images"
    flags.DEFINE_enum("network", None, networks, about, flag_values=values)
    kinds, about = ["generated", "real"], "which images to look at"
    flags.DEFINE_enum("images", "generated", kinds, about, flag_values=values)
    for name, default, about in (
        ("history", False, "add a table and curves over all checkpoints"),
        ("ema", True, "use the averaged weights, if the run has them"),
        ("skip_bad_images", False, "leave unreadable real images out, and name them"),
    ):
        flags.DEFINE_bool(name, default, about, flag_values=values)


def _attention(values):
    workdir = required(values, "workdir", "runs/digits")
    output = required(values, "output", "attention.png")
    if not output.endswith(".png"):
        raise BadInput(
            f"--output must be a .png. Received: {output}. Try --output=attention.png."
        )
    if values.html is not None and not values.html.endswith(".html"):
        raise BadInput(
            f"--html must be a .html. Received: {values.html}. Try "
            "--html=attention.html."
        )
    seeds = parse_numbers(values.seeds, "seeds")
    points = parse_queries(values.queries)
    checkpoint = parse_step(values.checkpoint)
    for path in (output, pathlib.Path(output).with_suffix(".json"), values.html):
        if path is not None:
            check_writable(path, make_parents=True)
    workdir = find_run(workdir)
    # TensorFlow takes seconds to load, so the flags are checked first.
    report = load("sagan_tf.attention_maps.report").make_report(
        workdir,
        seeds=seeds,
        labels=values.labels,
        points=points,
        num_queries=values.num_queries,
        checkpoint=checkpoint,
        network=values.network,
        images=values.images,
        ema=values.ema,
        with_page=values.html is not None,
        with_history=values.history,
        skip_bad_images=values.skip_bad_images,
    )
    paths = report.write(output, values.html)
    print(report.text())
    print("\n".join(str(path) for path in paths))
    return FINISHED


def main(argv=None):
    """Runs the command; returns its exit status."""
    return run_command(_attention, _define, __doc__, argv)


if __name__ == "__main__":
    sys.exit(main())

"""Shows what the attention layers of a run look at, as figures 1 and 5 of the paper.

python -m sagan_tf.attention --workdir=runs/digits --seeds=0-3 --output=attention.png

For each picture and attention layer there is a row: the picture with its query points,
and for each of them a map of what that location looks at. Gamma, entropy and mean
attention distance are printed, and written beside the picture as JSON. --html writes a
page for any browser, in which every location can be asked.

Of real pictures (--images=real), --seeds are places in the data set, in the order of
the training; with --labels, places among the pictures of the class.
"""

import sys

from absl import flags

from sagan_tf.errors import FINISHED, BadInput
from sagan_tf.settings.arguments import parse_numbers, parse_queries, parse_step
from sagan_tf.settings.command import load, required, run_command


def _define(values):
    def text(name, default, about):
        flags.DEFINE_string(name, default, about, flag_values=values)

    text("workdir", None, "folder of the run")
    text("output", None, "the PNG to write; the JSON is beside it")
    text("html", None, "the page to write, or none")
    text("seeds", "0-3", "numbers and ranges with commas: 0-63 or 3,7,10-12")
    text("labels", None, "numbers and ranges with commas, or all")
    text("queries", "auto", 'points x,y in pixels: "8,8;20,12", or auto: telling ones')
    text("checkpoint", "newest", "step of the checkpoint, newest or best")
    flags.DEFINE_integer(
        "num_queries",
        5,
        "how many points auto takes",
        lower_bound=1,
        upper_bound=7,
        flag_values=values,
    )
    flags.DEFINE_enum(
        *("network", None, ["generator", "discriminator"]),
        "none: both; of real pictures the discriminator",
        flag_values=values,
    )
    flags.DEFINE_enum(
        *("images", "generated", ["generated", "real"]),
        "what the discriminator looks at",
        flag_values=values,
    )
    for name, default, about in (
        ("history", False, "the figures at every checkpoint too, as table and curves"),
        ("ema", True, "use the averaged weights, if the run has them"),
    ):
        flags.DEFINE_bool(name, default, about, flag_values=values)


def _attention(values):
    required(values, "workdir", "runs/digits")
    output = required(values, "output", "attention.png")
    if not output.endswith(".png"):
        raise BadInput(
            f"--output must be a .png. Received: {output}. Try --output=attention.png."
        )
    # TensorFlow takes seconds to load: flags are checked before.
    report = load("sagan_tf.attention_maps.report").make_report(
        values.workdir,
        seeds=parse_numbers(values.seeds, "seeds"),
        labels=values.labels,
        points=parse_queries(values.queries),
        num_queries=values.num_queries,
        checkpoint=parse_step(values.checkpoint),
        network=values.network,
        images=values.images,
        ema=values.ema,
        with_page=values.html is not None,
        with_history=values.history,
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

"""Exports a run's generator for other programs: TensorFlow Serving, ONNX Runtime, ...

python -m sagan_tf.export --workdir=runs/digits --output=models/digits/1
python -m sagan_tf.export --workdir=runs/digits --output=digits-onnx --format=onnx
python -m sagan_tf.export --workdir=runs/digits --output=digits-page --format=web

The model runs without this package; its model_card.md says how. Before the folder gets
its name, the command loads the model in its own runtime and checks that it draws what
the run's generator draws.
"""

import sys

from absl import flags

from sagan_tf.errors import FINISHED
from sagan_tf.exports.folder import check_output
from sagan_tf.exports.formats import NAMES, SAVED_MODEL, check_format
from sagan_tf.settings.arguments import STANDING, parse_step
from sagan_tf.settings.command import load, required, run_command


def _define(values):
    for name, default, about in (
        ("workdir", None, "folder of the run"),
        ("output", None, "new folder; for TensorFlow Serving a number, the version"),
        ("checkpoint", "newest", "step of the checkpoint, newest or best"),
        ("onnxruntime_web", None, "web: folder of the npm package; none: searched"),
    ):
        flags.DEFINE_string(name, default, about, flag_values=values)
    about = "what it is written for; onnx, litert, openvino and web need an extra"
    flags.DEFINE_enum("format", SAVED_MODEL, NAMES, about, flag_values=values)
    flags.DEFINE_integer("standing_batches", 0, STANDING, 0, 10**6, flag_values=values)
    for name, default, about in (
        ("ema", True, "use the averaged weights, if the run has them"),
        ("warmup", True, "saved_model: write warm-up requests for TensorFlow Serving"),
        ("overwrite", False, "replace an existing export once the new one is complete"),
    ):
        flags.DEFINE_bool(name, default, about, flag_values=values)


def _export(values):
    required(values, "workdir", "runs/digits")
    output = required(values, "output", "models/digits/1")
    warm = values.warmup if values["warmup"].present else None
    check_format(values.format, warm, values.onnxruntime_web)
    check_output(output, values.overwrite)
    checkpoint = parse_step(values.checkpoint)
    # TensorFlow takes seconds to load: flags are checked before.
    exports = load("sagan_tf.exports.export")
    record = exports.export_run(
        values.workdir,
        output,
        format=values.format,
        checkpoint=checkpoint,
        ema=values.ema,
        standing_batches=values.standing_batches,
        overwrite=values.overwrite,
        warm=warm,
        onnxruntime_web=values.onnxruntime_web,
    )
    print("\n".join(exports.describe(record, output)))
    return FINISHED


def main(argv=None):
    """Runs the command; returns its exit status."""
    return run_command(_export, _define, __doc__, argv)


if __name__ == "__main__":
    sys.exit(main())

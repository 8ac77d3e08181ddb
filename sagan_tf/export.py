"""Exports a run's generator for other programs: TensorFlow Serving, ONNX Runtime, ...

python -m sagan_tf.export --workdir=runs/digits --output=models/digits/1
python -m sagan_tf.export --workdir=runs/digits --output=digits-onnx --format=onnx
python -m sagan_tf.export --workdir=runs/digits --output=digits-page --format=web
python -m sagan_tf.export --workdir=runs/digits --format=keras --to=hf://user/digits

The model runs without this package; its model_card.md says how. Before the folder gets
its name, the command loads the model in its own runtime and checks that it draws what
the run's generator draws. --to then uploads it to the Hugging Face Hub, with the run's
checkpoint. --workdir=hf://user/digits and train --initialize_from then read it.
"""

import contextlib
import pathlib
import re
import shutil
import sys
import tempfile

from absl import flags

from sagan_tf import hub
from sagan_tf.errors import FINISHED, BadInput
from sagan_tf.exports.folder import check_output
from sagan_tf.exports.formats import NAMES, SAVED_MODEL, check_format
from sagan_tf.settings.arguments import STANDING, check_companions, parse_step
from sagan_tf.settings.command import load, required, run_command


def _define(values):
    for name, default, about in (
        ("workdir", None, "folder of the run, or hf://user/name"),
        ("output", None, "new folder; for TensorFlow Serving a number, the version"),
        ("checkpoint", "newest", "step of the checkpoint, newest or best"),
        ("onnxruntime_web", None, "web: folder of the npm package; none: find it"),
        ("to", None, "hf://user/name: upload it there, with the checkpoint"),
        ("license", None, "for the model card, as the Hub names it: cc-by-4.0"),
    ):
        flags.DEFINE_string(name, default, about, flag_values=values)
    about = "target format; onnx, litert, openvino and web need an extra"
    flags.DEFINE_enum("format", SAVED_MODEL, NAMES, about, flag_values=values)
    flags.DEFINE_integer("standing_batches", 0, STANDING, 0, 10**6, flag_values=values)
    for name, default, about in (
        ("ema", True, "use the averaged weights, if the run has them"),
        ("warmup", True, "saved_model: write warm-up requests for TensorFlow Serving"),
        ("overwrite", False, "replace an existing export once the new one is complete"),
        ("private", False, "with --to: a new repository is private"),
    ):
        flags.DEFINE_bool(name, default, about, flag_values=values)


def _check(values):
    """Checks the flags and that the export can be uploaded."""
    required(values, "workdir", "runs/digits")
    if values.output or not values.to:
        output = required(values, "output", "models/digits/1")
        if hub.is_address(output):
            raise BadInput(
                "--output must be a local folder. Received: "
                f"{output}. Try --to={output}."
            )
        check_output(output, values.overwrite)
    if values.license and not re.fullmatch(r"[a-z0-9][a-z0-9.-]*", values.license):
        raise BadInput(
            "license must be a license's name on the Hugging Face Hub. Received: "
            f"{values.license}. Try --license=cc-by-4.0 or --license=apache-2.0."
        )
    parse_step(values.checkpoint)
    given = {name: f"--{name}" for name in ("private", "to") if values[name].value}
    check_companions(given, {"private": ("to",)})
    if values.to:
        hub.check_upload(values.to)


def _export(values):
    warm = values.warmup if values["warmup"].present else None
    check_format(values.format, warm, values.onnxruntime_web)
    _check(values)
    workdir = hub.find_run(values.workdir)
    # TensorFlow takes seconds to load, so the flags are checked first.
    exports = load("sagan_tf.exports.export")
    with contextlib.ExitStack() as unfinished:
        output = values.output
        if not output:
            folder = tempfile.mkdtemp()
            unfinished.callback(shutil.rmtree, folder)
            output = pathlib.Path(folder) / "export"
        record = exports.export_run(
            workdir,
            output,
            format=values.format,
            checkpoint=values.checkpoint,
            ema=values.ema,
            standing_batches=values.standing_batches,
            overwrite=values.overwrite,
            warm=warm,
            license=values.license,
            address=values.to,
            onnxruntime_web=values.onnxruntime_web,
        )
        if values.output:
            print("\n".join(exports.describe(record, output)))
        uploaded = unfinished.pop_all()
    if values.to:  # The export stays if the upload fails.
        print(f"Uploaded: {hub.upload(output, values.to, values.private)}")
    uploaded.close()
    return FINISHED


def main(argv=None):
    """Runs the command; returns its exit status."""
    return run_command(_export, _define, __doc__, argv)


if __name__ == "__main__":
    sys.exit(main())

"""Turns a checkpoint of another implementation into a run directory.

python -m sagan_tf.import_weights --from=official-tf1 --input=model.ckpt-1000000 \\
    --workdir=runs/official

You can sample, evaluate and export this run, and look at its attention, as with any
other run. The command uses every tensor of the checkpoint, or says why it ignores it.
It reads the sizes of the networks from the shapes, so it needs network flags only for
what shapes cannot tell. The run's config.json records the training flags.
"""

import dataclasses
import sys

from absl import flags

from sagan_tf.errors import FINISHED
from sagan_tf.settings import command
from sagan_tf.settings.config import Config

KINDS = ("official-tf1", "biggan-pytorch", "mmgeneration", "studiogan")


def _define(values):
    about = "origin of the checkpoint; official-tf1 includes TF-GAN's example"
    flags.DEFINE_enum("from", None, KINDS, about, flag_values=values)
    for name, about in (
        ("input", "the checkpoint: a file, a prefix of files or a folder"),
        ("workdir", "folder of the new run: new or empty"),
        ("class_names", "text file with a class name per line, in label order"),
    ):
        flags.DEFINE_string(name, None, about, flag_values=values)
    about = "channel order of the checkpoint's images; none: that of its source"
    flags.DEFINE_enum("image_order", None, ["rgb", "bgr"], about, flag_values=values)
    command.define_flags(values)


def _import(values):
    kind = command.required(values, "from", KINDS[0])
    path = command.required(values, "input", "model.ckpt-1000000")
    workdir = command.required(values, "workdir", "runs/imported")
    command.check_workdir(workdir)
    config = command.config_from_flags(values)
    names = [*(field.name for field in dataclasses.fields(Config)), "image_order"]
    given = {name: values[name].value for name in names if values[name].present}
    # TensorFlow takes seconds to load, so the flags are checked first.
    importer = command.load("sagan_tf.importers.run_from_checkpoint")
    lines = importer.import_weights(
        kind, path, workdir, config, given, values.class_names
    )
    print("\n".join(lines))
    return FINISHED


def main(argv=None):
    """Runs the command; returns its exit status."""
    return command.run_command(_import, _define, __doc__, argv)


if __name__ == "__main__":
    sys.exit(main())

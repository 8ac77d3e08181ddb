"""Turns a checkpoint of another implementation into a run directory.

python -m sagan_tf.import_weights --from=official-tf1 --input=model.ckpt-1000000
    --workdir=runs/official

The run can be sampled, evaluated, looked into and exported like one of ours.
Every tensor of the checkpoint is used, or ignored for a reason that is told; sizes are
read from their shapes. The flags of a training are recorded in the run's config.json;
those of the networks are needed where shapes cannot tell.
"""

import dataclasses
import sys

from absl import flags

from sagan_tf.errors import FINISHED
from sagan_tf.settings.command import (
    config_from_flags,
    define_flags,
    load,
    required,
    run_command,
)
from sagan_tf.settings.config import Config

KINDS = ("official-tf1", "biggan-pytorch", "mmgeneration", "studiogan")


def _define(values):
    flags.DEFINE_enum(
        "from",
        None,
        KINDS,
        "whose checkpoint; official-tf1 is TF-GAN's example too",
        flag_values=values,
    )
    for name, about in (
        ("input", "the checkpoint: a file, a prefix of files or a folder"),
        ("workdir", "folder of the run to be made: new or empty"),
        ("class_names", "text file with a name for each label, one a line"),
    ):
        flags.DEFINE_string(name, None, about, flag_values=values)
    flags.DEFINE_enum(
        "image_order",
        None,
        ("rgb", "bgr"),
        "order of the channels that the checkpoint draws; none: as its source does",
        flag_values=values,
    )
    define_flags(values)


def _import(values):
    kind = required(values, "from", KINDS[0])
    path = required(values, "input", "model.ckpt-1000000")
    workdir = required(values, "workdir", "runs/imported")
    config = config_from_flags(values)
    names = [*(field.name for field in dataclasses.fields(Config)), "image_order"]
    # TensorFlow takes seconds to load: flags are checked before.
    lines = load("sagan_tf.importers.run_from_checkpoint").import_weights(
        kind,
        path,
        workdir,
        config,
        {name: values[name].value for name in names if values[name].present},
        values.class_names,
    )
    print("\n".join(lines))
    return FINISHED


def main(argv=None):
    """Runs the command; returns its exit status."""
    return run_command(_import, _define, __doc__, argv)


if __name__ == "__main__":
    sys.exit(main())

"""Trains a SAGAN, or goes on where a run stopped.

python -m sagan_tf.train --flagfile=configs/digits.flags --workdir=runs/digits

Exit status: 0 finished, 1 a bug, 2 bad input, 3 stopped by SIGTERM, SIGHUP, Ctrl-C
or a closed output (| head) with a checkpoint saved, 4 a loss or a weight became NaN or
infinite, 5 another worker is gone (start all of them again with the same command), 6
the generator collapsed and --on_collapse says to stop.
"""

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


def _define(values):
    flags.DEFINE_string(
        "workdir",
        None,
        "folder of the run: checkpoints, samples, metrics. If it holds a run, the run "
        "goes on",
        flag_values=values,
    )
    flags.DEFINE_bool(
        "dry_run",
        False,
        "print config, data, networks and an estimate of the memory; train nothing. "
        "With --augment, draw augmented.png in the workdir or the current folder",
        flag_values=values,
    )
    define_flags(values)


def _train(values):
    config = config_from_flags(values)
    # TensorFlow takes seconds to load: flags are checked before.
    if values.dry_run:
        load("sagan_tf.training.dry_run").dry_run(config, values.workdir)
        return FINISHED
    workdir = required(values, "workdir", "runs/digits")
    return load("sagan_tf.training.loop").train_and_evaluate(config, workdir)


def main(argv=None):
    """Runs the command; returns its exit status."""
    return run_command(_train, _define, __doc__, argv)


if __name__ == "__main__":
    sys.exit(main())

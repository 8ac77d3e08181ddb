"""Trains a SAGAN, or resumes a run that stopped.

python -m sagan_tf.train --flagfile=configs/digits.flags --workdir=runs/digits
python -m sagan_tf.train --workdir=runs/digits --total_steps=3000
python -m sagan_tf.train --initialize_from=runs/digits --dataset=folder:my_digits \\
    --workdir=runs/mine

The second command resumes a run. The run keeps the settings of its config.json, except
those that flags change. Flags that would make other networks are refused. The third
command starts a new run with the weights of another run.

Exit status: 0 finished, 1 a bug, 2 bad input, 3 stopped by SIGTERM, SIGHUP, Ctrl-C
or a closed output (| head) with a checkpoint saved, 4 a loss or a weight became NaN or
infinite, 5 another worker is gone (restart all workers with the same command), 6 the
generator collapsed and --on_collapse says to stop.
"""

import pathlib
import sys

from absl import flags

from sagan_tf import hub
from sagan_tf.errors import FINISHED, BadInput
from sagan_tf.settings.command import (
    check_workdir,
    config_from_flags,
    define_flags,
    load,
    new_config,
    required,
    run_command,
)


def _define(values):
    flags.DEFINE_string(
        "workdir",
        None,
        "folder of the run: checkpoints, samples, metrics. If it holds a run, that run "
        "resumes",
        flag_values=values,
    )
    flags.DEFINE_bool(
        "dry_run",
        False,
        "print config, data, networks and an estimate of the memory, without training. "
        "Draw data.png (real images of each class) and, with --augment, augmented.png, "
        "in the workdir or the current folder",
        flag_values=values,
    )
    define_flags(values)


def _train(values):
    folder = values.workdir
    if folder and (hub.is_address(folder) or hub.find_run(folder) != folder):
        raise BadInput(
            "--workdir is the folder of the training, not of an export. Received: "
            f"{folder}. Try --initialize_from={folder} --workdir=runs/mine."
        )
    if folder:
        check_workdir(folder)
    # TensorFlow takes seconds to load, so flags are checked first.
    if values.workdir and (pathlib.Path(values.workdir) / "config.json").exists():
        before = load("sagan_tf.run.directory").read_config(values.workdir)
        config = config_from_flags(values, before=before)
    else:
        config = new_config(values)
    if values.dry_run:
        load("sagan_tf.training.dry_run").dry_run(config, values.workdir)
        return FINISHED
    workdir = required(values, "workdir", "runs/digits")
    status = load("sagan_tf.training.loop").train_and_evaluate(config, workdir)
    if config.report and status == FINISHED:
        path = load("sagan_tf.reports.report").write_report(workdir)
        print(f"Report: {path}")
    return status


def main(argv=None):
    """Runs the command; returns its exit status."""
    return run_command(_train, _define, __doc__, argv)


if __name__ == "__main__":
    sys.exit(main())

"""Trains the systems that the paper compares, and writes a report about them.

python -m sagan_tf.ablate --matrix=paper --dataset=npz:data/fashion_mnist_train.npz \\
    --resolution=32 --image_channels=1 --batch_size=32 --seeds=3 --total_steps=4000 \\
    --feature_network=classifiers/fashion-cnn --workdir=runs/ablation

Each cell is a file in configs/ablations/. It is trained with the seeds 0, 1, ... Other
flags set a value for all cells; a flag in which the cells differ is refused. Cells that
are impossible at this resolution, or with --num_classes=0, are left out and named. Each
run is evaluated ten times, and after its last step.

The same command continues where it was stopped. It accepts more seeds or steps, but no
other settings. Several processes can run it with the same workdir: each takes the next
free cell (or its share, with --cells=1/4).

report.md and its images are written after each cell; the runs are in CELL/seed_0/.
Exit status: 0 finished, 2 bad input, 3 stopped by SIGTERM or Ctrl-C, or the status of a
training that failed. If losses become NaN, or --on_collapse=stop ends a training, the
report says so and the next cell begins. If a cell refuses the data, because it needs
classes for example, the next cell begins too; the status is then 2.
"""

import dataclasses
import functools
import pathlib
import sys

from absl import flags

from sagan_tf.ablations import matrix, processes, runs
from sagan_tf.errors import FINISHED, BadInput
from sagan_tf.settings.checks import MOST_WHOLE
from sagan_tf.settings.command import (
    check_workdir,
    define_flags,
    load,
    required,
    run_command,
)
from sagan_tf.settings.config import Config


def _define(values):
    matrices = f"{', '.join(matrix.MATRICES)}; several are separated by commas"
    for name, default, about in (
        ("workdir", None, "folder of the ablation; each run has a folder in it"),
        ("matrix", "paper", matrices),
        ("cells", None, "some cells of the matrix: names, or a share such as 1/4"),
        ("configs", matrix.relative(matrix.CONFIGS), "folder of the .flags files"),
    ):
        flags.DEFINE_string(name, default, about, flag_values=values)
    flags.DEFINE_integer("seeds", 1, "runs of each cell", 1, 1000, flag_values=values)
    about = "multiplies the learning rates of all cells"
    flags.DEFINE_float("learning_rate_scale", 1.0, about, 1e-9, 1e3, flag_values=values)
    for name, about in (
        ("report_only", "write the report of the runs in workdir, train nothing"),
        ("dry_run", "print the commands of the remaining runs"),
    ):
        flags.DEFINE_bool(name, False, about, flag_values=values)
    define_flags(values)


def plan(values):
    """Plans the ablation that the parsed flags ask for, see `matrix.plan`."""
    if values.seed + values.seeds - 1 > MOST_WHOLE:
        raise BadInput(
            f"The last seed must be at most {MOST_WHOLE}. Received: "
            f"--seed={values.seed}, --seeds={values.seeds}. Try --seed=0."
        )
    workdir = required(values, "workdir", "runs/ablation")
    check_workdir(workdir)
    given = [f.name for f in dataclasses.fields(Config) if values[f.name].present]
    return matrix.plan(
        pathlib.Path(workdir),
        values.matrix,
        values.cells,
        range(values.seed, values.seed + values.seeds),
        values.configs,
        {name: values[name].value for name in given if name != "seed"},
        values.learning_rate_scale,
    )


def _check_has_runs(workdir):
    if not runs.find(pathlib.Path(workdir), []):
        raise BadInput(
            "report_only needs the folder of an ablation. Received: "
            f"--workdir={workdir}, which has no runs. Try another --workdir."
        )


def _ablate(values):
    if values.report_only:
        cells, asked_for, left_out = [], [], {}
        _check_has_runs(required(values, "workdir", "runs/ablation"))
    else:
        cells, asked_for, left_out = plan(values)
    if values.dry_run:
        processes.print_commands(cells, left_out)
        return FINISHED
    # TensorFlow would take all of a GPU's memory, which the trainings need.
    load("tensorflow").config.set_visible_devices([], "GPU")
    write_report = functools.partial(
        load("sagan_tf.ablations.report").write_report,
        pathlib.Path(values.workdir),
        asked_for,
        left_out,
        protocol=values.protocol,
        feature_network=values.feature_network or "inception",
    )
    for name, reason in left_out.items():
        print(f"{name} is left out: {reason}.")
    status = processes.train_all(cells, write_report)
    print(f"Report: {write_report()}")
    return status


def main(argv=None):
    """Runs the command; returns its exit status."""
    return run_command(_ablate, _define, __doc__, argv)


if __name__ == "__main__":
    sys.exit(main())

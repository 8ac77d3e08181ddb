"""Trains, or goes on with, the systems that the paper compares, and reports on them.

python -m sagan_tf.ablate --matrix=paper --dataset=npz:data/fashion_mnist_train.npz \\
    --resolution=32 --image_channels=1 --batch_size=32 --seeds=3 --total_steps=4000 \\
    --feature_network=classifiers/fashion-cnn --workdir=runs/ablation

Each cell is a file of configs/ablations/, trained with seeds 0, 1, ... Flags given here
hold for all cells, and may be any but those in which the cells differ. Cells that have
no place at this resolution, or without classes, are left out and named. Each run is
evaluated ten times, and after its last step.

The same command goes on where it was stopped; more seeds or steps are added to what is
there; other settings are refused. Several processes with the same command and workdir
share the work: each takes the next cell that none is at (or --cells=1/4, a quarter).

report.md with its pictures is written after each cell; the runs are in CELL/seed_0/.
Exit status: 0 all that was asked for is done, 2 bad input, 3 stopped by SIGTERM or
Ctrl-C, else that of a training that failed. A cell whose losses became NaN, or which
--on_collapse=stop has ended, is reported as such, and the next one begins.
"""

import dataclasses
import datetime
import pathlib
import shlex
import sys
import time

from absl import flags

from sagan_tf.ablations import matrix, processes, runs
from sagan_tf.errors import FINISHED, BadInput
from sagan_tf.settings.command import (
    config_from_flags,
    define_flags,
    load,
    parse,
    required,
    run_command,
)
from sagan_tf.settings.config import Config

_CONFIGS = pathlib.Path(__file__).resolve().parent.parent / "configs" / "ablations"


def _define(values):
    for name, default, about in (
        ("workdir", None, "folder of the whole ablation, a folder in it for each run"),
        ("matrix", "paper", f"{', '.join(matrix.MATRICES)}; several with commas"),
        ("cells", None, "some of its cells: names with commas, or a share as 1/4"),
        ("configs", _relative(_CONFIGS), "folder of the cells' .flags files"),
    ):
        flags.DEFINE_string(name, default, about, flag_values=values)
    flags.DEFINE_integer(
        "seeds", 1, "runs of each cell", lower_bound=1, flag_values=values
    )
    flags.DEFINE_float(
        "learning_rate_scale",
        1.0,
        "times the learning rates of all cells, whose ratios stay",
        lower_bound=1e-9,
        flag_values=values,
    )
    for name, about in (
        ("report_only", "write the report of what there is, train nothing"),
        ("dry_run", "print the commands of the runs that are left to do"),
    ):
        flags.DEFINE_bool(name, False, about, flag_values=values)
    define_flags(values)


def _ablate(values):
    workdir = pathlib.Path(required(values, "workdir", "runs/ablation"))
    cells, asked_for, left_out = _cells(values, workdir)
    if values.dry_run:
        for cell in cells:
            if not processes.is_done(cell):
                command = ["python", "-m", "sagan_tf.train", *cell.arguments]
                print(shlex.join(command))
        for name, reason in left_out.items():
            print(f"# {name} is left out: {reason}")
        return FINISHED
    # A process that takes a GPU takes all of its memory, which the trainings need.
    load("tensorflow").config.set_visible_devices([], "GPU")
    report = load("sagan_tf.ablations.report")

    def write():
        return report.write_report(
            workdir,
            asked_for,
            left_out,
            protocol=values.protocol,
            feature_network=values.feature_network,
        )

    for name, reason in left_out.items():
        print(f"{name} is left out: {reason}.")
    status = FINISHED if values.report_only else _train(cells, write)
    print(f"Report: {write()}")
    return status


def _train(cells, write):
    """Trains what is left to do; returns the exit status."""
    seconds, elsewhere = [], []
    for number, cell in enumerate(cells, 1):
        what = f"[{number}/{len(cells)}] {cell.name}, seed {cell.seed}"
        if processes.is_done(cell):
            print(f"{what}: is done.", flush=True)
            continue
        left = sum(not processes.is_done(each) for each in cells[number - 1 :])
        print(f"{what}{_time_left(seconds, left)}", flush=True)
        begun = time.monotonic()
        try:
            status = processes.train(cell)
        except processes.InUse as other:
            print(f"{what}: is left to {other}, which is at it.", flush=True)
            elsewhere.append(cell)
            continue
        if status != FINISHED:
            print(
                f"{what}: ended with exit status {status}. The same command goes on.",
                file=sys.stderr,
            )
            return status
        seconds.append(time.monotonic() - begun)
        write()
    if elsewhere:
        print(f"{len(elsewhere)} run(s) of other processes may not have ended yet.")
    return FINISHED


def _time_left(seconds, count):
    """What the runs that are left will take, after those that were made here."""
    if not seconds:
        return ""
    left = datetime.timedelta(seconds=round(count * sum(seconds) / len(seconds)))
    return f" (about {left} left for {count} runs)"


def _cells(values, workdir):
    """What to train: cells, (name, seed) of all that is asked for, cells left out."""
    given = [f.name for f in dataclasses.fields(Config) if values[f.name].present]
    overrides = {name: values[name].value for name in given if name != "seed"}
    names = matrix.names_of(values.matrix, values.cells)
    files = {
        name: _relative(pathlib.Path(values.configs, f"{name}.flags")) for name in names
    }
    own = {name: dataclasses.asdict(_read(file)) for name, file in files.items()}
    matrix.check_overrides(own, overrides)
    scale = values.learning_rate_scale
    settings = {n: matrix.settings_of(own[n], overrides, scale) for n in names}
    reasons = {name: matrix.obstacle(settings[name]) for name in names}
    left_out = {name: reason for name, reason in reasons.items() if reason}
    placed = [name for name in names if name not in left_out]
    if not placed:
        name, reason = next(iter(left_out.items()))
        raise BadInput(
            f"None of the cells can be trained. Received: --matrix={values.matrix}, "
            f"but of {name}, {reason}. Try another --resolution, --matrix or, where "
            "its cells agree in it, --attention_resolution=16."
        )
    seeds = range(values.seed, values.seed + values.seeds)
    cells = []
    for seed in seeds:
        for name in matrix.share_of(placed, values.cells):
            Config(**{**settings[name], "seed": seed}).validate()
            cell = matrix.Cell(
                name,
                seed,
                files[name],
                matrix.as_flags(settings[name], own[name]),
                runs.folder(workdir, name, seed),
                settings[name],
            )
            processes.check_unchanged(cell)
            cells.append(cell)
    return cells, [(name, seed) for seed in seeds for name in placed], left_out


def _relative(path):
    """A path as one would type it here: str."""
    here = pathlib.Path.cwd()
    path = pathlib.Path(path)
    return str(path.relative_to(here) if path.is_relative_to(here) else path)


def _read(file):
    if not pathlib.Path(file).is_file():
        raise BadInput(
            f"{file} is missing: the settings of a cell. Try --configs=FOLDER, the "
            "folder configs/ablations of the repository."
        )
    return config_from_flags(parse(["ablate", f"--flagfile={file}"], define_flags))


def main(argv=None):
    """Runs the command; returns its exit status."""
    return run_command(_ablate, _define, __doc__, argv)


if __name__ == "__main__":
    sys.exit(main())

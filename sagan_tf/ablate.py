"""Trains, or goes on with, the systems that the paper compares, and reports on them.

python -m sagan_tf.ablate --matrix=paper --dataset=npz:data/fashion_mnist_train.npz \\
    --resolution=32 --seeds=3 --total_steps=2000 --workdir=runs/ablation \\
    --feature_network=classifiers/fashion

Each cell is a file of configs/ablations/, trained with seeds 0, 1, ...; flags given
here hold for all cells, except those in which the cells differ. Cells whose attention
has no place at the resolution are left out, and named. What is done already is kept:
the same command goes on. report.md and its pictures are written after each cell.
"""

import dataclasses
import pathlib
import sys

from absl import flags

from sagan_tf import ablations
from sagan_tf.config import Config
from sagan_tf.flags import (
    FINISHED,
    config_from_flags,
    define_flags,
    load,
    parse,
    required,
    run_command,
)

_CONFIGS = pathlib.Path(__file__).resolve().parent.parent / "configs" / "ablations"
# So many evaluations, checkpoints and sample grids in a run, unless flags say more.
_PARTS = 10
_RATES = ("generator_learning_rate", "discriminator_learning_rate")


def _define(values):
    for name, default, about in (
        ("workdir", None, "folder of the whole ablation, a folder in it for each run"),
        ("matrix", "paper", f"{', '.join(ablations.MATRICES)}; several with commas"),
        ("cells", None, "some of its cells: names with commas, or a share as 1/4"),
        ("configs", str(_CONFIGS), "folder of the cells' .flags files"),
    ):
        flags.DEFINE_string(name, default, about, flag_values=values)
    flags.DEFINE_integer(
        "seeds", 1, "runs of each cell", lower_bound=1, flag_values=values
    )
    flags.DEFINE_float(
        "learning_rate_scale",
        1.0,
        "times the learning rates of all cells, whose ratios stay",
        lower_bound=1e-6,
        flag_values=values,
    )
    flags.DEFINE_bool(
        "report_only", False, "write the report of what there is", flag_values=values
    )
    define_flags(values)


def _ablate(values):
    workdir = pathlib.Path(required(values, "workdir", "runs/ablation"))
    cells, left_out = _cells(values, workdir)
    report = load("sagan_tf.ablation_report")
    status = FINISHED
    for number, cell in enumerate(cells, 1):
        if values.report_only or status != FINISHED:
            break
        print(f"[{number}/{len(cells)}] {cell.name}, seed {cell.seed}", flush=True)
        status = ablations.run(cell)
        report.write_report(workdir, cells, left_out)
    print(f"Report: {report.write_report(workdir, cells, left_out)}")
    return status


def _cells(values, workdir):
    """The `Cell` of each run, seed after seed, and the names that have no place."""
    given = [f.name for f in dataclasses.fields(Config) if values[f.name].present]
    names = ablations.names_of(values.matrix, values.cells)
    files = {name: pathlib.Path(values.configs, f"{name}.flags") for name in names}
    own = {name: dataclasses.asdict(_read(path)) for name, path in files.items()}
    ablations.check_overrides(given, own)
    overrides = {name: values[name].value for name in given}
    if "dataset" in given:
        overrides.setdefault("num_classes", None)
    scaled = {
        name: {**fields, **_intervals(values), **overrides, **_rates(values, fields)}
        for name, fields in own.items()
    }
    placed = [name for name in names if ablations.fits(scaled[name])]
    cells = []
    for seed in range(values.seed, values.seed + values.seeds):
        for name in placed:
            changes = {
                field: value
                for field, value in scaled[name].items()
                if field != "seed" and value != own[name][field]
            }
            Config(**{**scaled[name], "seed": seed}).validate()
            cells.append(
                ablations.Cell(
                    name,
                    seed,
                    str(files[name]),
                    tuple(ablations.as_flag(*change) for change in changes.items()),
                    workdir / name / f"seed_{seed}",
                )
            )
    return cells, [name for name in names if name not in placed]


def _read(path):
    if not path.is_file():
        raise ValueError(
            f"{path} is missing: the settings of a cell. Try --configs=FOLDER, the "
            "folder configs/ablations of the repository."
        )
    return config_from_flags(parse(["ablate", f"--flagfile={path}"], define_flags))


def _intervals(values):
    """How often a run of this length writes something, unless flags say so."""
    if not values["total_steps"].present:
        return {}
    every = max(1, values.total_steps // _PARTS)
    names = ("sample_every_steps", "checkpoint_every_steps", "evaluate_every_steps")
    return {**dict.fromkeys(names, every), "log_every_steps": max(1, every // _PARTS)}


def _rates(values, fields):
    return {name: values.learning_rate_scale * fields[name] for name in _RATES}


def main(argv=None):
    """Runs the command; returns its exit status."""
    return run_command(_ablate, _define, __doc__, argv)


if __name__ == "__main__":
    sys.exit(main())

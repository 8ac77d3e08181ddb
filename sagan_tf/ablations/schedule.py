"""Which cells an ablation trains, and how it works through them."""

import dataclasses
import datetime
import pathlib
import shlex
import sys
import time

from sagan_tf.ablations import matrix, processes, runs
from sagan_tf.errors import FINISHED, BadInput
from sagan_tf.settings.command import config_from_flags, define_flags, parse

# Of the repository: the files of the cells are not part of the package.
CONFIGS = pathlib.Path(__file__).resolve().parents[2] / "configs" / "ablations"


def plan(workdir, matrices, chosen, seeds, configs, overrides, scale=1.0):
    """Finds out what an ablation trains.

    Args:
        workdir: `pathlib.Path` of the ablation.
        matrices, chosen: see `matrix.names_of` and `matrix.share_of`.
        seeds: sequence of ints.
        configs: folder of the cells' `.flags` files.
        overrides: dict of the fields of `Config` that are set for all cells.
        scale: float, multiplies the learning rates.

    Returns:
        List of `Cell` that this process trains, list of (name, seed) of all processes,
        and dict of names that are left out to the reason.

    Raises:
        BadInput: no cell can be trained, a setting is wrong, a file is missing, or a
            folder has a run with other settings.
    """
    names = matrix.names_of(matrices, chosen)
    files = {name: relative(pathlib.Path(configs, f"{name}.flags")) for name in names}
    own = {name: _read(file) for name, file in files.items()}
    matrix.check_overrides(own.values(), overrides)
    wanted = {n: matrix.config_of(own[n], overrides, scale) for n in names}
    reasons = {name: matrix.obstacle(config) for name, config in wanted.items()}
    left_out = {name: reason for name, reason in reasons.items() if reason}
    possible = tuple(name for name in names if name not in left_out)
    if not possible:
        raise BadInput(
            "None of the cells can be trained. Received: "
            f"--matrix={matrices}, but {names[0]}: {left_out[names[0]]}. Try another "
            "--resolution or --matrix, or, if its cells have the same attention, "
            "--attention_resolution=16."
        )
    cells = []
    for seed in seeds:
        for name in matrix.share_of(possible, chosen):
            config = dataclasses.replace(wanted[name], seed=seed).validate()
            folder = runs.folder(workdir, name, seed)
            flags = matrix.as_flags(vars(config), vars(own[name]))
            arguments = [f"--flagfile={files[name]}", *flags, f"--seed={seed}"]
            arguments.append(f"--workdir={folder}")
            cell = matrix.Cell(name, seed, folder, vars(config), arguments)
            processes.check_unchanged(cell)
            cells.append(cell)
    return cells, [(name, seed) for seed in seeds for name in possible], left_out


def relative(path):
    """A path as a person in the current folder would type it: str."""
    here = pathlib.Path.cwd()
    path = pathlib.Path(path)
    return str(path.relative_to(here) if path.is_relative_to(here) else path)


def _read(file):
    if not pathlib.Path(file).is_file():
        raise BadInput(
            "configs must be a folder with a file for each cell. Received: "
            f"{file} is missing. Try --configs=FOLDER, the repository's "
            "configs/ablations."
        )
    return config_from_flags(parse(["ablate", f"--flagfile={file}"], define_flags))


def print_commands(cells, left_out):
    """Prints the commands of the trainings that are left to do."""
    for cell in cells:
        if not processes.is_done(cell):
            print(shlex.join(["python", "-m", "sagan_tf.train", *cell.arguments]))
    for name, reason in left_out.items():
        print(f"# {name} is left out: {reason}")


def train(cells, write_report):
    """Trains the cells that are not done, one after another.

    Args:
        cells: list of `Cell`.
        write_report: function of nothing, called after each cell.

    Returns:
        The exit status: 0, or that of the first training that failed.
    """
    seconds, skipped = [], 0
    for number, cell in enumerate(cells, 1):
        title = f"[{number}/{len(cells)}] {cell.name}, seed {cell.seed}"
        if processes.is_done(cell):
            print(f"{title}: is done.", flush=True)
            continue
        left = sum(not processes.is_done(each) for each in cells[number - 1 :])
        print(f"{title}{_time_left(seconds, left)}", flush=True)
        start = time.monotonic()
        try:
            status = processes.train(cell)
        except processes.InUse as other:
            print(f"{title}: skipped, {other} is training it.", flush=True)
            skipped += 1
            continue
        if status != FINISHED:
            print(
                f"{title}: ended with exit status {status}. Repeat the command to "
                "continue.",
                file=sys.stderr,
            )
            return status
        seconds.append(time.monotonic() - start)
        write_report()
    if skipped:
        print(f"{skipped} runs were skipped: other processes may still train them.")
    return FINISHED


def _time_left(seconds, count):
    if not seconds:
        return ""
    left = datetime.timedelta(seconds=round(count * sum(seconds) / len(seconds)))
    return f" (about {left} left for {count} runs)"

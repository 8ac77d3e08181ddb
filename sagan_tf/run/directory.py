"""The run directory (*workdir*): its files, and the step to resume from.

config.json           the run's `Config`, with the num_classes of the data set
data.json             description, num_images, num_classes and class_names of the data
versions.json         library versions and git commit, an entry for each change
metrics.jsonl, .csv   the means of each log interval
samples/              step_00001000.png: fixed z, a class per row
checkpoints/          step_00001000/, see `checkpoints.py`
best/                 the checkpoint with the lowest FID so far
evaluations.jsonl     results of evaluations, see `evaluation/evaluator.py`
metrics.png           curves of metrics.jsonl and evaluations.jsonl
reference/            statistics of real images, made when they are first needed
tensorboard/          events, if TensorBoard is installed
loggers.json, wandb/  with logger: the runs of W&B and MLflow, and what they received
run.lock              locked while a training runs, see `lock.py`
health.jsonl, .png    values of each health check, see `CollapseWatch`
healthy/              the checkpoint to go back to, with on_collapse=rollback
collapsed/            the last checkpoint of a run that was rolled back
import.json           of an imported run: where its weights come from
initialized.json      with initialize_from: which weights it started with
"""

import dataclasses
import json
import pathlib
import sys
import time
import zlib

from sagan_tf.distribution.workers import Workers
from sagan_tf.errors import BadInput
from sagan_tf.files import TEMPORARY, write_text
from sagan_tf.run.checkpoints import Checkpoints
from sagan_tf.run.records import find_json, read_json
from sagan_tf.settings.config import Config
from sagan_tf.settings.network_fields import NETWORK_FIELDS

BEST = "best"

# A network file system may take this long to show a file of another machine.
_SECONDS_TO_APPEAR = 60
# Paths that may differ between machines.
_OF_A_MACHINE = ("data_dir", "manual_dir")


def prepare(workdir, config, data):
    """Calls `open_run`, then `describe`: for a run that does not begin with training.

    Args:
        workdir, config, data: see these functions.

    Returns:
        `Checkpoints`.

    Raises:
        BadInput, OSError: see these functions.
    """
    checkpoints = open_run(workdir, config, Workers())
    describe(workdir, config, data)
    return checkpoints


def open_run(workdir, config, workers, class_names=()):
    """Makes or checks the run directory, and tidies it up, without locking it.

    Args:
        workdir: path; several workers share one folder.
        config: `Config`, `num_classes` resolved; the same on all workers.
        workers: `Workers`; only the chief writes.
        class_names: see `check_same_networks`.

    Returns:
        `Checkpoints`.

    Raises:
        BadInput: the directory holds a run with other networks or classes, or a broken
            config; or the workers have different settings or directories.
        OSError: the directory cannot be written.
    """
    workdir = pathlib.Path(workdir)
    checkpoints = Checkpoints(workdir / "checkpoints", config.keep_checkpoints)
    _check_same_settings(workers, config)
    if workers.is_chief:
        _check_same_run(workdir, config, class_names, checkpoints)
        _tidy_up(workdir, checkpoints)
    workers.wait()
    _check_visible(workdir / "samples", workers)
    return checkpoints


def describe(workdir, config, data):
    """Writes config.json and data.json, which make the directory that of a run.

    Args:
        workdir, config: see `open_run`.
        data: dict for data.json.

    Raises:
        OSError: the files cannot be written.
    """
    workdir = pathlib.Path(workdir)
    write_text(workdir / "config.json", config.to_json())
    write_text(workdir / "data.json", json.dumps(data, indent=2) + "\n")


def _check_same_run(workdir, config, class_names, checkpoints):
    if (workdir / "config.json").exists():
        check_same_networks(workdir, config, class_names)
    elif checkpoints.steps():
        raise BadInput(
            f"{workdir} has checkpoints, but no config.json that describes them. "
            "Try another --workdir."
        )


def _tidy_up(workdir, checkpoints):
    """Makes the folders, and removes half-written files of killed runs."""
    (workdir / "samples").mkdir(parents=True, exist_ok=True)
    checkpoints.remove_leftovers()
    for pattern in ("*.json*", "*.png", "metrics.*", "samples/step_*"):
        for leftover in workdir.glob(f"{pattern}.[0-9]*{TEMPORARY}"):
            leftover.unlink()


def _check_same_settings(workers, config):
    settings = dataclasses.asdict(config)
    for name in _OF_A_MACHINE:
        del settings[name]
    hashes = [zlib.crc32(repr(value).encode()) for value in settings.values()]
    by_setting = zip(settings.items(), *workers.gather(*hashes))
    different = [item for item, *seen in by_setting if len(set(seen)) > 1]
    if different:
        values = ", ".join(f"{name}={value}" for name, value in different)
        raise BadInput(
            "All workers must have the same settings. Received: "
            f"{values} on {workers}, another value elsewhere. Try the same command on "
            "all workers."
        )


def _check_visible(path, workers):
    """Waits until this worker sees what the chief has written."""
    deadline = time.monotonic() + _SECONDS_TO_APPEAR
    while not path.exists():
        if time.monotonic() > deadline:
            raise BadInput(
                "workdir must be a folder that all workers share. "
                f"Received: {workers} does not see {path}, which worker 0 sees. "
                "Try a --workdir on a network file system."
            )
        time.sleep(0.5)


def read_config(workdir):
    """Reads the `Config` of a run.

    Raises:
        BadInput: there is no run, or its config.json is damaged.
    """
    path = pathlib.Path(workdir) / "config.json"
    if not path.exists():
        raise BadInput(
            f"{workdir} is not the directory of a run: it has no config.json. "
            "Try the --workdir of sagan_tf.train."
        )
    values = read_json(path, {"num_classes": int})
    try:
        return Config.from_json(json.dumps(values)).validate()
    except (ValueError, TypeError, AttributeError) as error:
        raise BadInput(f"{path} is damaged: {error}") from error


def check_same_networks(workdir, config, class_names=()):
    """Prints how a config differs from that of a run, if the run may use it.

    Args:
        workdir: path of the run.
        config: `Config` with which the run is to resume.
        class_names: sequence of str, the present names of the classes, by label; empty
            if they have none.

    Raises:
        BadInput: the config has other networks, or the labels mean other classes.
    """
    before = read_config(workdir)
    _check_same_start(workdir, before.initialize_from, config.initialize_from)
    changed = before.network_difference(config)
    start = f"--initialize_from={workdir} --workdir=NEW"
    if changed:
        lines = [f"{name} was {a}, now {b}" for name, (a, b) in changed.items()]
        fits = not {*changed} & {*NETWORK_FIELDS} - {"num_classes"}
        remedy = f"a new run with its weights: {start}" if fits else "another --workdir"
        raise BadInput(
            f"{workdir} holds a run with other networks: {'; '.join(lines)}. "
            f"Try the same values, or {remedy}."
        )
    if config.num_classes:
        _check_same_classes(workdir, class_names, start)
    for name, (old, new) in before.difference(config).items():
        print(f"{name} was {old}, now {new}")


def _check_same_start(workdir, before, now):
    """Refuses to resume a run that began with other weights."""
    if (before and pathlib.Path(before)) != (now and pathlib.Path(now)):
        began = f"the weights of {before}" if before else "new weights"
        raise BadInput(
            "--initialize_from is for a new run. Received: "
            f"--initialize_from={now or 'none'} for {workdir}, which began with "
            f"{began}. Try another --workdir, or without the flag."
        )


def _check_same_classes(workdir, names, start):
    """Refuses to resume with labels that mean other classes."""
    path = pathlib.Path(workdir) / "data.json"
    data = find_json(path, {"class_names?": [str]}) or {}
    # An imported run has its names from a file: it has seen no images.
    before = data.get("class_names", ()) if data.get("num_images") else ()
    changed = [
        f"label {label} was {old}, now {new}"
        for label, (old, new) in enumerate(zip(before, names))
        if old != new
    ]
    if changed:
        more = f" and {len(changed) - 1} more" if len(changed) > 1 else ""
        raise BadInput(
            f"The data must have the classes that {workdir} was trained on. Received: "
            f"{changed[0]}{more}. Try the old names, or a new run that takes the "
            f"classes by name: {start}."
        )


def read_class_names(workdir):
    """Reads the names of the classes, by label: tuple of str, empty without names.

    Raises:
        BadInput: data.json is damaged.
    """
    data = find_json(pathlib.Path(workdir) / "data.json", {"class_names": [str]}) or {}
    return tuple(data.get("class_names", ()))


def find_start(checkpoints, items, workers=None):
    """Restores the newest good checkpoint, if there is one.

    Args:
        checkpoints: `Checkpoints`.
        items: dict of name to trackable object.
        workers: `Workers`; all of them read the checkpoint that the chief chooses.

    Returns:
        The step to resume from; 0 without checkpoints.

    Raises:
        BadInput: no checkpoint is good, the newest was imported without a
            discriminator, or this worker does not see the chief's.
    """
    workers = workers or Workers()
    newest = checkpoints.newest_good() if workers.is_chief else None
    ((chosen,), *_) = workers.gather(-1 if newest is None else newest)
    step = int(chosen)
    if step < 0:
        return 0
    _check_visible(checkpoints.path(step) / "checkpoint.json", workers)
    held = checkpoints.items(step)
    if "discriminator" in items and "discriminator" not in held:
        raise BadInput(
            f"{checkpoints.path(step)} was imported without a discriminator, so it "
            "cannot be trained further. Try another --workdir."
        )
    # An imported checkpoint has no optimizers: the new ones stay as they are.
    new = {name for name in items if name.endswith("_optimizer")} - held
    checkpoints.restore(step, {n: item for n, item in items.items() if n not in new})
    if workers.is_chief:
        if new:
            print("This checkpoint was imported: the optimizers start from zero.")
        checkpoints.remove_newer(step)
        print(f"Resuming from step {step:,}: {checkpoints.path(step)}", file=sys.stderr)
    return step

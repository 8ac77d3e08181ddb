"""The run directory (*workdir*): what is in it, and where a run goes on.

config.json           the run's `Config`, with num_classes as the data set has it
data.json             description, num_images, num_classes and class_names of the data
versions.json         library versions and git commit, an entry for each change
metrics.jsonl, .csv   the means of each log interval
samples/              step_00001000.png: fixed z, a class per row
checkpoints/          step_00001000/, see `checkpoints.py`
best/                 the checkpoint with the lowest FID so far
evaluations.jsonl     results of evaluations, see `evaluation/evaluator.py`
metrics.png           curves of metrics.jsonl and evaluations.jsonl
reference/            statistics of real images, made when they were first needed
tensorboard/          events, if TensorBoard is installed
loggers.json, wandb/  with logger: the runs of W&B and MLflow, and what they have
run.lock              locked while a training runs, see `lock.py`
health.jsonl, .png    values of each look at the training, see `CollapseWatch`
healthy/              the checkpoint to go back to, with on_collapse=rollback
collapsed/            the last checkpoint of a run that was rolled back
import.json           of an imported run: where its weights are from
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

BEST = "best"

# A network file system may take this long to show a file of another machine.
_SECONDS_TO_APPEAR = 60
# Paths that may differ between machines.
_OF_A_MACHINE = ("data_dir", "manual_dir")


def prepare(workdir, config, data, workers=None):
    """Makes or checks the run directory, and describes the run in it.

    Args:
        workdir: path; several workers share one folder.
        config: `Config`, `num_classes` resolved; the same on all workers.
        data: dict for data.json.
        workers: `Workers`; only the chief writes.

    Returns:
        `Checkpoints`.

    Raises:
        BadInput: the directory holds a run with other networks, or a broken config; or
            the workers have different settings or directories.
        OSError: it cannot be written.
    """
    workers = workers or Workers()
    checkpoints = _open(workdir, config, workers)
    if workers.is_chief:
        describe(workdir, config, data)
    workers.wait()
    _check_visible(pathlib.Path(workdir) / "config.json", workers)
    return checkpoints


def open_run(workdir, config, workers):
    """Makes or checks the run directory, and tidies it up. It does not claim it.

    Args:
        workdir, config, workers: see `prepare`.

    Returns:
        `Checkpoints`.

    Raises:
        BadInput, OSError: see `prepare`.
    """
    checkpoints = _open(workdir, config, workers)
    workers.wait()
    _check_visible(pathlib.Path(workdir) / "samples", workers)
    return checkpoints


def _open(workdir, config, workers):
    workdir = pathlib.Path(workdir)
    checkpoints = Checkpoints(workdir / "checkpoints", config.keep_checkpoints)
    _check_same_settings(workers, config)
    if workers.is_chief:
        _check_same_run(workdir, config, checkpoints)
        _tidy_up(workdir, checkpoints)
    return checkpoints


def describe(workdir, config, data):
    """Writes config.json and data.json: from now on the directory is that of a run.

    Args:
        workdir, config, data: see `prepare`.

    Raises:
        OSError: they cannot be written.
    """
    workdir = pathlib.Path(workdir)
    write_text(workdir / "config.json", config.to_json())
    write_text(workdir / "data.json", json.dumps(data, indent=2) + "\n")


def _check_same_run(workdir, config, checkpoints):
    if (workdir / "config.json").exists():
        check_same_networks(workdir, config)
    elif checkpoints.steps():
        raise BadInput(
            f"{workdir} has checkpoints, but no config.json that describes them. "
            "Try another --workdir."
        )


def _tidy_up(workdir, checkpoints):
    """Makes the folders, and removes what killed runs have left half written."""
    (workdir / "samples").mkdir(parents=True, exist_ok=True)
    checkpoints.remove_leftovers()
    for pattern in ("*.json.*", "metrics.*", "samples/step_*"):
        for leftover in workdir.glob(pattern + TEMPORARY):
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
    """The `Config` of a run.

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


def check_same_networks(workdir, config):
    """Says how a config differs from that of a run.

    Raises:
        BadInput: it describes other networks.
    """
    before = read_config(workdir)
    _check_same_start(workdir, before.initialize_from, config.initialize_from)
    changed = before.network_difference(config)
    if changed:
        lines = [f"{name} was {a}, now {b}" for name, (a, b) in changed.items()]
        raise BadInput(
            f"{workdir} holds a run with other networks: {'; '.join(lines)}. "
            "Try another --workdir, or the same values."
        )
    for name, (old, new) in before.difference(config).items():
        print(f"{name} was {old}, now {new}")


def _check_same_start(workdir, before, now):
    """Refuses to begin a run that has begun with other weights."""
    if (before and pathlib.Path(before)) != (now and pathlib.Path(now)):
        began = f"the weights of {before}" if before else "new weights"
        raise BadInput(
            "--initialize_from is for a new run. Received: "
            f"--initialize_from={now or 'none'} for {workdir}, which began with "
            f"{began}. Try another --workdir, or without the flag."
        )


def read_class_names(workdir):
    """The names of the classes, by label: tuple of str, empty if they have none.

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
        The step to go on from; 0 without checkpoints.

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
        print(f"Going on from step {step:,}: {checkpoints.path(step)}", file=sys.stderr)
    return step

"""Trains and evaluates the cells of an ablation, each in its own process."""

import dataclasses
import datetime
import json
import shlex
import signal
import subprocess
import sys
import time

from sagan_tf.ablations.runs import OUTCOME, has_setup
from sagan_tf.errors import (
    BAD_INPUT,
    COLLAPSED,
    FINISHED,
    NOT_FINITE,
    STOPPED,
    BadInput,
)
from sagan_tf.files import write_text
from sagan_tf.run.lock import InUse, claim

# Locks a cell. The training inherits this lock, and locks its run with another one.
LOCK = "training.lock"
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
# Settings that may change when a run continues: its metrics stay comparable. Settings
# of the run's files and of its evaluations may change too.
_MAY_CHANGE = (
    "data_dir",
    "manual_dir",
    "strategy",
    "tpu_name",
    "tpu_zone",
    "tpu_project",
    "worker_timeout_seconds",
    "steps_per_execution",
    "attention_chunk_size",
)


def check_unchanged(cell):
    """Checks that an existing run of a `Cell` was trained with the cell's settings.

    Raises:
        BadInput: the run has different settings, or more steps.
    """
    before = cell.run().config
    wanted = json.loads(cell.config.to_json())
    for name in ("num_classes", "mode_seeking_distance"):
        if wanted[name] is None:  # The data decide it.
            wanted[name] = before.get(name)
    changed = {
        field.name: (before[field.name], wanted[field.name])
        for field in dataclasses.fields(cell.config)
        if before.get(field.name, wanted[field.name]) != wanted[field.name]
        and field.metadata["group"] not in ("run", "evaluation")
        and field.name not in _MAY_CHANGE
    }
    if "total_steps" in changed and changed["total_steps"][0] < wanted["total_steps"]:
        del changed["total_steps"]  # The run continues.
    if changed:
        lines = [f"{name} was {a}, now {b}" for name, (a, b) in changed.items()]
        raise BadInput(
            f"{cell.workdir} must hold a run with the same settings. Received: "
            f"{'; '.join(lines)}. Try the same flags, or another --workdir."
        )


def is_trained(cell):
    """Returns True if the training of a `Cell` has ended, successfully or not."""
    run = cell.run()
    if run.outcome is None:
        return False
    is_lost = run.state != "finished"
    return is_lost or run.config["total_steps"] >= cell.config.total_steps


def is_done(cell):
    """Returns True if a `Cell` is trained and, if its training finished, evaluated."""
    run, config = cell.run(), cell.config
    if not is_trained(cell) or run.state != "finished":
        return is_trained(cell)
    return any(
        record["step"] == config.total_steps
        and has_setup(record, config.protocol, config.feature_network)
        for record in run.records
    )


def train(cell):
    """Trains a cell, or resumes its training, and evaluates its last step.

    Training and evaluation are separate processes. A training also counts as ended if
    its losses became NaN or infinite, or if `--on_collapse` stopped it. The training
    receives signals too, so that it can save.

    Args:
        cell: `Cell`.

    Returns:
        0 if the cell is done; 3 after a signal; else the exit status of what failed.

    Raises:
        InUse: another process is training the cell.
        OSError: the folder cannot be written or locked.
    """
    cell.workdir.mkdir(parents=True, exist_ok=True)
    with claim(cell.workdir / LOCK) as lock:
        if not is_trained(cell):
            path = cell.workdir / OUTCOME
            path.unlink(missing_ok=True)  # It is the outcome of fewer steps.
            command = ["-m", "sagan_tf.train", *cell.arguments]
            status, was_stopped = _run(command, lock)
            if status not in (FINISHED, NOT_FINITE, COLLAPSED):
                return status
            outcome = {"status": status, "command": ["python", *command]}
            write_text(path, json.dumps(outcome, indent=2) + "\n")
            if was_stopped:
                return STOPPED
        if is_done(cell):
            return FINISHED
        names = ("protocol", "feature_network", "inception", "reference_statistics")
        values = {name: getattr(cell.config, name) for name in names}
        flags = [f"--{name}={v}" for name, v in values.items() if v is not None]
        command = ["-m", "sagan_tf.evaluate", f"--workdir={cell.workdir}", *flags]
        return _run(command, lock)[0]


def _run(arguments, lock):
    """Runs a Python command; returns its exit status and True if a signal arrived."""
    received = []

    def note(number, frame):
        received.append(number)
        if process is not None:
            process.send_signal(signal.SIGTERM)

    process = None
    before = {number: signal.signal(number, note) for number in _SIGNALS}
    try:
        # In a new session, so that Ctrl-C reaches it once, through `note`.
        process = subprocess.Popen(
            [sys.executable, *arguments],
            start_new_session=True,
            pass_fds=[lock.fileno()],
        )
        if received:
            process.send_signal(signal.SIGTERM)
        status = process.wait()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    return (128 - status if status < 0 else status), bool(received)


def print_commands(cells, left_out):
    """Prints the commands of the remaining trainings."""
    for cell in cells:
        if not is_done(cell):
            print(shlex.join(["python", "-m", "sagan_tf.train", *cell.arguments]))
    for name, reason in left_out.items():
        print(f"# {name} is left out: {reason}")


def train_all(cells, write_report):
    """Trains the cells that are not done, one after another.

    Args:
        cells: list of `Cell`.
        write_report: function without arguments, called after each cell.

    Returns:
        The exit status: 0; or 2 if cells were refused, which does not stop the others;
        or the exit status of a training that failed, which does.
    """
    seconds, skipped, end = [], 0, FINISHED
    for number, cell in enumerate(cells, 1):
        title = f"[{number}/{len(cells)}] {cell.name}, seed {cell.seed}"
        if is_done(cell):
            print(f"{title}: is done.", flush=True)
            continue
        left = sum(not is_done(each) for each in cells[number - 1 :])
        estimate = ""
        if seconds:
            time_left = round(left * sum(seconds) / len(seconds))
            time_left = datetime.timedelta(seconds=time_left)
            estimate = f" (about {time_left} left for {left} runs)"
        print(f"{title}{estimate}", flush=True)
        start = time.monotonic()
        try:
            status = train(cell)
        except InUse as other:
            print(f"{title}: skipped, {other} is training it.", flush=True)
            skipped += 1
            continue
        if status == BAD_INPUT:
            print(f"{title}: refused, see above.", file=sys.stderr)
            end = BAD_INPUT
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
        print(f"{skipped} runs were skipped: other processes may be training them.")
    return end

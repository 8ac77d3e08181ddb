"""Trains and evaluates the cells of an ablation, each in a process of its own."""

import contextlib
import fcntl
import json
import os
import signal
import socket
import subprocess
import sys

from sagan_tf.ablations.runs import (
    OUTCOME,
    Run,
    is_made_in,
)
from sagan_tf.errors import COLLAPSED, FINISHED, NOT_FINITE, STOPPED, BadInput
from sagan_tf.files import write_text

LOCK = "training.lock"
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
# What may be another value when a run goes on, and its figures still be comparable.
_MAY_CHANGE = (
    *("data_dir", "manual_dir", "strategy", "tpu_name", "tpu_zone", "tpu_project"),
    *("worker_timeout_seconds", "steps_per_execution", "attention_chunk_size"),
    *("log_every_steps", "sample_every_steps", "checkpoint_every_steps"),
    *("keep_checkpoints", "watch_every_steps", "on_collapse", "samples_per_class"),
    *("tensorboard", "evaluate_every_steps", "protocol", "feature_network"),
    *("inception", "reference_statistics"),
)


class InUse(Exception):
    """Another process is at a cell. The text says which."""


def check_unchanged(cell):
    """Checks that a run that is there already is one of this cell.

    Args:
        cell: `ablations.Cell`.

    Raises:
        BadInput: it was trained with other settings, or further than is asked for.
    """
    before = Run(cell.name, cell.seed, cell.workdir).config
    wanted = json.loads(json.dumps({**cell.settings, "seed": cell.seed}))
    if wanted["num_classes"] is None:
        wanted["num_classes"] = before.get("num_classes")
    changed = {
        name: (before[name], value)
        for name, value in wanted.items()
        if name in before and before[name] != value and name not in _MAY_CHANGE
    }
    if "total_steps" in changed and changed["total_steps"][0] < wanted["total_steps"]:
        del changed["total_steps"]  # It goes on.
    if changed:
        lines = [f"{name} was {a}, now {b}" for name, (a, b) in changed.items()]
        raise BadInput(
            f"{cell.workdir} holds a run with other settings: {'; '.join(lines)}. Try "
            "the same flags, or another --workdir: one table is of one kind of runs."
        )


def is_trained(cell):
    """Whether a cell's training has ended, well or badly.

    Args:
        cell: `ablations.Cell`.
    """
    run = Run(cell.name, cell.seed, cell.workdir)
    if run.outcome is None:
        return False
    ended_early = run.outcome["status"] != FINISHED
    return ended_early or run.config["total_steps"] >= cell.settings["total_steps"]


def is_done(cell):
    """Whether nothing is left to do of a cell: what was finished is evaluated too.

    Args:
        cell: `ablations.Cell`.
    """
    if not is_trained(cell):
        return False
    run = Run(cell.name, cell.seed, cell.workdir)
    settings = cell.settings
    return run.state != "finished" or any(
        record["step"] == settings["total_steps"]
        and is_made_in(record, settings["protocol"], settings["feature_network"])
        for record in run.records
    )


def train(cell):
    """Trains one cell, or goes on with it, and evaluates its last step.

    Both in processes of their own, so that it sees nothing of other cells. A training
    whose losses became NaN or infinite, or that was stopped by `--on_collapse`, has an
    outcome like one that has reached its last step. Signals are passed on, so that a
    training can save.

    Args:
        cell: `ablations.Cell`.

    Returns:
        0 if the cell is done; 3 if a signal came; else the exit status of what failed.

    Raises:
        InUse: another process trains it.
        OSError: the folder cannot be written or locked.
    """
    cell.workdir.mkdir(parents=True, exist_ok=True)
    with _claim(cell.workdir) as lock:
        if not is_trained(cell):
            path = cell.workdir / OUTCOME
            path.unlink(missing_ok=True)  # Of a shorter training.
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
        return _run(_evaluation(cell), lock)[0]


def _evaluation(cell):
    """The command that evaluates the last step, if the training has not."""
    flags = [
        f"--{name}={cell.settings[name]}"
        for name in ("protocol", "feature_network", "inception", "reference_statistics")
        if cell.settings[name] is not None
    ]
    return ["-m", "sagan_tf.evaluate", f"--workdir={cell.workdir}", *flags]


@contextlib.contextmanager
def _claim(workdir):
    """Locks a run; yields the open file, which a training inherits.

    The lock ends with the last process that has the file open: a training that has lost
    its parent keeps it, and a killed one leaves none.
    """
    with open(workdir / LOCK, "a+", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            raise InUse(file.read().strip() or "another process") from None
        file.truncate(0)
        file.write(f"process {os.getpid()} on {socket.gethostname()} or its child\n")
        file.flush()
        yield file


def _run(arguments, lock):
    """Runs a Python command; returns its exit status and whether a signal came."""
    received = []

    def note(number, frame):
        received.append(number)
        if process is not None:
            process.send_signal(signal.SIGTERM)

    process = None
    before = {number: signal.signal(number, note) for number in _SIGNALS}
    try:
        # In a session of its own: Ctrl-C reaches it once, through `note`.
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

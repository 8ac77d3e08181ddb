"""What stops a training, on a fake model whose training is counting."""

import errno
import io
import os
import signal
import sys

import numpy as np
import pytest

from sagan_tf.run.checkpoints import Checkpoints
from sagan_tf.training.callbacks.checkpoint_writer import CheckpointWriter
from sagan_tf.training.callbacks.step_callback import StepCallback
from sagan_tf.training.callbacks.stopping import (
    NonfiniteStop,
    SignalStop,
    Stop,
    Stopper,
)
from tests.training.callbacks.counting import CountingModel, TwoWorkers, fit


def test_a_nonfinite_loss_stops_the_run_and_its_step_is_named():
    model, guard = CountingModel(nonfinite_at=4), NonfiniteStop(3)
    fit(model, 20, guard)
    assert int(model.step) == 6
    assert model.stop == Stop(
        4, "An image, a loss or a weight is NaN or infinite at step 4."
    )


def test_finite_losses_do_not_stop_the_run():
    model, guard = CountingModel(), NonfiniteStop(1)
    fit(model, 3, guard)
    assert (int(model.step), model.stop) == (3, None)


def test_a_nonfinite_weight_is_found_before_a_checkpoint(tmp_path):
    model, guard = CountingModel(), NonfiniteStop(100)
    model.weight.assign([1.0, np.inf])
    checkpoints = Checkpoints(tmp_path)
    fit(model, 5, guard, CheckpointWriter(2, checkpoints, guard))
    assert checkpoints.steps() == []
    assert int(model.step) == 2
    assert "weight" in model.stop.reason


def test_a_nonfinite_loss_of_another_worker_stops_this_one():
    model, guard = CountingModel(nonfinite_at=4), NonfiniteStop(2, TwoWorkers(0, 3))
    fit(model, 9, guard)
    assert int(model.step) == 2
    assert model.stop == Stop(
        4, "An image, a loss or a weight is NaN or infinite at step 3."
    )


def test_a_signal_to_another_worker_stops_this_one():
    model, stop = CountingModel(), SignalStop(TwoWorkers(0, signal.SIGTERM))
    fit(model, 9, stop)
    assert (int(model.step), stop.received) == (1, "SIGTERM")


class SignalAt(StepCallback):
    """Sends this process a signal."""

    def __init__(self, step, number):
        super().__init__(step)
        self._number = number

    def at_step(self, step, logs):
        os.kill(os.getpid(), self._number)


@pytest.fixture
def hangup_ends_a_process():
    """As usual; under `nohup` the tests, and so this process, would not get it."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.mark.usefixtures("hangup_ends_a_process")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_stops_after_the_step_with_a_checkpoint(number, tmp_path):
    checkpoints, guard = Checkpoints(tmp_path), NonfiniteStop(100)
    model = CountingModel()
    before = signal.getsignal(number)
    with SignalStop() as stop:
        writer = CheckpointWriter(0, checkpoints, guard)
        fit(model, 9, SignalAt(3, number), guard, stop, writer)
        # A second Ctrl-C ends the process at once.
        assert signal.getsignal(number) is signal.SIG_DFL
    assert stop.received == number.name
    assert model.stop == Stop(3, f"Stopped by {number.name}.")
    assert checkpoints.steps() == [3]
    assert signal.getsignal(number) is before


def test_nohup_is_respected():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with SignalStop() as stop:
            os.kill(os.getpid(), signal.SIGHUP)
        assert stop.received is None
    finally:
        signal.signal(signal.SIGHUP, before)


class PrintAt(StepCallback):
    """Prints at a step, and later."""

    def at_step(self, step, logs):
        print("step", step, flush=True)
        print("step", step, file=sys.stderr, flush=True)


@pytest.mark.parametrize("name", ["stdout", "stderr"])
@pytest.mark.parametrize("error", [errno.EPIPE, errno.EIO, errno.ENOSPC])
def test_a_reader_that_has_gone_stops_with_a_checkpoint(
    tmp_path, monkeypatch, name, error
):
    """A closed pipe, or a terminal that has gone, in place of the stream."""

    class Closed(io.StringIO):
        def flush(self):
            raise OSError(error, os.strerror(error))

    streams = {each: io.StringIO() for each in ("stdout", "stderr")}
    streams[name] = Closed()
    for each, stream in streams.items():
        monkeypatch.setattr(sys, each, stream)
    checkpoints, guard = Checkpoints(tmp_path), NonfiniteStop(100)
    model = CountingModel()
    with SignalStop() as stop:
        writer = CheckpointWriter(0, checkpoints, guard)
        fit(model, 9, PrintAt(3), stop, guard, writer)
    assert model.stop == Stop(3, "Stopped by SIGPIPE.")
    assert checkpoints.steps() == [3]
    assert sys.stdout is streams["stdout"]
    if name == "stdout":
        cause = "cannot be written (No space left on device)"
        cause = cause if error == errno.ENOSPC else "reader of the output has gone"
        assert f"{cause}: stopping after this step" in streams["stderr"].getvalue()


class StopAt(Stopper):
    """Stops at a step."""

    def __init__(self, step, stop):
        super().__init__(step)
        self._stop = stop

    def at_step(self, step, logs):
        self.stop(self._stop.status, self._stop.reason)


@pytest.mark.parametrize(
    ("first", "second", "counts"), [(4, 6, 4), (6, 4, 6), (3, 6, 6), (6, 3, 6)]
)
def test_the_first_reason_to_stop_counts_but_a_signal_gives_way(first, second, counts):
    model = CountingModel()
    stops = [StopAt(2, Stop(status, f"Because {status}")) for status in (first, second)]
    fit(model, 9, *stops)
    assert model.stop == Stop(counts, f"Because {counts}")
    assert int(model.step) == 2


def test_a_broken_model_is_not_saved_after_a_signal(tmp_path):
    checkpoints, guard = Checkpoints(tmp_path), NonfiniteStop(100)
    model = CountingModel(nonfinite_at=2)
    with SignalStop() as stop:
        writer = CheckpointWriter(0, checkpoints, guard)
        fit(model, 9, SignalAt(3, signal.SIGTERM), stop, guard, writer)
    assert (model.stop.status, checkpoints.steps()) == (4, [])

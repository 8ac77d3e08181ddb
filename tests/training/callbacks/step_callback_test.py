"""Callbacks, on a fake model whose training is counting."""

import os
import signal

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from sagan_tf.distribution.workers import Workers
from sagan_tf.run.checkpoints import Checkpoints
from sagan_tf.training.callbacks.checkpoint_writer import CheckpointWriter
from sagan_tf.training.callbacks.sample_grid import SampleGrid
from sagan_tf.training.callbacks.step_callback import StepCallback
from sagan_tf.training.callbacks.stopping import NonfiniteStop, SignalStop


class CountingModel(keras.Model):
    """Has what callbacks use of `SAGAN`; its pictures are grey, by label."""

    def __init__(self, step=0, num_classes=3, nonfinite_at=None):
        super().__init__()
        self.z_dim, self.num_classes = 2, num_classes
        self.nonfinite_at = nonfinite_at
        self.step = tf.Variable(step, dtype=tf.int64)
        self.first_nonfinite_step = tf.Variable(-1, dtype=tf.int64)
        self.weight = self.add_weight(shape=(2,), name="weight")
        self.seen_z = []
        self.built = True

    def train_step(self, data):
        self.step.assign_add(1)
        if self.nonfinite_at is not None and self.step == self.nonfinite_at:
            self.first_nonfinite_step.assign(self.step)
        return {"loss": tf.cast(self.step, tf.float32)}

    def checkpoint_items(self):
        return {"step": self.step}

    def generate(self, z, labels=None):
        self.seen_z.append(np.array(z))
        grey = np.zeros(len(z)) if labels is None else np.asarray(labels) / 100
        return tf.constant(
            np.broadcast_to(grey[:, None, None, None], (len(z), 4, 4, 1))
        )


def fit(model, steps, *callbacks):
    model.compile(run_eagerly=True)
    data = tf.data.Dataset.from_tensors(tf.zeros([1])).repeat()
    model.fit(
        data, steps_per_epoch=steps, shuffle=False, verbose=0, callbacks=list(callbacks)
    )


class Recorder(StepCallback):
    def __init__(self, every):
        super().__init__(every)
        self.steps = []

    def at_step(self, step, logs):
        self.steps.append((step, logs["loss"]))


@pytest.mark.parametrize(
    ("start", "every", "expected"),
    [
        (0, 3, [3, 6]),
        (2, 3, [3, 6, 9]),
        (3, 3, [6, 9]),
        (0, 0, []),
        (0, 1, [*range(1, 8)]),
    ],
)
def test_intervals_are_counted_in_steps_of_the_model(start, every, expected):
    recorder = Recorder(every)
    fit(CountingModel(start), 7, recorder)
    assert [step for step, _ in recorder.steps] == expected


def test_an_interval_inside_one_execution_is_not_missed():
    recorder = Recorder(3)
    model = CountingModel()
    model.compile(run_eagerly=True, steps_per_execution=4)
    data = tf.data.Dataset.from_tensors(tf.zeros([1])).repeat()
    model.fit(data, steps_per_epoch=8, shuffle=False, verbose=0, callbacks=[recorder])
    assert [step for step, _ in recorder.steps] == [4, 8]


def test_a_nonfinite_loss_stops_the_run_and_its_step_is_named():
    model, guard = CountingModel(nonfinite_at=4), NonfiniteStop(3)
    fit(model, 20, guard)
    assert int(model.step) == 6
    assert guard.reason == "A loss became NaN or infinite at step 4."


def test_finite_losses_do_not_stop_the_run():
    model, guard = CountingModel(), NonfiniteStop(1)
    fit(model, 3, guard)
    assert (int(model.step), guard.reason) == (3, None)


def test_a_nonfinite_weight_is_found_before_a_checkpoint(tmp_path):
    model, guard = CountingModel(), NonfiniteStop(100)
    model.weight.assign([1.0, np.inf])
    checkpoints = Checkpoints(tmp_path)
    fit(model, 5, guard, CheckpointWriter(2, checkpoints, guard))
    assert checkpoints.steps() == []
    assert int(model.step) == 2
    assert "weight" in guard.reason


def test_checkpoints_are_written_at_intervals_and_at_the_end(tmp_path):
    checkpoints, guard = Checkpoints(tmp_path, keep=9), NonfiniteStop(100)
    fit(CountingModel(), 5, guard, CheckpointWriter(2, checkpoints, guard))
    assert checkpoints.steps() == [2, 4, 5]


def test_nothing_is_written_after_a_nonfinite_loss(tmp_path):
    checkpoints, guard = Checkpoints(tmp_path), NonfiniteStop(100)
    model = CountingModel(nonfinite_at=3)
    fit(model, 9, guard, CheckpointWriter(2, checkpoints, guard))
    assert checkpoints.steps() == [2]
    assert int(model.step) == 4


class TwoWorkers(Workers):
    """This is one of two workers; the other one says the same number every time."""

    def __init__(self, index, others):
        super().__init__(index, 2)
        self._others = float(others)

    def gather(self, *numbers):
        return [tuple(map(float, numbers)), (self._others,)]


def test_a_nonfinite_loss_of_another_worker_stops_this_one():
    model, guard = CountingModel(nonfinite_at=4), NonfiniteStop(2, TwoWorkers(0, 3))
    fit(model, 9, guard)
    assert int(model.step) == 2
    assert guard.reason == "A loss became NaN or infinite at step 3."


def test_a_signal_to_another_worker_stops_this_one():
    model, stop = CountingModel(), SignalStop(TwoWorkers(0, signal.SIGTERM))
    fit(model, 9, stop)
    assert (int(model.step), stop.received) == (1, "SIGTERM")


def test_only_the_chief_writes_checkpoints(tmp_path):
    for index in (0, 1):
        checkpoints = Checkpoints(tmp_path / str(index))
        guard = NonfiniteStop(100, TwoWorkers(index, -1))
        writer = CheckpointWriter(2, checkpoints, guard, TwoWorkers(index, -1))
        fit(CountingModel(), 3, guard, writer)
    written = [Checkpoints(tmp_path / name).steps() for name in ("0", "1")]
    assert written == [[2, 3], []]


class SignalAt(StepCallback):
    """Sends this process a signal."""

    def __init__(self, step, number):
        super().__init__(step)
        self._number = number

    def at_step(self, step, logs):
        os.kill(os.getpid(), self._number)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
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
    assert checkpoints.steps() == [3]
    assert signal.getsignal(number) is before


def grid_of(model, tmp_path, every=2, steps=3, columns=2):
    fit(model, steps, SampleGrid(every, tmp_path, columns))
    return sorted(path.name for path in tmp_path.iterdir())


def test_grids_are_drawn_at_start_intervals_and_end(tmp_path):
    names = grid_of(CountingModel(), tmp_path)
    assert names == [f"step_{step:08d}.png" for step in (0, 2, 3)]


def test_a_resumed_run_draws_no_first_grid(tmp_path):
    assert grid_of(CountingModel(step=1), tmp_path, steps=1) == ["step_00000002.png"]


def test_a_grid_has_a_class_a_row(tmp_path):
    grid_of(CountingModel(num_classes=3), tmp_path)
    pixels = np.asarray(Image.open(tmp_path / "step_00000000.png"))
    assert pixels.shape == (3 * 4 + 2 * 2, 2 * 4 + 2)
    assert [pixels[6 * row, 0] for row in range(3)] == [128, 129, 130]


def test_a_grid_without_classes_is_a_square(tmp_path):
    grid_of(CountingModel(num_classes=None), tmp_path)
    pixels = np.asarray(Image.open(tmp_path / "step_00000000.png"))
    assert pixels.shape == (2 * 4 + 2, 2 * 4 + 2)


def test_of_many_classes_the_first_the_last_and_some_between_are_shown(tmp_path):
    grid_of(CountingModel(num_classes=100), tmp_path)
    pixels = np.asarray(Image.open(tmp_path / "step_00000000.png"))
    greys = [int(pixels[6 * row, 0]) for row in range((len(pixels) + 2) // 6)]
    assert len(greys) == 20
    assert (greys[0], greys[-1]) == (128, int(0.99 * 127.5 + 128))


def test_every_grid_has_the_same_z(tmp_path):
    model = CountingModel(num_classes=3)
    grid_of(model, tmp_path)
    first, *others = model.seen_z
    assert len(others) == 2
    assert len(np.unique(first)) == first.size
    for z in others:
        np.testing.assert_array_equal(z, first)

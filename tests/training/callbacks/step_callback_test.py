"""Callbacks at intervals, on a fake model whose training is counting."""

import pytest
import tensorflow as tf

from sagan_tf.training.callbacks.step_callback import StepCallback
from tests.training.callbacks.counting import CountingModel, fit


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

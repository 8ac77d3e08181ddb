"""The base class of callbacks that act at some steps of a training.

All callbacks count in steps of the model, not in Keras' batches: one call from Keras
may be several steps (`steps_per_execution`), and a resumed run starts at a later step.

With several workers, only the chief has callbacks that write. Those that stop the
training are on all workers, which agree: see `distribution/workers.py`.
"""

import keras


class StepCallback(keras.callbacks.Callback):
    """Calls `at_step(step, logs)` whenever training passes a multiple of `every`.

    Args:
        every: int, steps; 0 for never.
        also: ints, more steps at which `at_step` is called.
    """

    def __init__(self, every, also=()):
        super().__init__()
        self._every = every
        self._also = also
        self._seen = 0

    def on_train_begin(self, logs=None):
        """Notes where this run starts."""
        self._seen = self.step()

    def on_train_batch_end(self, batch, logs=None):
        """Calls `at_step` if training has passed a multiple."""
        before, self._seen = self._seen, self.step()
        passed = self._every and before // self._every < self._seen // self._every
        if passed or any(before < step <= self._seen for step in self._also):
            self.at_step(self._seen, logs)

    def step(self):
        """Returns the number of steps that the model has done."""
        return int(self.model.step.numpy())

    def at_step(self, step, logs):
        """Does the work; subclasses override it. `logs`: dict of metric to float."""

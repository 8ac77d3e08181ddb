"""The callback that writes checkpoints."""

from sagan_tf.distribution.workers import Workers
from sagan_tf.training.callbacks.step_callback import StepCallback


class CheckpointWriter(StepCallback):
    """Writes checkpoints at intervals and at the end.

    All workers have this callback, because the guard gathers from all of them. Only the
    chief writes, and needs no help: reading sums no variable of a checkpoint.

    Args:
        every: int, steps; 0 for the end alone.
        checkpoints: `Checkpoints`.
        guard: `NonfiniteStop`; nothing is written when it finds a problem.
        workers: `Workers`.
    """

    def __init__(self, every, checkpoints, guard, workers=None):
        super().__init__(every)
        self._checkpoints = checkpoints
        self._guard = guard
        self._workers = workers or Workers()
        self._written = None

    def at_step(self, step, logs):
        if self._guard.all_is_finite():
            if self._workers.is_chief:
                self._checkpoints.write(step, self.model.checkpoint_items())
            self._written = step

    def on_train_end(self, logs=None):
        self.write_now()

    def write_now(self):
        """Writes a checkpoint unless this step has one; returns True if it has one."""
        if self._written != self.step():
            self.at_step(self.step(), None)
        return self._written == self.step()

"""What stops a training: a value that is not finite, a signal."""

import signal
import threading

import keras
import tensorflow as tf

from sagan_tf.distribution.workers import Workers
from sagan_tf.training.callbacks.step_callback import StepCallback


class NonfiniteStop(StepCallback):
    """Stops when a loss, or before a checkpoint a weight, is NaN or infinite.

    Args:
        every: int, steps.
        workers: `Workers`; what one of them finds stops all.

    Attributes:
        reason: a line that says what happened and at which step, or `None`.
    """

    def __init__(self, every, workers=None):
        super().__init__(every)
        self._workers = workers or Workers()
        self.reason = None

    def at_step(self, step, logs):
        """Looks at the losses of all steps so far."""
        # Each worker notes the losses on its own images.
        seen = self._workers.gather(self.model.first_nonfinite_step.numpy())
        first = min((step for (step,) in seen if step >= 0), default=None)
        if first is not None:
            self._stop(f"A loss became NaN or infinite at step {int(first):,}.")

    def all_is_finite(self):
        """Looks at losses and weights, and stops the training if it has to."""
        self.at_step(self.step(), None)
        if self.reason is None:
            # The losses may be finite and the update that followed not. Metrics, which
            # are summed over workers when they are read, tell nothing new.
            variables = [
                variable
                for variable in self.model.variables
                if variable.synchronization != "on_read"
            ]
            bad = next((i for i, v in enumerate(variables) if not _is_finite(v)), -1)
            worst = max(number for (number,) in self._workers.gather(bad))
            if worst >= 0:
                self._stop(
                    f"The weight {variables[int(worst)].path} became NaN or infinite "
                    f"by step {self.step():,}."
                )
        return self.reason is None

    def _stop(self, reason):
        self.reason = reason
        self.model.stop_training = True


def _is_finite(variable):
    value = variable.value
    return not value.dtype.is_floating or bool(tf.reduce_all(tf.math.is_finite(value)))


class SignalStop(keras.callbacks.Callback):
    """Stops in an orderly way at SIGTERM or Ctrl-C; a second one ends at once.

    To be used as a context too: `with SignalStop() as stop: model.fit(...)`.

    Args:
        workers: `Workers`; a signal to one of them stops all, after the same step.

    Attributes:
        received: name of the signal, or `None`.
    """

    def __init__(self, workers=None):
        super().__init__()
        self._workers = workers or Workers()
        self.received = None
        self._before = {}

    def __enter__(self):
        # Python only lets the main thread change what a signal does.
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGTERM, signal.SIGINT):
                self._before[number] = signal.signal(number, self._note)
        return self

    def __exit__(self, *exception):
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _note(self, number, frame):
        self.received = signal.Signals(number).name
        print(f"\n{self.received}: stopping after this step.", flush=True)
        for other in self._before:
            signal.signal(other, signal.SIG_DFL)

    def on_train_batch_end(self, batch, logs=None):
        """Ends the training if a signal has come."""
        own = signal.Signals[self.received] if self.received else 0
        number = int(max(seen for (seen,) in self._workers.gather(own)))
        if number:
            self.received = signal.Signals(number).name
            self.model.stop_training = True

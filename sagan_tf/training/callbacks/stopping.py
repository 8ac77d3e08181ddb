"""Stops a training before its last step: at a value that is not finite, or a signal."""

import contextlib
import dataclasses
import errno
import os
import signal
import sys
import threading

import tensorflow as tf

from sagan_tf.distribution.workers import Workers
from sagan_tf.errors import NOT_FINITE, STOPPED
from sagan_tf.training.callbacks.step_callback import StepCallback


@dataclasses.dataclass(frozen=True)
class Stop:
    """Why a training stopped before its last step: its exit status, and a sentence."""

    status: int
    reason: str


class Stopper(StepCallback):
    """A callback that may stop the training: `model.stop` is then a `Stop`.

    The first `Stop` counts. Only the `Stop` of a signal gives way to others: it
    promises a checkpoint, and a broken model gets none.
    """

    def on_train_begin(self, logs=None):
        super().on_train_begin(logs)
        self.model.stop = None

    def stop(self, status, reason):
        """Stops the training after this step."""
        if self.model.stop is None or self.model.stop.status == STOPPED:
            self.model.stop = Stop(status, reason)
        self.model.stop_training = True


class NonfiniteStop(Stopper):
    """Stops when an image, a loss or a weight is NaN or infinite.

    Before a checkpoint it checks the optimizers and the moving average too.

    Args:
        every: int, steps.
        workers: `Workers`; a problem of one of them stops all.
    """

    stops_at_nonfinite = True  # So `SAGAN.fit` adds no watch of its own.

    def __init__(self, every, workers=None):
        super().__init__(every)
        self._workers = workers or Workers()

    def at_step(self, step, logs):
        self._report(self._bad_loss())

    def all_is_finite(self):
        """Returns True if all losses and weights are finite, or stops the training."""
        return self._report(self._bad_loss() or self._bad_weight())

    def _report(self, problem):
        if problem is not None:
            self.stop(NOT_FINITE, problem)
        return problem is None

    def _bad_loss(self):
        # Each worker notes the losses on its own images.
        seen = self._workers.gather(self.model.first_nonfinite_step.numpy())
        first = min((step for (step,) in seen if step >= 0), default=None)
        if first is None:
            return None
        return (
            f"An image, a loss or a weight is NaN or infinite at step {int(first):,}."
        )

    def _bad_weight(self):
        # Metrics are left out: reading them sums over workers, and they hold nothing
        # but losses.
        variables = [v for v in self.model.variables if v.synchronization != "on_read"]
        bad = next((i for i, v in enumerate(variables) if not _is_finite(v)), -1)
        worst = max(number for (number,) in self._workers.gather(bad))
        if worst < 0:
            return None
        return (
            f"The weight {variables[int(worst)].path} became NaN or infinite "
            f"by step {self.step():,}."
        )


def _is_finite(variable):
    value = variable.value
    return not value.dtype.is_floating or bool(tf.reduce_all(tf.math.is_finite(value)))


class _Output:
    """A stream whose reader may go. It notes this once, and then writes nothing more.

    Args:
        stream: text stream.
        note: function of the `OSError`.
    """

    def __init__(self, stream, note):
        self._stream, self._note, self._is_lost = stream, note, False

    def __getattr__(self, name):
        return getattr(self._stream, name)

    def write(self, text):
        with self._losing():
            self._stream.write(text)
        return len(text)

    def flush(self):
        with self._losing():
            self._stream.flush()

    @contextlib.contextmanager
    def _losing(self):
        try:
            yield
        except OSError as error:  # No reader, or a full disk.
            with contextlib.suppress(OSError):  # A stream without a file.
                # The rest of its buffer would fail again at the end of the process.
                os.dup2(os.open(os.devnull, os.O_WRONLY), self._stream.fileno())
            if not self._is_lost:
                self._is_lost = True
                self._note(error)


class SignalStop(Stopper):
    """Stops after the current step at SIGTERM, SIGHUP or Ctrl-C, or without a reader.

    A second signal ends the process at once. If the reader of the output has gone, as
    in `train | head`, this counts as SIGPIPE, and further output is lost. Use it as a
    context manager too: `with SignalStop() as stop: model.fit(...)`.

    Args:
        workers: `Workers`; a signal to one of them stops all, after the same step.

    Attributes:
        received: name of the signal, or `None`.
    """

    def __init__(self, workers=None):
        super().__init__(every=1)
        self._workers = workers or Workers()
        self.received = None
        self._before = {}

    def __enter__(self):
        # Python only lets the main thread change what a signal does.
        if threading.current_thread() is threading.main_thread():
            numbers = [signal.SIGTERM, signal.SIGINT, signal.SIGHUP]
            if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
                numbers.remove(signal.SIGHUP)  # `nohup` ignores it.
            for number in numbers:
                self._before[number] = signal.signal(number, self._note)
        self._streams = sys.stdout, sys.stderr
        sys.stdout, sys.stderr = (_Output(s, self._note_reader) for s in self._streams)
        return self

    def __exit__(self, *exception):
        # The rest of the output meets the lost reader here.
        sys.stdout.flush()
        sys.stderr.flush()
        sys.stdout, sys.stderr = self._streams
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _note(self, number, frame):
        self.received = signal.Signals(number).name
        for other in self._before:
            signal.signal(other, signal.SIG_DFL)
        with contextlib.suppress(RuntimeError):  # The signal came during a print.
            print(f"\n{self.received}: stopping after this step.", flush=True)

    def _note_reader(self, error):
        if self.received is None:
            self.received = signal.SIGPIPE.name
        text = f"The output cannot be written ({error.strerror})"
        if error.errno in (errno.EPIPE, errno.EIO):
            text = "The reader of the output has gone"
        print(f"\n{text}: stopping after this step.", file=sys.stderr, flush=True)

    def at_step(self, step, logs):
        own = signal.Signals[self.received] if self.received else 0
        number = int(max(seen for (seen,) in self._workers.gather(own)))
        if number:
            self.received = signal.Signals(number).name
            self.stop(STOPPED, f"Stopped by {self.received}.")

"""Shows the progress of a training to the person who watches it."""

import datetime
import sys
import time

from tqdm import tqdm

from sagan_tf.training.callbacks.metric_log import Speed
from sagan_tf.training.callbacks.step_callback import StepCallback

_SHOWN = ("d_loss", "g_loss")
# Steps of this process after which a line is printed, before the clock decides.
_FIRST_LINES = (1, 10, 100)


class Progress(StepCallback):
    """Shows a progress bar on a terminal, and prints lines elsewhere.

    It prints a line after 1, 10 and 100 steps, then one every `seconds`, and one at the
    end.

    Args:
        every: int, steps between new values of the bar.
        total_steps: int.
        images_per_step: int, over all replicas.
        is_terminal: bool; default: whether stderr is a terminal.
        seconds: float, between lines.
    """

    def __init__(
        self, every, total_steps, images_per_step, is_terminal=None, seconds=30
    ):
        super().__init__(every)
        self._seconds = seconds
        self._total = total_steps
        self._speed = Speed(images_per_step)
        self._images_per_step = images_per_step
        self._is_terminal = sys.stderr.isatty() if is_terminal is None else is_terminal
        self._bar = None

    def on_train_begin(self, logs=None):
        super().on_train_begin(logs)
        self._shown = self._first = self.step()
        self._clock = time.monotonic()
        self._speed.start(self._shown)
        if self._is_terminal:
            self._bar = tqdm(
                total=self._total, initial=self.step(), unit="step", dynamic_ncols=True
            )

    def on_train_batch_begin(self, batch, logs=None):
        self._speed.resume()

    def on_train_batch_end(self, batch, logs=None):
        self._speed.pause()
        # At the end of the training Keras reads the metrics again. They may be reset.
        self._logs = logs
        if self._bar is not None:
            super().on_train_batch_end(batch, logs)
            self._bar.update(self._seen - self._bar.n)
            return
        before, step = self._seen - self._first, self.step()
        self._seen = step
        first = any(before < line <= step - self._first for line in _FIRST_LINES)
        if first or time.monotonic() - self._clock >= self._seconds:
            self.at_step(step, logs)

    def on_train_end(self, logs=None):
        if self._shown != self.step() and not self.model.stop_training:
            self.at_step(self.step(), self._logs)
        if self._bar is not None:
            self._bar.close()

    def at_step(self, step, logs):
        first_line = self._shown == self._first
        self._shown, self._clock = step, time.monotonic()
        speed = self._speed.measure(step)
        losses = {name: f"{logs[name]:.3f}" for name in _SHOWN if name in logs}
        if self._bar is not None:
            self._bar.set_postfix({**losses, "images/s": f"{speed:.0f}"})
            return
        left = (self._total - step) * self._images_per_step / speed
        # The first step compiles.
        left = "" if first_line else f"  {datetime.timedelta(seconds=round(left))} left"
        shown = "  ".join(f"{name} {value}" for name, value in losses.items())
        print(
            f"step {step:,}/{self._total:,}  {shown}  {speed:,.1f} images/s{left}",
            flush=True,
        )

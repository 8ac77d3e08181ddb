"""The progress of a training, for the person who watches it."""

import datetime
import sys

from tqdm import tqdm

from sagan_tf.training.callbacks.metric_log import Speed
from sagan_tf.training.callbacks.step_callback import StepCallback

_SHOWN = ("d_loss", "g_loss")


class Progress(StepCallback):
    """A progress bar on a terminal; elsewhere one line for each interval.

    Args:
        every: int, steps between new values.
        total_steps: int.
        images_per_step: int, over all replicas.
        is_terminal: bool; default: whether stderr is a terminal.
    """

    def __init__(self, every, total_steps, images_per_step, is_terminal=None):
        super().__init__(every)
        self._total = total_steps
        self._speed = Speed(images_per_step)
        self._images_per_step = images_per_step
        self._is_terminal = sys.stderr.isatty() if is_terminal is None else is_terminal
        self._bar = None

    def on_train_begin(self, logs=None):
        super().on_train_begin(logs)
        self._shown = self.step()
        self._speed.start(self._shown)
        if self._is_terminal:
            self._bar = tqdm(
                total=self._total, initial=self.step(), unit="step", dynamic_ncols=True
            )

    def on_train_batch_begin(self, batch, logs=None):
        self._speed.resume()

    def on_train_batch_end(self, batch, logs=None):
        self._speed.pause()
        super().on_train_batch_end(batch, logs)
        if self._bar is not None:
            self._bar.update(self._seen - self._bar.n)

    def on_train_end(self, logs=None):
        if self._shown != self.step() and not self.model.stop_training:
            self.at_step(self.step(), logs)
        if self._bar is not None:
            self._bar.close()

    def at_step(self, step, logs):
        self._shown = step
        speed = self._speed.measure(step)
        losses = {name: f"{logs[name]:.3f}" for name in _SHOWN if name in logs}
        if self._bar is not None:
            self._bar.set_postfix({**losses, "images/s": f"{speed:.0f}"})
            return
        left = (self._total - step) * self._images_per_step / speed
        shown = "  ".join(f"{name} {value}" for name, value in losses.items())
        print(
            f"step {step:,}/{self._total:,}  {shown}  {speed:,.1f} images/s  "
            f"{datetime.timedelta(seconds=round(left))} left",
            flush=True,
        )

"""The metrics of a run, as files and for TensorBoard."""

import csv
import datetime
import io
import time

import tensorflow as tf

from sagan_tf.errors import missing_packages
from sagan_tf.files import append_lines, write_text
from sagan_tf.run.records import (
    draw_metrics,
    json_line,
    keep_lines,
    read_metrics,
)
from sagan_tf.training.callbacks.step_callback import StepCallback


class Speed:
    """Images per second of training steps; `images_per_step` is for all replicas.

    The clock stops between steps: evaluations and sample grids do not count.
    """

    def __init__(self, images_per_step):
        self._images_per_step = images_per_step

    def start(self, step):
        """Starts an interval."""
        self._step, self._seconds, self._since = step, 0.0, None

    def resume(self):
        """Starts the clock when a training step begins."""
        self._since = time.monotonic()

    def pause(self):
        """Stops the clock when a training step has ended."""
        self._seconds += time.monotonic() - self._since

    def measure(self, step):
        """Returns the speed of the interval that ends, float, and starts the next."""
        images = (step - self._step) * self._images_per_step
        seconds = self._seconds
        self.start(step)
        return images / max(seconds, 1e-9)


class MetricLog(StepCallback):
    """Writes the means of each interval to metrics.jsonl and metrics.csv.

    A run that resumes from a checkpoint drops the lines after the checkpoint's step.
    The files then become those of an uninterrupted run, except for the times, and for
    one mean if the checkpoint lies inside an interval.

    Args:
        every: int, steps.
        workdir: `pathlib.Path`.
        images_per_step: int, over all replicas.
    """

    def __init__(self, every, workdir, images_per_step):
        super().__init__(every)
        self._jsonl = workdir / "metrics.jsonl"
        self._csv = workdir / "metrics.csv"
        self._images_per_step = images_per_step
        self._speed = Speed(images_per_step)

    def on_train_begin(self, logs=None):
        super().on_train_begin(logs)
        self._write_csv(keep_lines(self._jsonl, self.step()))
        self._logged = self.step()
        self._speed.start(self.step())

    def on_train_batch_begin(self, batch, logs=None):
        self._speed.resume()

    def on_train_batch_end(self, batch, logs=None):
        self._speed.pause()
        super().on_train_batch_end(batch, logs)

    def at_step(self, step, logs):
        record = {
            "step": step,
            "images": step * self._images_per_step,
            **logs,
            "images_per_second": round(self._speed.measure(step), 2),
            "time": datetime.datetime.now().astimezone().isoformat(timespec="seconds"),
        }
        append_lines(self._jsonl, json_line(record))
        if set(record) <= set(self._columns):
            append_lines(self._csv, _csv_text([record], self._columns))
        else:  # The first record, or the record of a run with another setting.
            self._write_csv(read_metrics(self._jsonl))
        self._logged = step
        self.model.reset_metrics()

    def _write_csv(self, records):
        self._columns = list(dict.fromkeys(name for each in records for name in each))
        head = ",".join(self._columns) + "\n" if records else ""
        write_text(self._csv, head + _csv_text(records, self._columns))

    def on_train_end(self, logs=None):
        # The last interval may be incomplete.
        if self._logged != self.step() and not self.model.stop_training:
            self.at_step(self.step(), logs)


def _csv_text(records, columns):
    text = io.StringIO()
    csv.DictWriter(text, columns, lineterminator="\n").writerows(records)
    return text.getvalue()


class MetricReset(StepCallback):
    """Resets the means, which cover all workers, on workers without a `MetricLog`."""

    def at_step(self, step, logs):
        self.model.reset_metrics()


class MetricPlot(StepCallback):
    """Draws metrics.png at intervals and at the end.

    Args:
        every: int, steps; 0 for the end alone.
        workdir: `pathlib.Path`.
    """

    def __init__(self, every, workdir):
        super().__init__(every)
        self._workdir = workdir

    def at_step(self, step, logs):
        draw_metrics(self._workdir)

    def on_train_end(self, logs=None):
        self.at_step(self.step(), logs)


def writes_events(loggers, where_installed):
    """Returns True if a run writes TensorBoard events.

    Args:
        loggers: values of `--logger`.
        where_installed: bool, value of `--tensorboard`: whether a run writes events
            whenever TensorBoard is installed.
    """
    if "tensorboard" in loggers:
        return True
    return where_installed and not missing_packages(["tensorboard"])


class TensorBoardLog(StepCallback):
    """Writes the metrics as TensorBoard events.

    Args:
        every: int, steps.
        folder: path.
    """

    def __init__(self, every, folder):
        super().__init__(every)
        self._writer = tf.summary.create_file_writer(str(folder))

    def at_step(self, step, logs):
        with self._writer.as_default():
            for name, value in logs.items():
                tf.summary.scalar(name, value, step=step)
        self._writer.flush()

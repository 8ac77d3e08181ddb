"""What happens beside the training, at some of its steps.

All callbacks count in steps of the model, not in Keras' batches: one call from Keras
may be several steps (`steps_per_execution`), and a resumed run starts at a later step.

Of several workers the chief alone has callbacks that write. Those that stop the
training are on all of them, and agree: see `workers.py`.
"""

import math
import signal
import threading

import keras
import numpy as np
import tensorflow as tf
from tqdm import tqdm

from sagan_tf import images
from sagan_tf.distribution.workers import Workers
from sagan_tf.model import latents
from sagan_tf.run.checkpoints import Checkpoints

# A grid with a row for each of ImageNet's classes would be 128,000 pixels high.
_MAX_ROWS = 20
_SAMPLE_BATCH = 32


class StepCallback(keras.callbacks.Callback):
    """Calls `at_step(step, logs)` whenever training passes a multiple of `every`.

    Args:
        every: int, steps; 0 for never.
    """

    def __init__(self, every):
        super().__init__()
        self._every = every
        self._seen = 0

    def on_train_begin(self, logs=None):
        """Notes where this run starts."""
        self._seen = self.step()

    def on_train_batch_end(self, batch, logs=None):
        """Finds out whether a multiple was passed."""
        before, self._seen = self._seen, self.step()
        if self._every and before // self._every < self._seen // self._every:
            self.at_step(self._seen, logs)

    def step(self):
        """The number of steps that the model has done."""
        return int(self.model.step.numpy())

    def at_step(self, step, logs):
        """To be overridden. `logs`: dict of metric to float."""


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


class CheckpointWriter(StepCallback):
    """Writes checkpoints at intervals and at the end.

    All workers have one, since the guard is asked on all of them; the chief's writes.
    No variable of a checkpoint is summed over workers when it is read, so the others
    need not take part.

    Args:
        every: int, steps; 0 for the end alone.
        checkpoints: `Checkpoints`.
        guard: `NonfiniteStop`; nothing is written when it finds something.
        workers: `Workers`.
    """

    def __init__(self, every, checkpoints, guard, workers=None):
        super().__init__(every)
        self._checkpoints = checkpoints
        self._guard = guard
        self._workers = workers or Workers()
        self._written = None

    def at_step(self, step, logs):
        """Writes a checkpoint, unless it would be of no use."""
        if self._guard.all_is_finite():
            if self._workers.is_chief:
                self._checkpoints.write(step, self.model.checkpoint_items())
            self._written = step

    def on_train_end(self, logs=None):
        """Writes the last checkpoint, also after a signal."""
        self.write_now()

    def write_now(self):
        """Writes a checkpoint of this step, unless there is one.

        Returns:
            bool, whether there is one now: not if losses or weights are not finite.
        """
        if self._written != self.step():
            self.at_step(self.step(), None)
        return self._written == self.step()


class PeriodicEvaluation(StepCallback):
    """Evaluates at intervals and keeps the checkpoint with the lowest FID aside.

    A run that goes on from a step whose evaluation was killed begins with it.

    Args:
        every: int, steps.
        evaluator: `Evaluator`.
        checkpoints: `Checkpoints` of the run.
        writer: `CheckpointWriter`, for a checkpoint of each evaluated step.
        folder: path that the best checkpoint is kept in.
    """

    def __init__(self, every, evaluator, checkpoints, writer, folder):
        super().__init__(every)
        self._evaluator = evaluator
        self._checkpoints = checkpoints
        self._writer = writer
        self._folder = folder
        self._lowest = math.inf

    def on_train_begin(self, logs=None):
        """Looks up the best figure so far; evaluates where a killed run has not."""
        super().on_train_begin(logs)
        known = self._evaluator.recorded()
        aside = Checkpoints(self._folder).steps()
        found = [known[step]["metrics"]["fid"] for step in aside if step in known]
        self._lowest = min(found, default=math.inf)
        step = self.step()
        is_due = step > 0 and step % self._every == 0 and step not in known
        if is_due and step in self._checkpoints.steps():
            self._evaluate(step)

    def at_step(self, step, logs):
        """Evaluates, if this step is worth a checkpoint."""
        if self._writer.write_now():
            self._evaluate(step)

    def _evaluate(self, step):
        protocol = self._evaluator.protocol
        generator = self.model.generator
        if protocol.ema and self.model.ema_generator is not None:
            generator = self.model.ema_generator
        if protocol.standing_batches:  # They would replace the moving averages.
            copy = keras.models.clone_model(generator)
            copy.set_weights(generator.get_weights())
            generator = copy
        record = self._evaluator.score_network(
            generator, self.model.num_classes or 0, step
        )
        fid = record["metrics"]["fid"]
        is_best = fid < self._lowest
        if is_best:
            self._lowest = fid
            self._checkpoints.keep_aside(step, self._folder)
        name = self._evaluator.network.describe("FID")
        note = "the lowest so far" if is_best else f"the lowest: {self._lowest:.4g}"
        tqdm.write(f"step {step:,}: {name} {fid:.4g}, {note}")


class SampleGrid(StepCallback):
    """Draws the same z again and again, one class a row, as a PNG.

    An unconditional model fills a square. Of more than 20 classes, 20 are shown.

    Args:
        every: int, steps; 0 for the start and the end alone.
        folder: `pathlib.Path` of the pictures, `step_00001000.png`.
        columns: int, images of each class.
        seed: int, of z.
        scale: int, size of a pixel in the picture.
    """

    def __init__(self, every, folder, columns, seed=0, scale=1):
        super().__init__(every)
        self._folder = folder
        self._columns = columns
        self._seed = seed
        self._scale = scale
        self._drawn = None

    def on_train_begin(self, logs=None):
        """Draws a new run's first picture."""
        super().on_train_begin(logs)
        if self.step() == 0:
            self.at_step(0, logs)

    def on_train_end(self, logs=None):
        """Draws the last picture, unless the training was stopped before its end."""
        if self._drawn != self.step() and not self.model.stop_training:
            self.at_step(self.step(), logs)

    def at_step(self, step, logs):
        """Writes the picture."""
        labels = self._labels()
        count = self._columns**2 if labels is None else len(labels)
        z = latents.draw_z(range(count), self.model.z_dim, self._seed)
        batches = []
        for first in range(0, count, _SAMPLE_BATCH):
            part = slice(first, first + _SAMPLE_BATCH)
            some = None if labels is None else labels[part]
            batches.append(self.model.generate(z[part], some).numpy())
        pixels = images.to_pixels(np.concatenate(batches))
        picture = images.grid(pixels, self._columns)
        path = self._folder / f"step_{step:08d}.png"
        images.write_png(path, picture, scale=self._scale)
        self._drawn = step

    def _labels(self):
        if not self.model.num_classes:
            return None
        rows = min(self.model.num_classes, _MAX_ROWS)
        classes = np.linspace(0, self.model.num_classes - 1, rows).round()
        return np.repeat(classes.astype(np.int32), self._columns)

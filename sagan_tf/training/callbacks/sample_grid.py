"""The callback that draws a grid of images of fixed z."""

import numpy as np

from sagan_tf import images
from sagan_tf.model import latents
from sagan_tf.training.callbacks.step_callback import StepCallback

# A grid with a row for each of ImageNet's classes would be 128,000 pixels high.
_MAX_ROWS = 20
_SAMPLE_BATCH = 32


class SampleGrid(StepCallback):
    """Draws images of the same z at intervals, one class a row, as a PNG.

    A new run starts with a grid, and a run that was not stopped ends with one. An
    unconditional model fills a square. Of more than 20 classes, 20 are shown.

    Args:
        every: int, steps; 0 for the start and the end alone.
        folder: `pathlib.Path` of the grids, `step_00001000.png`.
        columns: int, images of each class.
        seed: int, of z.
        scale: int, width of each pixel in the PNG.
    """

    def __init__(self, every, folder, columns, seed=0, scale=1):
        super().__init__(every)
        self._folder = folder
        self._columns = columns
        self._seed = seed
        self._scale = scale
        self._drawn = None

    def on_train_begin(self, logs=None):
        super().on_train_begin(logs)
        if self.step() == 0:
            self.at_step(0, logs)

    def on_train_end(self, logs=None):
        if self._drawn != self.step() and not self.model.stop_training:
            self.at_step(self.step(), logs)

    def at_step(self, step, logs):
        labels = self._labels()
        count = self._columns**2 if labels is None else len(labels)
        z = latents.draw_z(range(count), self.model.z_dim, self._seed)
        batches = []
        for first in range(0, count, _SAMPLE_BATCH):
            part = slice(first, first + _SAMPLE_BATCH)
            batch_labels = None if labels is None else labels[part]
            batches.append(self.model.generate(z[part], batch_labels).numpy())
        pixels = images.to_pixels(np.concatenate(batches))
        path = self._folder / f"step_{step:08d}.png"
        images.write_png(path, images.grid(pixels, self._columns), scale=self._scale)
        self._drawn = step

    def _labels(self):
        if not self.model.num_classes:
            return None
        rows = min(self.model.num_classes, _MAX_ROWS)
        classes = np.linspace(0, self.model.num_classes - 1, rows).round()
        return np.repeat(classes.astype(np.int32), self._columns)

"""The callback that draws a grid of images from fixed z."""

import numpy as np

from sagan_tf import images
from sagan_tf.data.examples import class_examples
from sagan_tf.drawing import captions
from sagan_tf.model import latents
from sagan_tf.training.callbacks.step_callback import StepCallback

# A grid with a row for each of ImageNet's classes would be 128,000 pixels high.
_MAX_ROWS = 20
_SAMPLE_BATCH = 32
# The gap between images, in their own pixels.
_GAP = 2


def shown_classes(num_classes):
    """Returns the classes of a grid's rows: list of ints, evenly spread among many.

    Returns `None` for an unconditional model.
    """
    if not num_classes:
        return None
    rows = min(num_classes, _MAX_ROWS)
    return np.linspace(0, num_classes - 1, rows).round().astype(int).tolist()


def real_rows(config, source, columns, rows):
    """Returns real images as `class_examples` does, and the name of each row.

    Each class has a row of `columns` images. Without classes there are `rows` times as
    many images, and no names.
    """
    classes = shown_classes(config.num_classes)
    pixels = class_examples(
        source,
        classes,
        columns if classes else columns * rows,
        resolution=config.resolution,
        image_channels=config.image_channels,
        resize=config.resize,
        seed=config.seed,
    )
    names = source.class_names or [f"class {n}" for n in range(config.num_classes)]
    return pixels, [names[label] for label in classes or ()]


class SampleGrid(StepCallback):
    """Draws images from the same z at intervals, one row for each class, as a PNG.

    A new run starts with a grid, and a run that was not stopped ends with one. An
    unconditional model fills a square. With more than 20 classes, 20 are shown.

    Args:
        every: int, steps; 0 for the start, `also` and the end alone.
        folder: `pathlib.Path` of the grids, `step_00001000.png`.
        columns: int, images of each class.
        seed: int, of z.
        scale: int, width of each pixel in the PNG.
        also: ints, more steps.
        names: str of each row, `None` for a grid without text.
        real: uint8 `(rows, K, R, R, C)`, real images beside the rows, see
            `data.examples`; or `(1, rows * K, R, R, C)` for an unconditional model;
            `None` for no real images.
    """

    def __init__(
        self,
        every,
        folder,
        columns,
        seed=0,
        scale=1,
        also=(),
        names=None,
        real=None,
    ):
        super().__init__(every, also)
        self._names = names
        self._real = real
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
        images.write_png(path, self._sheet(step, pixels), title=f"step {step:,}")
        self._drawn = step

    def _sheet(self, step, pixels):
        """Returns the grid with its text and the real images."""
        gap = _GAP * self._scale
        sheet = images.grid(images.enlarge(pixels, self._scale), self._columns, gap)
        side = pixels.shape[1] * self._scale
        head = f"step {step:,}"
        if self._real is not None:
            real = self._real.reshape(-1, *self._real.shape[2:])
            columns = len(real) // (len(pixels) // self._columns)
            real = images.grid(images.enlarge(real, self._scale), columns, gap)
            space = np.full_like(real[:, : side // 2], captions.WHITE)
            sheet = np.concatenate([sheet, space, real], axis=1)
            head += ", and real images on the right"
        if self._names is None:
            return sheet
        if self._names:
            sheet = captions.beside(sheet, self._names, side, gap)
        return captions.headed(sheet, head, captions.letter_height(2 * side))

    def _labels(self):
        classes = shown_classes(self.model.num_classes)
        return None if classes is None else np.repeat(np.int32(classes), self._columns)

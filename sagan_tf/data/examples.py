"""A few real images of each class, for a person to look at."""

import itertools

import numpy as np
import tensorflow as tf

from sagan_tf.data.verification import naming_bad_image
from sagan_tf.images import adapt_channels, center_crop_and_resize

# The number of images to search in a source that is read in sequence.
_SEARCHED = 1000


def class_examples(
    source, labels, count, *, resolution, image_channels, resize, seed=0
):
    """Returns the first images of each class, in an order that the seed decides.

    Args:
      source: a `Source`.
      labels: ints, the classes; None for images of any class.
      count: int, K, images of each class; without classes, images in all.
      resolution, image_channels, resize, seed: see `make_dataset`.

    Returns:
      uint8 `(classes, K, R, R, C)` (one "class" without classes). Missing images are
      white.

    Raises:
      BadInput: an image cannot be read.
    """
    rows = {label: [] for label in ([None] if labels is None else labels)}
    with naming_bad_image(source, seed=0, shuffle=False):
        for element in _elements(source, rows, count, seed):
            decoded = source.decode(element)
            row = rows.get(None if labels is None else int(decoded["label"]))
            if row is not None and len(row) < count:
                pixels = adapt_channels(decoded["image"], image_channels)
                row.append(center_crop_and_resize(pixels, resolution, resize).numpy())
            if all(len(row) == count for row in rows.values()):
                break
    shape = (len(rows), count, resolution, resolution, image_channels)
    pixels = np.full(shape, 255, np.uint8)
    for images, row in zip(pixels, rows.values()):
        if row:
            images[: len(row)] = row
    return pixels


def _elements(source, rows, count, seed):
    """Returns elements that include `count` of each class, if the source has them."""
    if not source.random_access:
        stream = source.stream(seed, shuffle_buffer_images=_SEARCHED, repeat=False)
        return stream.take(_SEARCHED)
    order = np.random.default_rng(seed).permutation(np.flatnonzero(source.kept))
    of_classes = (
        order if label is None else order[source.labels[order] == label]
        for label in rows
    )
    indices = itertools.chain.from_iterable(each[:count] for each in of_classes)
    return ({"index": tf.constant(index, tf.int64)} for index in indices)

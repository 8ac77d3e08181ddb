"""Measures how far apart two real images of a class are."""

import numpy as np

from sagan_tf.data.reading import read_once

# Images that are compared.
_IMAGES = 512


def pair_distance(source, resolution, image_channels, resize, seed=0):
    """Returns the mean distance between two real images of a class.

    The distance is the root mean square of their difference, as in
    `losses.mode_seeking`. Up to 512 images are compared, drawn with the seed.

    Args:
        source: `Source`.
        resolution, image_channels, resize: see `read_once`.
        seed: int.

    Returns:
        Float: the mean over all pairs within a class. Without classes, or if no class
        has two images, the mean over all pairs.

    Raises:
        BadInput: an image cannot be read.
    """
    batches = read_once(
        source,
        resolution=resolution,
        image_channels=image_channels,
        count=_IMAGES,
        batch_size=_IMAGES,
        seed=seed,
        shuffle_buffer_images=_IMAGES,
        resize=resize,
    )
    ((images, labels, indices),) = batches
    count = len(indices)
    labels = np.zeros(count) if labels is None else labels
    flat = images.reshape(count, -1)
    squares = np.square(flat).mean(1)
    distances = squares[:, None] + squares - 2 * flat @ flat.T / flat.shape[1]
    pairs = np.triu(np.ones((count, count), bool), 1)
    of_one_class = pairs & (labels[:, None] == labels)
    chosen = distances[of_one_class if of_one_class.any() else pairs]
    return float(np.sqrt(np.maximum(chosen, 0)).mean()) if len(chosen) else 0.0

"""Degrades images step by step: blur, noise and lost classes.

`evaluate --self_check` checks that the metrics become worse with each step.
"""

import numpy as np
from scipy import ndimage

from sagan_tf.errors import BadInput


def blur(images, sigma):
    """Convolves with a Gaussian, continued beyond the border by the border's values.

    Args:
        images: `(N, R, R, C)` float32 in [-1, 1].
        sigma: float >= 0, standard deviation in pixels; 0 changes nothing.

    Returns:
        New array of the same shape, dtype and range.

    Raises:
        BadInput: sigma is negative.
    """
    _check_amount("sigma", sigma)
    blurred = ndimage.gaussian_filter(images, (0, sigma, sigma, 0), mode="nearest")
    return np.clip(blurred, -1, 1)


def add_noise(images, sd, seed=0):
    """Adds normal noise, independent in every pixel and channel, and clips.

    Args:
        images: `(N, R, R, C)` float32 in [-1, 1].
        sd: float >= 0, the noise's standard deviation before clipping.
        seed: int. With the same seed, a greater `sd` gives more of the same noise.

    Returns:
        New array of the same shape, dtype and range.

    Raises:
        BadInput: sd is negative.
    """
    _check_amount("sd", sd)
    noise = np.random.default_rng(seed).standard_normal(images.shape, np.float32)
    return np.clip(images + np.float32(sd) * noise, -1, 1)


def drop_modes(images, labels, num_kept_classes, seed=0):
    """Replaces images of all but the first classes.

    Images of the classes 0 to `num_kept_classes` - 1 stay where they are; each of the
    others becomes one of these, drawn with replacement.

    Args:
        images: `(N, R, R, C)` float32 in [-1, 1].
        labels: `(N,)` int32.
        num_kept_classes: int >= 1; with the number of classes nothing changes.
        seed: int.

    Returns:
        images, labels: new arrays of the same shapes, dtypes and range.

    Raises:
        BadInput: there is no image of a kept class.
    """
    kept = np.flatnonzero(labels < num_kept_classes)
    if not kept.size:
        raise BadInput(
            "drop_modes needs an image of a class below num_kept_classes. Received: "
            f"num_kept_classes={num_kept_classes}, {len(labels)} labels, none of them "
            "below it. Try more classes."
        )
    source = np.random.default_rng(seed).choice(kept, len(labels))
    source[kept] = kept
    return images[source], labels[source]


def _check_amount(name, value):
    if not value >= 0:
        raise BadInput(f"{name} must be 0 or greater. Received: {value}. Try 1.")

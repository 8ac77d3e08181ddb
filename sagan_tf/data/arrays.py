"""Data sets that fit in memory: scikit-learn's digits and NumPy files."""

import os
import zipfile

import numpy as np

from sagan_tf.data.source import RandomAccessSource
from sagan_tf.errors import BadInput


def open_digits():
    """scikit-learn's handwritten digits: 1,797 grey images of 8 x 8, 10 classes.

    The scikit-learn package contains them. Their values 0..16 become 0..255.
    """
    # Imported here: no other data set needs scikit-learn.
    from sklearn.datasets import load_digits

    digits = load_digits()
    pixels = np.round(digits.images * (255 / 16)).astype(np.uint8)[..., None]
    names = [str(name) for name in digits.target_names]
    return _source(pixels, digits.target, "digits", len(names), names)


def open_npz(path, label_offset=0):
    """A NumPy file with `images`, and perhaps `labels` and `class_names`.

    Args:
      path: `.npz` with `images` uint8 `(N, H, W, C)` (C = 1, 2, 3 or 4), optionally
        `labels` integer `(N,)` and `class_names` `(num_classes,)`. Without names the
        number of classes is the largest label + 1.
      label_offset: added to every label.

    Raises:
      BadInput: if the file is missing, damaged or holds something else.
    """
    arrays = _load(path)
    if "images" not in arrays:
        raise BadInput(
            f"{path} must have an array 'images' (uint8, N x H x W x C) and may have "
            f"'labels' and 'class_names'. Received: {', '.join(arrays) or 'no arrays'}."
        )
    pixels = arrays["images"]
    if pixels.dtype != np.uint8 or pixels.ndim != 4 or not 0 < pixels.shape[3] < 5:
        raise BadInput(
            f"{path}: 'images' must be uint8 (N, H, W, C) with 1 to 4 channels. "
            f"Received: {pixels.dtype} {pixels.shape}. Try "
            "images[..., None] for grey images, and values 0..255."
        )
    if 0 in pixels.shape:
        raise BadInput(f"{path}: 'images' is empty. Received: shape={pixels.shape}.")
    names = [str(name) for name in arrays.get("class_names", ())]
    labels, num_classes = arrays.get("labels"), 0
    if labels is not None:
        labels = _checked_labels(path, labels, len(pixels), label_offset, len(names))
        num_classes = len(names) or int(labels.max()) + 1
    names = names if num_classes else ()
    return _source(pixels, labels, os.path.basename(path), num_classes, names)


def _source(pixels, labels, origin, num_classes, class_names=()):
    classes = f"{num_classes} classes" if num_classes else "no labels"
    size = " x ".join(map(str, pixels.shape[1:]))
    return RandomAccessSource(
        f"{origin}: {len(pixels):,} pictures of {size}, {classes}",
        pixels,
        labels,
        num_classes,
        class_names,
        read=lambda row: row,
        name=lambda index: f"{origin}, picture {index}",
    )


def _load(path):
    """The arrays that are needed; others in the file are not read."""
    if not os.path.isfile(path):
        raise BadInput(f"There is no file {path}. Try an absolute path.")
    wanted = ("images", "labels", "class_names")
    try:
        loaded = np.load(path, allow_pickle=False)
        if isinstance(loaded, np.ndarray):
            raise BadInput("it holds a single array (.npy), not named ones")
        with loaded as file:
            arrays = {key: file[key] for key in wanted if key in file.files}
            # The names of the others are for an error message.
            return arrays or dict.fromkeys(file.files)
    except (ValueError, OSError, EOFError, zipfile.BadZipFile) as error:
        raise BadInput(
            f"{path} cannot be read as a NumPy .npz file: {error}. Try "
            "numpy.savez_compressed(path, images=..., labels=...) with plain arrays."
        ) from error


def _checked_labels(path, labels, count, label_offset, num_names):
    if labels.shape != (count,) or not np.issubdtype(labels.dtype, np.integer):
        raise BadInput(
            f"{path}: 'labels' must be integers of shape ({count},), one for each "
            f"image. Received: {labels.dtype} {labels.shape}."
        )
    # Python integers: an unsigned array would wrap around below 0.
    lowest, highest = (int(f()) + label_offset for f in (labels.min, labels.max))
    if lowest < 0 or (num_names and highest >= num_names):
        bad = lowest if lowest < 0 else highest
        place = int(np.flatnonzero(labels.astype(np.int64) + label_offset == bad)[0])
        limit = num_names - 1 if num_names else "the number of classes - 1"
        raise BadInput(
            f"{path}: labels must be in 0..{limit} after adding label_offset. "
            f"Received: {bad} for image {place} with label_offset={label_offset}. "
            "Try another --label_offset, or correct 'labels' or 'class_names'."
        )
    return labels.astype(np.int64) + label_offset

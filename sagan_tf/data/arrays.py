"""Data sets that fit in memory: scikit-learn's digits and NumPy files."""

import collections
import lzma
import math
import os
import zipfile

import numpy as np

from sagan_tf.data.source import (
    RandomAccessSource,
    check_num_classes,
    classes_in_words,
)
from sagan_tf.errors import DAMAGE, BadInput

# The errors of NumPy's archives.
_DAMAGE = (*DAMAGE, lzma.LZMAError, zipfile.BadZipFile)


def open_digits():
    """Opens scikit-learn's digits: 1,797 gray images of 8 x 8 pixels, 10 classes.

    The scikit-learn package contains these handwritten digits. Their values 0..16
    become 0..255.
    """
    # Imported here: no other data set needs scikit-learn.
    from sklearn.datasets import load_digits

    digits = load_digits()
    pixels = np.round(digits.images * (255 / 16)).astype(np.uint8)[..., None]
    names = [str(name) for name in digits.target_names]
    return _source(pixels, digits.target, "digits", len(names), names)


def open_npz(path, label_offset=0):
    """Opens a NumPy file with `images`, and perhaps `labels` and `class_names`.

    Args:
      path: `.npz` with `images` uint8 `(N, H, W, C)` (C = 1, 2, 3 or 4), optionally
        `labels` integer `(N,)` and `class_names` `(num_classes,)`. Without names the
        number of classes is the largest label + 1.
      label_offset: added to every label.

    Raises:
      BadInput: the file is missing, damaged or holds something else.
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
            "images[..., None] for gray images, and values 0..255."
        )
    if 0 in pixels.shape:
        raise BadInput(f"{path}: 'images' is empty. Received: shape={pixels.shape}.")
    names = _checked_names(path, arrays.get("class_names"))
    labels, num_classes = arrays.get("labels"), 0
    if labels is not None:
        labels = _checked_labels(path, labels, len(pixels), label_offset, len(names))
        num_classes = len(names) or int(labels.max()) + 1
    names = names if num_classes else ()
    return _source(pixels, labels, os.path.basename(path), num_classes, names)


def _source(pixels, labels, origin, num_classes, class_names=()):
    classes = classes_in_words(num_classes)
    size = " x ".join(map(str, pixels.shape[1:]))
    return RandomAccessSource(
        f"{origin}: {len(pixels):,} images of {size}, {classes}",
        pixels,
        labels,
        num_classes,
        class_names,
        read=lambda row: row,
        name=lambda index: f"{origin}, image {index}",
    )


def _load(path):
    """Reads the arrays that are needed, and no others in the file."""
    if not os.path.isfile(path):
        is_there = "no regular file" if os.path.exists(path) else "no file"
        raise BadInput(f"There is {is_there} {path}. Try an absolute path.")
    try:
        arrays, others = read_npz(path, ("images", "labels", "class_names"))
    except BadInput as error:
        raise BadInput(
            f"{path} cannot be read as a NumPy .npz file: {error}. Try "
            "numpy.savez_compressed(path, images=..., labels=...) with plain arrays."
        ) from error
    # The names of the others are for an error message.
    return arrays or dict.fromkeys(others)


def read_npz(path, wanted):
    """Reads arrays of a .npz file from an untrusted source.

    Args:
      path: of a regular file.
      wanted: names of arrays; those that the file has are read.

    Returns:
      dictionary from name to array, and the names of the other arrays.

    Raises:
      BadInput: what is wrong, without the path.
    """
    try:
        with open(path, "rb") as file:
            start = file.read(6)
        # NumPy would say that any other file is pickled, and how to load it unsafely.
        if not start.startswith((b"PK", np.lib.format.MAGIC_PREFIX)):
            raise BadInput("it is not a .npz archive")
        loaded = np.load(path, allow_pickle=False)
        if isinstance(loaded, np.ndarray):
            raise BadInput("it holds a single array (.npy), not named arrays")
        with loaded as file:
            keys = [key for key in wanted if key in file.files]
            for key in keys:
                _check_header(file.zip, key)
            others = [key for key in file.files if key not in keys]
            return {key: file[key] for key in keys}, others
    except MemoryError as error:
        raise BadInput(f"it does not fit into memory: {error}") from error
    except _DAMAGE as error:
        raise BadInput(f"{error}") from error


def _check_header(archive, key):
    """Refuses an array that claims to be larger than its data, before it is made."""
    # NumPy leaves the suffix out of the name.
    name = key if key in archive.namelist() else f"{key}.npy"
    info = archive.getinfo(name)
    with archive.open(info) as file:
        version = np.lib.format.read_magic(file)
        if version == (1, 0):
            shape, _, dtype = np.lib.format.read_array_header_1_0(file)
        else:
            shape, _, dtype = np.lib.format.read_array_header_2_0(file)
    # Python integers do not overflow.
    size = math.prod(map(int, shape)) * max(dtype.itemsize, 1)
    most = info.file_size
    if info.compress_type in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        # DEFLATE turns one byte into 1,032 at most.
        most = min(most, 1100 * info.compress_size)
    if min(shape, default=0) < 0 or size > most:
        raise BadInput(
            f"'{key}' says it is {dtype} {shape}, {size:,} bytes, and has at most "
            f"{most:,}"
        )
    if size > os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"):
        raise MemoryError(f"'{key}' takes {size:,} bytes")


def _checked_names(path, names):
    """Returns the list of class names; empty without names."""
    if names is None or names.shape == (0,):
        return []
    if names.ndim != 1 or names.dtype.kind not in "USbiuf":
        raise BadInput(
            f"{path}: 'class_names' must be names of shape (num_classes,). Received: "
            f"{names.dtype} {names.shape}. Try numpy.array(['cat', 'dog'])."
        )
    if names.dtype.kind == "S":
        names = np.char.decode(names, "utf-8", "backslashreplace")
    names = [str(name) for name in names]
    twice = [name for name, count in collections.Counter(names).items() if count > 1]
    if twice:
        raise BadInput(
            f"{path}: 'class_names' must differ. Received: {twice[0]!r} "
            f"{names.count(twice[0])} times. Try a name for each class."
        )
    return names


def _checked_labels(path, labels, count, label_offset, num_names):
    # NumPy says that time differences (kind "m") are integers too.
    if labels.shape != (count,) or labels.dtype.kind not in "iu":
        fits = labels.size == count
        raise BadInput(
            f"{path}: 'labels' must be integers of shape ({count},), one for each "
            f"image. Received: {labels.dtype} {labels.shape}. Try "
            f"{'labels.ravel().astype(int)' if fits else 'a label for each image'}."
        )
    # Python integers: an unsigned array would wrap around below 0.
    lowest, highest = (int(f()) + label_offset for f in (labels.min, labels.max))
    if lowest < 0 or (num_names and highest >= num_names):
        bad, find = (lowest, np.argmin) if lowest < 0 else (highest, np.argmax)
        limit = num_names - 1 if num_names else "the number of classes - 1"
        raise BadInput(
            f"{path}: labels must be in 0..{limit} after adding label_offset. "
            f"Received: {bad} for image {find(labels)} with label_offset="
            f"{label_offset}. Try another --label_offset, or correct 'labels' or "
            "'class_names'."
        )
    check_num_classes(path, highest + 1)
    return labels.astype(np.int64) + label_offset

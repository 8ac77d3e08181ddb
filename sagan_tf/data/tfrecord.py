"""Opens TFRecord files of the official code and checks them before use.

A record is a `tf.train.Example` with `image_raw` (the uint8 values of a square, as the
official code reads them, or a JPEG, PNG, ... file) and `label` (int64).
"""

import collections
import logging
import math
import os

import numpy as np
import tensorflow as tf

from sagan_tf.data.framing import MISSING, OTHER_KIND, SEVERAL, summarize_records
from sagan_tf.data.records import RecordFile, RecordSource
from sagan_tf.errors import BadInput
from sagan_tf.progress import progress_bar

_IMAGE, _LABEL = "image_raw", "label"


def open_tfrecord(pattern, label_offset=0, skip_bad_images=False):
    """Opens files with the official layout; counts records, checks sizes and labels.

    Args:
      pattern: a path or glob; files come in the order of their names.
      label_offset: added to every label (-1 for labels that start at 1).
      skip_bad_images: warn of damaged files and records instead of failing; the caller
        skips them.

    Raises:
      BadInput: names the file and record that cannot be used.
    """
    paths = _find(pattern)
    files = []
    columns = np.dtype([("size", "i8"), ("is_picture", "?"), ("label", "i8")])
    records = np.fromiter(_look_through(paths, skip_bad_images, files), columns)
    sizes, is_picture, labels = (records[column] for column in columns.names)
    if not files:
        raise BadInput(f"{pattern} holds no records. Received: {len(paths)} files.")

    raw_shape = _raw_shape(sizes, is_picture)
    labelled = bool(np.any(labels != MISSING))
    good = sizes == math.prod(raw_shape) if raw_shape else is_picture
    if labelled:
        good &= (labels > OTHER_KIND) & (labels + label_offset >= 0)
    used = labels[good & labelled] + label_offset
    stored = "raw {} x {} x {}".format(*raw_shape) if raw_shape else "image files"
    classes = "none" if labelled else "no labels"
    if used.size:
        classes = f"labels {used.min()}..{used.max()}"
    source = RecordSource(
        files,
        f"{pattern}: {len(sizes):,} images ({stored}) in {len(files)} files, "
        + classes,
        int(used.max(initial=-1)) + 1,
        image_key=_IMAGE,
        label_key=_LABEL,
        label_offset=label_offset,
        raw_shape=raw_shape,
    )
    if not good.all() and not (skip_bad_images and good.any()):
        first = int(np.flatnonzero(~good)[0])
        problem = _problem(sizes[first], labels[first], raw_shape, label_offset)
        count = int(np.sum(~good))
        raise BadInput(f"{source.name(first)}: {problem} ({count:,} such records)")
    return source


def _find(pattern):
    """Returns the paths that match, in the order of their names."""
    if os.path.isfile(pattern):  # Its name may contain glob characters, like [1].
        return [pattern]
    try:
        paths = sorted(tf.io.gfile.glob(pattern))
    except UnicodeDecodeError as error:
        raise BadInput(
            f"A file that matches tfrecord:{pattern} has a name that is not UTF-8. Try "
            "renaming it."
        ) from error
    if not paths:
        raise BadInput(
            f"No file matches tfrecord:{pattern}. Try quotes around the glob, as in "
            "--dataset='tfrecord:/data/train-*'."
        )
    return paths


def _look_through(paths, skip_bad_images, files):
    """Yields what each record holds, and adds the files with records to `files`."""
    with progress_bar("Counting records", len(paths), "files") as progress:
        for path in paths:
            count = 0
            try:
                for summary in summarize_records(path, _IMAGE, _LABEL):
                    yield summary
                    count += 1
            except BadInput as error:
                if not skip_bad_images:
                    raise
                logging.warning("The rest of a file is not used: %s", error)
            if count:
                files.append(RecordFile(path, count))
            progress.update()


def _raw_shape(sizes, is_picture):
    """Returns (side, side, channels) if most records have that size, else None."""
    if np.mean(is_picture) > 0.5:
        return None
    size = collections.Counter(sizes.tolist()).most_common(1)[0][0]
    for channels in (3, 1):
        side = math.isqrt(max(size, 0) // channels)
        if side and side * side * channels == size:
            return side, side, channels
    return None


def _problem(size, label, raw_shape, label_offset):
    if size < 0:
        received = {MISSING: "none", SEVERAL: "several values"}
        return (
            f"there is no feature '{_IMAGE}' with bytes of one image. Received: "
            f"{received.get(size, 'numbers')}."
        )
    if raw_shape and size != math.prod(raw_shape):
        return (
            f"'{_IMAGE}' must have {math.prod(raw_shape)} bytes ("
            + " x ".join(map(str, raw_shape))
            + f"), like most records here. Received: {size} bytes."
        )
    if label == MISSING:
        return f"there is no feature '{_LABEL}' with one int64, as other records have."
    if label in (SEVERAL, OTHER_KIND):
        received = "several" if label == SEVERAL else "floats or bytes"
        return (
            f"'{_LABEL}' must be one int64, the class. Received: {received}. Try "
            "writing one integer, or leaving this feature out of all records."
        )
    if label + label_offset < 0:
        return (
            "labels must be at least 0 after adding label_offset. Received: "
            f"label={label}, label_offset={label_offset}. Try another --label_offset."
        )
    return (
        f"'{_IMAGE}' must be a JPEG, PNG, GIF, BMP or WebP file, or the plain uint8 "
        f"values of a square with 3 channels or 1. Received: {size} other bytes."
    )

"""Checks the inputs of the metrics: arrays with a row per image."""

import numpy as np

from sagan_tf.errors import BadInput

# Adding a few rows to a covariance of 2048 features takes as long as adding hundreds.
ROWS_AT_A_TIME = 1024


def check_rows(rows, name, width=None):
    """Checks that rows are finite; returns them as a NumPy array (N, D).

    A NumPy array is returned as it is. Messages call the rows `name`. `width` is the
    required D, or `None` for any.

    Raises:
        BadInput: the shape is wrong, or rows have NaN or infinity. The message tells
            how many, and the first one.
    """
    rows = np.asarray(rows)
    if rows.ndim != 2 or width not in (None, rows.shape[1]):
        raise BadInput(
            f"{name} must have shape (images, {width or 'numbers per image'}). "
            f"Received: shape {rows.shape}. "
            "Try the outputs of one feature network for both sets."
        )
    # A part at a time, to keep the table of booleans small.
    parts = np.array_split(rows, len(rows) // ROWS_AT_A_TIME + 1)
    finite = np.concatenate([np.isfinite(part).all(axis=1) for part in parts])
    bad = np.flatnonzero(~finite)
    if len(bad):
        raise BadInput(
            f"{name} must be finite. Received: NaN or infinity in {len(bad):,} of "
            f"{len(rows):,} rows, first in row {bad[0]}. Try an earlier checkpoint, "
            "or leave these images out."
        )
    return rows


def check_pair(real_features, fake_features, at_least=1):
    """Checks two sets of features (N, D) and (M, D); returns them as NumPy arrays.

    Raises:
        BadInput: a shape is wrong, rows are fewer than `at_least`, or not finite.
    """
    real = check_rows(real_features, "real_features")
    fake = check_rows(fake_features, "fake_features", real.shape[1])
    if min(len(real), len(fake)) < at_least:
        raise BadInput(
            f"The metric needs at least {at_least} images of each kind. "
            f"Received: {len(real)} real, {len(fake)} fake. Try more images."
        )
    return real, fake


def check_labels(labels, name, count, num_classes):
    """Checks labels of `count` rows: integers (count,) in 0..num_classes - 1.

    Raises:
        BadInput: labels are missing, their number is wrong, or one is out of range.
    """
    array = np.asarray(labels)
    if array.shape != (count,) or not np.issubdtype(array.dtype, np.integer):
        kind = labels if labels is None else f"{array.dtype} of shape {array.shape}"
        raise BadInput(
            f"{name} must be {count} integers, one for each row. Received: {kind}. Try "
            "the labels of the same images in the same order, or a metric without "
            "classes."
        )
    outside = array[(array < 0) | (array >= num_classes)]
    if len(outside):
        raise BadInput(
            f"{name} must be in 0..{num_classes - 1}. Received: {outside[0]}. "
            "Try the num_classes of the data set."
        )
    return array

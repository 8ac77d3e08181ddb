"""Checks of what the metrics are given: arrays of a row per image."""

import numpy as np

from sagan_tf.errors import BadInput

# Adding a few rows to a covariance of 2048 features takes as long as adding hundreds.
ROWS_AT_A_TIME = 1024


def check_rows(rows, name, width=None):
    """Checks that an array has a row of finite numbers for each image.

    Args:
        rows: float array-like (N, D).
        name: str, what the rows are called in messages.
        width: int, what D must be; `None` for any.

    Returns:
        NumPy array (N, D): `rows` itself if it is one.

    Raises:
        BadInput: another shape, or NaN or infinity: in how many rows, in which first.
    """
    rows = np.asarray(rows)
    if rows.ndim != 2 or width not in (None, rows.shape[1]):
        raise BadInput(
            f"{name} must have shape (images, {width or 'numbers per image'}). "
            f"Received: shape {rows.shape}. "
            "Try what one feature network gives for both sets."
        )
    finite = np.ones(len(rows), bool)
    # A piece at a time: the table of booleans is small.
    for start in range(0, len(rows), ROWS_AT_A_TIME):
        piece = slice(start, start + ROWS_AT_A_TIME)
        finite[piece] = np.isfinite(rows[piece]).all(axis=1)
    bad = np.flatnonzero(~finite)
    if len(bad):
        raise BadInput(
            f"{name} must be finite. Received: NaN or infinity in {len(bad):,} of "
            f"{len(rows):,} rows, first in row {bad[0]}. Try an earlier checkpoint, "
            "or leave these images out."
        )
    return rows


def check_pair(real_features, fake_features, at_least=1):
    """Checks two sets of features that are to be compared.

    Args:
        real_features, fake_features: float array-likes (N, D) and (M, D).
        at_least: int, how many rows each must have.

    Returns:
        The two as NumPy arrays.

    Raises:
        BadInput: other shapes, too few rows, NaN or infinity.
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
    """Checks that there is a label for each of `count` rows.

    Args:
        labels: int array-like (count,), or `None`.
        name: str, what they are called in messages.
        count: int.
        num_classes: int.

    Returns:
        NumPy array (count,) of integers in 0..num_classes - 1.

    Raises:
        BadInput: no labels, another number of them, or others than these.
    """
    if labels is None:
        raise BadInput(
            f"{name} are needed for a metric per class. Received: None. "
            "Try a data set with labels, or a metric without classes."
        )
    labels = np.asarray(labels)
    if labels.shape != (count,) or not np.issubdtype(labels.dtype, np.integer):
        raise BadInput(
            f"{name} must be {count} integers, one for each row. "
            f"Received: {labels.dtype} of shape {labels.shape}. "
            "Try the labels of the same images in the same order."
        )
    outside = labels[(labels < 0) | (labels >= num_classes)]
    if len(outside):
        raise BadInput(
            f"{name} must be in 0..{num_classes - 1}. Received: {outside[0]}. "
            "Try the num_classes of the data set."
        )
    return labels

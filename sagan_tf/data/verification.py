"""Finding pictures that cannot be decoded, and naming them."""

import logging

import numpy as np
import tensorflow as tf
from tqdm import tqdm

from sagan_tf.data.source import error_text
from sagan_tf.errors import BadInput


def skip_bad_images(source):
    """Decodes every picture once; leaves those out that fail, and names them.

    Args:
      source: a `Source`, changed in place.

    Returns:
      dictionary from index to a line that names the picture and what is wrong.

    Raises:
      BadInput: if no picture is left.
    """
    good = np.zeros([source.total], bool)
    elements = source.epoch(0, 0, shuffle=False)

    def attempt(element):
        decoded = source.decode(element)
        # What nothing depends on, or its shape alone, would be optimised away.
        used = tf.cast(tf.reduce_max(decoded["image"]), tf.int32) + decoded["label"]
        return element["index"], used

    attempts = elements.map(attempt, tf.data.AUTOTUNE, deterministic=False)
    attempts = attempts.apply(_ignore_errors).prefetch(tf.data.AUTOTUNE)
    progress = tqdm(
        attempts.as_numpy_iterator(),
        "Checking pictures",
        source.total,
        unit=" pictures",
        delay=2,
        leave=False,
        disable=None,  # Not in a log file.
    )
    for index, _ in progress:
        good[index] = True
    bad = np.flatnonzero(~good)
    if len(bad) == source.total:
        raise BadInput(
            f"{source.description}: none of the pictures can be read. "
            f"{_reasons(source, bad[:1])[bad[0]]}"
        )
    reasons = _reasons(source, bad)
    for reason in reasons.values():
        logging.warning("Skipped: %s", reason)
    if len(bad):
        logging.warning("%d of %d pictures are skipped.", len(bad), source.total)
        source.skip(bad)
        source.description += f", {len(bad):,} bad ones skipped"
    return reasons


def _ignore_errors(dataset):
    return dataset.ignore_errors(log_warning=False)


def _reasons(source, indices):
    """For each index a line that names the picture and what is wrong with it."""
    wanted = set(int(index) for index in indices)
    reasons = dict.fromkeys(sorted(wanted))
    if wanted:
        elements = source.epoch(0, 0, shuffle=False)
        elements = elements.filter(
            lambda element: tf.reduce_any(tf.equal(element["index"], list(wanted)))
        )
        for element in elements.apply(_ignore_errors):
            index = int(element["index"])
            reasons[index] = failure(source, element)
    return {
        index: reason or f"{source.name(index)}: the file is damaged before or here."
        for index, reason in reasons.items()
    }


def failure(source, element):
    """Names an element that cannot be decoded; None if it can."""
    try:
        source.decode(element)
    except (tf.errors.OpError, ValueError) as error:  # ValueError: from Pillow.
        return f"{source.name(int(element['index']))}: {error_text(error)}"
    return None

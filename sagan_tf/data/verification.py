"""Finds images that cannot be decoded, and names them."""

import contextlib
import logging
import os

import numpy as np
import tensorflow as tf

from sagan_tf.data.source import error_text
from sagan_tf.errors import BadInput
from sagan_tf.progress import progress_bar

# What `skip_bad_images` found, by `_fingerprint` of the files.
_found = {}


@contextlib.contextmanager
def naming_bad_image(
    source,
    *,
    seed,
    start_image=0,
    count=None,
    shuffle=True,
    shuffle_buffer_images=16384,
    remedy="--skip_bad_images to leave it out",
):
    """Turns a TensorFlow error in its block into an error that names the bad image.

    It decodes the images again, in the order in which the block read them, up to the
    first bad image. An error that no image caused stays as it is.

    Args:
      source, seed, shuffle, shuffle_buffer_images: as given to `make_dataset`.
      start_image: number of images at the start that are certainly good.
      count: images to try at most; None for an epoch.
      remedy: what to try, besides replacing the image.

    Raises:
      BadInput: one line with the file, what is wrong with it, and what to try.
    """
    try:
        yield
    except tf.errors.OpError as error:
        stream = source.stream(seed, start_image, shuffle, shuffle_buffer_images)
        read = stream.take(source.num_images if count is None else count)
        try:
            problem = next(filter(None, (failure(source, each) for each in read)), None)
        except tf.errors.OpError as damage:  # The file itself, not an image.
            problem = source.damaged_file() or error_text(damage)
        if problem is None:
            raise
        raise BadInput(f"{problem} Try replacing it, or {remedy}.") from error


def skip_bad_images(source):
    """Decodes every image of a `Source` once, and makes it skip the images that fail.

    A command opens a data set several times. Unchanged files are not decoded again,
    and the log names the bad images once.

    Returns:
      dictionary from index to a line with the image and what is wrong with it.

    Raises:
      BadInput: no image is left.
    """
    known = _fingerprint(source.files)
    reasons = _found.get(known)
    if reasons is None:
        reasons = _reasons(source, _bad_images(source))
        for reason in reasons.values():
            logging.warning("Skipped: %s", reason)
        if reasons:
            logging.warning("%d of %d images are skipped.", len(reasons), source.total)
        if known is not None:
            _found[known] = reasons
    if reasons:
        source.skip(reasons)
        source.description += f", {len(reasons):,} of them bad and skipped"
    return reasons


def _fingerprint(files):
    """Returns an int that changes with the files; None without files."""
    try:
        facts = [os.stat(path) for path in files]
    except OSError:  # The reader will name the file.
        return None
    facts = ((fact.st_ino, fact.st_size, fact.st_mtime_ns) for fact in facts)
    return hash((*files, *facts)) if files else None


def _bad_images(source):
    """Indices of the images that cannot be decoded."""
    good = np.zeros([source.total], bool)
    elements = source.epoch(0, 0, shuffle=False)

    def attempt(element):
        decoded = source.decode(element)
        # TensorFlow removes what no result depends on.
        used = tf.cast(tf.reduce_max(decoded["image"]), tf.int32) + decoded["label"]
        return element["index"], used

    attempts = elements.map(attempt, tf.data.AUTOTUNE, deterministic=False)
    attempts = attempts.ignore_errors(log_warning=False).prefetch(tf.data.AUTOTUNE)
    with progress_bar("Checking images", source.total) as progress:
        for index, _ in attempts.as_numpy_iterator():
            good[index] = True
            progress.update()
    bad = np.flatnonzero(~good)
    if len(bad) == source.total:
        raise BadInput(
            f"{source.description}: none of the images can be read. "
            f"{_reasons(source, bad[:1])[bad[0]]}"
        )
    return bad


def _reasons(source, indices):
    """Returns for each index a line with the image and what is wrong with it."""
    reasons = dict.fromkeys(int(index) for index in indices)
    if reasons:
        elements = source.epoch(0, 0, shuffle=False).filter(
            lambda element: tf.reduce_any(tf.equal(element["index"], list(reasons)))
        )
        for element in elements.ignore_errors(log_warning=False):
            reasons[int(element["index"])] = failure(source, element)
    return {
        index: reason or f"{source.name(index)}: the file is damaged here or before."
        for index, reason in reasons.items()
    }


def failure(source, element):
    """Returns a line about an element that cannot be decoded; None if it can be."""
    try:
        source.decode(element)
    except tf.errors.OpError as error:
        return f"{source.name(int(element['index']))}: {error_text(error)}"
    return None

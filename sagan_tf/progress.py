"""Shows the progress of long work, and hides TensorFlow's notices."""

import contextlib
import logging

from tqdm import tqdm


def progress_bar(what, total, unit="images", initial=0, delay=2):
    """Makes a bar on stderr that vanishes at its end. Without a terminal it is hidden.

    Args:
        what: str, the work, e.g. `"Reading images"`.
        total: int, units in all, or `None`.
        unit: str, plural.
        initial: int, units that were done before.
        delay: float, seconds before the bar appears: quick work shows none.

    Returns:
        `tqdm.tqdm`, for a `with` block; `update(count)` moves it.
    """
    return tqdm(
        desc=what,
        total=total,
        initial=initial,
        unit=f" {unit}",
        delay=delay,
        dynamic_ncols=True,
        leave=False,
        disable=None,  # Hidden in a log file.
    )


@contextlib.contextmanager
def without_notices():
    """Hides TensorFlow's notices, e.g. where it wrote a file, or what is deprecated."""
    logger = logging.getLogger("tensorflow")
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(before)

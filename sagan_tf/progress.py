"""What is shown of long work: a progress bar, and not TensorFlow's notices."""

import contextlib
import logging

from tqdm import tqdm


def progress_bar(what, total, unit="images", initial=0, delay=2):
    """A bar on stderr that vanishes at its end. Without a terminal there is no bar.

    Args:
        what: str, the work: `"Reading images"`.
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
        disable=None,  # Not in a log file.
    )


@contextlib.contextmanager
def without_notices():
    """Hides what TensorFlow tells about itself: where it wrote what, what is old."""
    logger = logging.getLogger("tensorflow")
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(before)

"""What the metrics need of a set of images."""

import dataclasses

import numpy as np

from sagan_tf.errors import BadInput
from sagan_tf.evaluation.metrics.moments import Moments
from sagan_tf.evaluation.metrics.rows import ROWS_AT_A_TIME

# What a float32 tanh and 256 values leave beyond -1 and 1.
_SLACK = 1e-3


@dataclasses.dataclass(frozen=True)
class Summary:
    """Mean and covariance of all features; features, logits and labels of the first.

    Attributes:
        moments: `Moments` of all N images.
        features: `(K, D)` float32.
        logits: `(K, L)` float32.
        labels: `(K,)` int32, or `None` without labels.
        low, high: float, smallest and largest image value, NaN if not known.
    """

    moments: Moments
    features: np.ndarray
    logits: np.ndarray
    labels: np.ndarray | None = None
    low: float = np.nan
    high: float = np.nan

    @property
    def count(self):
        """N: int."""
        return self.moments.count


def summarize(batches, keep):
    """Summarizes images batch by batch; only what is kept takes memory.

    Args:
        batches: iterable of features `(n, D)`, logits `(n, L)`, labels `(n,)` (or
            `None` in all batches), and the lowest and highest values of these images.
        keep: int >= 1, K, images whose features, logits and labels are kept.

    Returns:
        `Summary`.

    Raises:
        BadInput: an image is not in [-1, 1], or a feature or logit is not finite.
    """
    moments, waiting, kept = None, [], []
    count, low, high = 0, np.inf, -np.inf
    for features, logits, labels, lows, highs in batches:
        features = np.asarray(features, np.float32)
        logits = np.asarray(logits, np.float32)
        _check_range(np.min(lows), np.max(highs), range(count, count + len(features)))
        _check_finite(features, logits, count)
        low, high = min(low, np.min(lows)), max(high, np.max(highs))
        wanted = keep - count
        if wanted > 0:
            labels = None if labels is None else np.asarray(labels[:wanted], np.int32)
            kept.append((features[:wanted], logits[:wanted], labels))
        count += len(features)
        waiting.append(features)
        if sum(map(len, waiting)) >= ROWS_AT_A_TIME:
            moments, waiting = _add(waiting, moments), []
    features, logits, labels = zip(*kept)
    return Summary(
        _add(waiting, moments),
        np.concatenate(features),
        np.concatenate(logits),
        None if labels[0] is None else np.concatenate(labels),
        float(low),
        float(high),
    )


def _add(parts, moments):
    if parts:
        moments = moments or Moments(parts[0].shape[1])
        moments.update(np.concatenate(parts))
    return moments


def _check_range(low, high, numbers):
    if not (low >= -1 - _SLACK and high <= 1 + _SLACK):
        raise BadInput(
            "Images must be in [-1, 1], or uint8 pixels. Received: values from "
            f"{low:.4g} to {high:.4g} in images {numbers[0]} to {numbers[-1]}. Try "
            "another checkpoint if they are NaN."
        )


def _check_finite(features, logits, count):
    finite = np.isfinite(features).all(1) & np.isfinite(logits).all(1)
    if not finite.all():
        raise BadInput(
            "Features and logits must be finite. Received: NaN or infinity for image "
            f"{count + np.argmin(finite)}. Try another checkpoint: this generator, or "
            "the feature network, is broken."
        )

"""Metrics of generated images from features, logits and labels.

Everything is computed in float64 unless said otherwise. N and M are numbers of images,
D of features, K of logits.
"""

import concurrent.futures
import contextlib
from typing import NamedTuple

import numpy as np

from sagan_tf.errors import BadInput
from sagan_tf.evaluation.metrics import tfgan
from sagan_tf.evaluation.metrics.blas import one_blas_thread
from sagan_tf.evaluation.metrics.moments import Moments
from sagan_tf.evaluation.metrics.rows import check_labels, check_pair, check_rows

_CLASSES_NAMED = 10


class _Gaussian(NamedTuple):
    """Mean (D,) and T (r, D) with covariance C = T^T T of rank r."""

    mean: np.ndarray
    factor: np.ndarray


def frechet_distance(real, fake):
    """Frechet distance of two Gaussians; of Inception features it is the FID.

        |m_1 - m_2|^2 + tr(C_1 + C_2 - 2 (C_1 C_2)^(1/2))

    Heusel et al., "GANs trained by a two time-scale update rule converge to a local
    Nash equilibrium", arXiv 1706.08500. With C = T^T T the trace of the root is the sum
    of the singular values of T_1 T_2^T: their squares are the nonzero eigenvalues of
    C_1 C_2. Unlike the root of a product, this stays exact when covariances have no
    full rank, as those of fewer than D + 1 images.

    Args:
        real, fake: `Moments` of the same features.

    Returns:
        float. Rounding may leave it below 0 by 1e-13 of the traces.

    Raises:
        BadInput: different numbers of features, or fewer than 2 rows.
    """
    if real.mean.shape != fake.mean.shape:
        raise BadInput(
            "A distance needs moments of the same features. Received: "
            f"{len(real.mean)} and {len(fake.mean)} features. "
            "Try one feature network for both."
        )
    with one_blas_thread(), concurrent.futures.ThreadPoolExecutor(2) as pool:
        return _distance(*pool.map(_gaussian, (real, fake)))


def _gaussian(moments):
    with one_blas_thread():
        return _Gaussian(moments.mean, _factor(moments.covariance))


def _factor(covariance):
    """T of a covariance: by Cholesky, or by eigenvalues if that is nearly singular."""
    eps = np.finfo(np.float64).eps
    with contextlib.suppress(np.linalg.LinAlgError):
        # As exact as eigenvalues, in a tenth of their time.
        lower = np.linalg.cholesky(covariance)
        pivots = np.square(lower.diagonal())
        if pivots.min() > np.sqrt(eps) * pivots.max():
            return lower.T
    values, vectors = np.linalg.eigh(covariance)
    # Rounding leaves something of eigenvalues that are 0; its root would count.
    kept = values > values[-1] * len(values) * eps
    return vectors[:, kept].T * np.sqrt(values[kept])[:, np.newaxis]


def _distance(real, fake):
    cross = np.linalg.svd(real.factor @ fake.factor.T, compute_uv=False).sum()
    # tr C = tr T^T T is the sum of the squares of T.
    traces = np.vdot(real.factor, real.factor) + np.vdot(fake.factor, fake.factor)
    difference = real.mean - fake.mean
    return float(difference @ difference + traces - 2 * cross)


def intra_frechet_distance(
    real_features, real_labels, fake_features, fake_labels, num_classes
):
    """Frechet distance per class, and its mean over classes (intra-FID).

    Miyato and Koyama, "cGANs with projection discriminator", arXiv 1802.05637; the
    SAGAN paper reports it too.

    Args:
        real_features, fake_features: float arrays (N, D) and (M, D).
        real_labels, fake_labels: int arrays (N,) and (M,) in 0..num_classes - 1.
        num_classes: int.

    Returns:
        mean: float.
        per_class: float64 (num_classes,).

    Raises:
        BadInput: labels are missing or others than these, a class has fewer than 2
            real or fake images, other shapes, NaN or infinity.
    """
    real, fake = check_pair(real_features, fake_features)
    real_labels = check_labels(real_labels, "real_labels", len(real), num_classes)
    fake_labels = check_labels(fake_labels, "fake_labels", len(fake), num_classes)
    _check_classes(real_labels, fake_labels, num_classes)
    per_class = np.empty(num_classes)
    with one_blas_thread():
        for label in range(num_classes):
            per_class[label] = _distance(
                _gaussian_of_rows(real[real_labels == label]),
                _gaussian_of_rows(fake[fake_labels == label]),
            )
    return float(per_class.mean()), per_class


def _gaussian_of_rows(features):
    """As `_gaussian`; of few rows, they themselves are the factor."""
    count, num_features = features.shape
    if count > num_features:
        moments = Moments(num_features)
        moments.update(features)
        return _gaussian(moments)
    rows = features.astype(np.float64)
    mean = rows.mean(axis=0)
    return _Gaussian(mean, (rows - mean) / np.sqrt(count - 1))


def _check_classes(real_labels, fake_labels, num_classes):
    counts = [np.bincount(x, minlength=num_classes) for x in (real_labels, fake_labels)]
    short = np.flatnonzero(np.minimum(*counts) < 2)
    if len(short):
        named = [
            f"class {label} ({counts[0][label]} real, {counts[1][label]} fake)"
            for label in short[:_CLASSES_NAMED]
        ]
        more = ", ..." if len(short) > _CLASSES_NAMED else ""
        raise BadInput(
            "A distance per class needs at least 2 real and 2 fake images of each. "
            f"Received: {', '.join(named)}{more}. Try more images."
        )


def inception_score(logits, splits=1):
    """Inception score: `exp(E KL(p(y|x) || p(y)))`, mean and sd over splits.

    Salimans et al., "Improved techniques for training GANs", arXiv 1606.03498, section
    4. Split i holds the rows i N // splits to (i + 1) N // splits, as in the code of
    that paper, which has 10 of 5,000 images. Sorted rows give other scores than
    shuffled ones.

    Args:
        logits: float array (N, K).
        splits: int, 1..N.

    Returns:
        mean, sd: floats, over splits; 0 is the (population) sd of one split.

    Raises:
        BadInput: fewer rows than splits, another shape, NaN or infinity.
    """
    logits = check_rows(logits, "logits")
    if not 1 <= splits <= len(logits):
        raise BadInput(
            "Each split needs at least one image. "
            f"Received: {len(logits)} images, splits={splits}. Try fewer splits."
        )
    bounds = [i * len(logits) // splits for i in range(splits + 1)]
    scores = [
        tfgan.classifier_score(logits[first:end])
        for first, end in zip(bounds[:-1], bounds[1:])
    ]
    return float(np.mean(scores)), float(np.std(scores))


def class_accuracy(logits, labels):
    """Share of images that a classifier assigns to their label.

    Args:
        logits: float array (N, K), N >= 1.
        labels: int array (N,) in 0..K - 1.

    Returns:
        float in 0..1.

    Raises:
        BadInput: other shapes, no rows, labels missing or others, NaN or infinity.
    """
    logits = check_rows(logits, "logits")
    labels = check_labels(labels, "labels", *logits.shape)
    if not len(logits):
        raise BadInput("Accuracy needs images. Received: 0 rows. Try more images.")
    return float(np.mean(logits.argmax(axis=1) == labels))

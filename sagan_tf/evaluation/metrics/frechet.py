"""Frechet distances of features, and the accuracy of labels, in float64.

N and M are numbers of images, D of features, K of logits.
"""

import concurrent.futures
import contextlib

import numpy as np

from sagan_tf.errors import BadInput
from sagan_tf.evaluation.metrics.blas import one_blas_thread
from sagan_tf.evaluation.metrics.moments import moments_of
from sagan_tf.evaluation.metrics.rows import check_labels, check_pair, check_rows

_CLASSES_NAMED = 10


def frechet_distance(real, fake):
    """Computes the Frechet distance of two Gaussians: of Inception features, the FID.

        |m_1 - m_2|^2 + tr(C_1 + C_2 - 2 (C_1 C_2)^(1/2))

    Heusel et al., "GANs trained by a two time-scale update rule converge to a local
    Nash equilibrium", arXiv 1706.08500. With C = T^T T the trace of the root is the sum
    of the singular values of T_1 T_2^T: their squares are the nonzero eigenvalues of
    C_1 C_2. Unlike the root of a product, this stays exact when covariances lack full
    rank, like those of fewer than D + 1 images.

    Args:
        real, fake: `Moments` of the same features.

    Returns:
        float. Rounding may make it negative, by 1e-13 of the traces.

    Raises:
        BadInput: the numbers of features differ, or there are fewer than 2 rows.
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
    """Returns the mean (D,) and T (r, D) with covariance C = T^T T of rank r.

    T comes from Cholesky, or from eigenvalues if the covariance is nearly singular.
    """
    eps = np.finfo(np.float64).eps
    with one_blas_thread():
        with contextlib.suppress(np.linalg.LinAlgError):
            # As exact as eigenvalues, in a tenth of their time.
            lower = np.linalg.cholesky(moments.covariance)
            pivots = np.square(lower.diagonal())
            if pivots.min() > np.sqrt(eps) * pivots.max():
                return moments.mean, lower.T
        values, vectors = np.linalg.eigh(moments.covariance)
    # Rounding makes zero eigenvalues slightly positive; their roots would count.
    kept = values > values[-1] * len(values) * eps
    return moments.mean, vectors[:, kept].T * np.sqrt(values[kept])[:, np.newaxis]


def _distance(real, fake):
    (real_mean, real_factor), (fake_mean, fake_factor) = real, fake
    cross = np.linalg.svd(real_factor @ fake_factor.T, compute_uv=False).sum()
    # tr C = tr T^T T is the sum of the squares of T.
    traces = np.vdot(real_factor, real_factor) + np.vdot(fake_factor, fake_factor)
    difference = real_mean - fake_mean
    return float(difference @ difference + traces - 2 * cross)


def intra_frechet_distance(
    real_features, real_labels, fake_features, fake_labels, num_classes
):
    """Computes the Frechet distance of each class, and the mean (intra-FID).

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
        BadInput: labels are missing or out of range, a class has fewer than 2 real or
            fake images, a shape is wrong, or a feature is NaN or infinite.
    """
    real, fake = check_pair(real_features, fake_features)
    real_labels = check_labels(real_labels, "real_labels", len(real), num_classes)
    fake_labels = check_labels(fake_labels, "fake_labels", len(fake), num_classes)
    counts = [np.bincount(x, minlength=num_classes) for x in (real_labels, fake_labels)]
    short = [
        f"class {label} ({of_real} real, {of_fake} fake)"
        for label, (of_real, of_fake) in enumerate(zip(*counts))
        if min(of_real, of_fake) < 2
    ]
    if short:
        more = ", ..." if len(short) > _CLASSES_NAMED else ""
        raise BadInput(
            "A distance per class needs at least 2 real and 2 fake images of each. "
            f"Received: {', '.join(short[:_CLASSES_NAMED])}{more}. Try more images."
        )
    sides = (real, real_labels), (fake, fake_labels)
    with one_blas_thread():
        per_class = [
            _distance(*(_gaussian_of_rows(x[labels == label]) for x, labels in sides))
            for label in range(num_classes)
        ]
    return float(np.mean(per_class)), np.array(per_class)


def _gaussian_of_rows(features):
    """Returns `_gaussian` of rows. If they are few, they are the factor themselves."""
    count, num_features = features.shape
    if count > num_features:
        return _gaussian(*moments_of(features))
    rows = features.astype(np.float64)
    mean = rows.mean(axis=0)
    return mean, (rows - mean) / np.sqrt(count - 1)


def class_accuracy(logits, labels):
    """Returns the share, in 0..1, of images that a classifier assigns to their label.

    Args:
        logits: float array (N, K), N >= 1.
        labels: int array (N,) in 0..K - 1.

    Raises:
        BadInput: a shape is wrong, there are no rows, labels are missing or out of
            range, or a logit is NaN or infinite.
    """
    logits = check_rows(logits, "logits")
    labels = check_labels(labels, "labels", *logits.shape)
    if not len(logits):
        raise BadInput("Accuracy needs images. Received: 0 rows. Try more images.")
    return float(np.mean(logits.argmax(axis=1) == labels))

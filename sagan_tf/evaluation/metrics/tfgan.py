"""The metrics of TF-GAN 2.1.0, from logits and features.

`import tensorflow_gan` fails with TensorFlow 2.21, which has no `tf.estimator`. Its
module of metrics works alone, and is imported at its first use.
"""

import functools
import importlib
import importlib.util
import itertools
import pathlib
import sys
import types

import numpy as np

from sagan_tf.errors import BadInput
from sagan_tf.evaluation.metrics.rows import check_pair, check_rows

_NAME = "tensorflow_gan"
_METRICS = "tensorflow_gan.python.eval.classifier_metrics"
# exp(-700) is roughly the smallest value that float64 distinguishes from 0.
_VANISHES = -700


@functools.cache
def _metrics():
    """Imports TF-GAN's `classifier_metrics`.

    Its parent packages would import `tf.estimator`, so empty modules with their paths
    replace them during the import.

    Raises:
        ModuleNotFoundError: TF-GAN is not installed.
    """
    if _NAME in sys.modules or not (spec := importlib.util.find_spec(_NAME)):
        return importlib.import_module(_METRICS)
    folder = pathlib.Path(spec.submodule_search_locations[0]).parent
    shells = [_NAME, f"{_NAME}.python", f"{_NAME}.python.eval"]
    for name in shells:
        shell = types.ModuleType(name)
        shell.__path__ = [str(folder.joinpath(*name.split(".")))]
        sys.modules[name] = shell
    try:
        return importlib.import_module(_METRICS)
    finally:
        for name in shells:
            del sys.modules[name]


def inception_score(logits, splits=1):
    """Computes the Inception score, `exp(E KL(p(y|x) || p(y)))`: mean and sd of splits.

    Salimans et al., "Improved techniques for training GANs", arXiv 1606.03498, section
    4. Split i has the rows i N // splits to (i + 1) N // splits, as in the code of that
    paper, which uses 10 splits of 5,000 images. Sorted rows and shuffled rows have
    different scores.

    Args:
        logits: float array (N, K).
        splits: int, 1..N.

    Returns:
        mean, sd: floats, over splits, computed in float64. The sd is that of a
            population: 0 for one split.

    Raises:
        BadInput: there are fewer rows than splits, the shape is wrong, or a logit is
            NaN or infinite.
    """
    logits = check_rows(logits, "logits").astype(np.float64)
    if not 1 <= splits <= len(logits):
        raise BadInput(
            "Each split needs at least one image. "
            f"Received: {len(logits)} images, splits={splits}. Try fewer splits."
        )
    bounds = [i * len(logits) // splits for i in range(splits + 1)]
    scores = []
    for first, end in itertools.pairwise(bounds):
        part = logits[first:end]
        # TF-GAN would compute 0 log(0 / 0), NaN, for a class of probability 0.
        seen = (part - part.max(axis=1, keepdims=True) > _VANISHES).any(axis=0)
        scores.append(float(_metrics().classifier_score_from_logits(part[:, seen])))
    return float(np.mean(scores)), float(np.std(scores))


def frechet_distance(real_features, fake_features):
    """Computes the Frechet distance of features with TF-GAN: float, in float64.

    Args:
        real_features, fake_features: float arrays (N, D) and (M, D), at least 2 rows.

    Raises:
        BadInput: a shape is wrong, a set has too few rows, or a value is not finite.
    """
    pair = check_pair(real_features, fake_features, at_least=2)
    # For float32 features, the distance would be float32.
    real, fake = (features.astype(np.float64) for features in pair)
    return float(_metrics().frechet_classifier_distance_from_activations(real, fake))


def frechet_distance_of_moments(real, fake):
    """Like `frechet_distance`, for features that do not fit into memory.

    It uses TF-GAN's root of the product of covariances and its formula of the distance.
    If covariances lack full rank, the relative error of the root is 1e-5;
    `frechet.frechet_distance` is exact even then.

    Args:
        real, fake: `Moments` of the same features.

    Raises:
        BadInput: there are fewer than 2 rows.
    """
    root = _metrics().trace_sqrt_product(real.covariance, fake.covariance)
    difference = real.mean - fake.mean
    trace = np.trace(real.covariance + fake.covariance)
    return float(difference @ difference + trace - 2 * root)


def kernel_distance(real_features, fake_features, block_size=1000):
    """Computes the kernel distance (KID): unbiased MMD^2, kernel `(x . y / D + 1)^3`.

    Binkowski et al., "Demystifying MMD GANs", arXiv 1801.01401; the mean over blocks is
    that of Zaremba et al., arXiv 1307.1954. Blocks are cut in the order of the rows, so
    neither set may be sorted, for example by class. TF-GAN gets one block at a time,
    because its own loop would first copy everything to float64.

    Args:
        real_features, fake_features: float arrays (N, D) and (M, D).
        block_size: int, the most rows of a set in a block. As in TF-GAN, both sets are
            cut into the same number of blocks of nearly equal sizes.

    Returns:
        mean: float, computed in float64; can be slightly negative.
        standard_error: float, of that mean; NaN if there is only one block.

    Raises:
        BadInput: a shape is wrong, a block has fewer than 2 rows of a set, or a feature
            is NaN or infinite.
    """
    import tensorflow as tf  # It takes seconds, and the rest does not need it.

    real, fake = check_pair(real_features, fake_features, at_least=2)
    num_blocks = -(-max(len(real), len(fake)) // block_size)
    if min(len(real), len(fake)) < 2 * num_blocks:
        raise BadInput(
            f"Each of the {num_blocks} blocks needs at least 2 rows of each set. "
            f"Received: {len(real)} real, {len(fake)} fake, block_size={block_size}. "
            "Try sets of similar sizes, or a larger block_size."
        )
    # As in TF-GAN, the larger blocks come last.
    reals, fakes = (
        [part[::-1] for part in np.array_split(rows[::-1], num_blocks)[::-1]]
        for rows in (real, fake)
    )
    logger = tf.get_logger()
    level = logger.level
    # TF-GAN calls a deprecated loop, and TensorFlow would warn the user.
    logger.setLevel("ERROR")
    try:
        blocks = [
            _metrics().kernel_classifier_distance_from_activations(
                tf.constant(one, tf.float64),
                tf.constant(other, tf.float64),
                max_block_size=block_size,
            )
            for one, other in zip(reals, fakes)
        ]
    finally:
        logger.setLevel(level)
    error = np.std(blocks, ddof=1) / np.sqrt(num_blocks) if num_blocks > 1 else np.nan
    return float(np.mean(blocks)), float(error)

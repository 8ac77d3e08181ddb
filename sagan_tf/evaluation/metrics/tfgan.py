"""The metrics of TF-GAN 2.1.0, from logits and features.

`import tensorflow_gan` fails with TensorFlow 2.21, which has no `tf.estimator`. Its
module of metrics works by itself, and is imported at its first use.
"""

import functools
import importlib
import importlib.util
import pathlib
import sys
import types

import numpy as np

from sagan_tf.errors import BadInput
from sagan_tf.evaluation.metrics.rows import check_pair, check_rows

_NAME = "tensorflow_gan"
_METRICS = "tensorflow_gan.python.eval.classifier_metrics"
# exp(-700) is the smallest that float64 tells from 0, roughly.
_VANISHES = -700


@functools.cache
def _metrics():
    """TF-GAN's `classifier_metrics`.

    Its parent packages would import `tf.estimator`: empty modules with their paths
    replace them during the import.

    Raises:
        ModuleNotFoundError: TF-GAN is not installed.
    """
    if _NAME in sys.modules:
        return importlib.import_module(_METRICS)
    spec = importlib.util.find_spec(_NAME)
    if spec is None:
        raise ModuleNotFoundError(f"No module named {_NAME!r}", name=_NAME)
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


def classifier_score(logits):
    """Inception score of all logits as one split: `exp(E KL(p(y|x) || p(y)))`.

    Salimans et al., "Improved techniques for training GANs", arXiv 1606.03498,
    section 4.

    Args:
        logits: float array (N, K), N >= 1.

    Returns:
        float in 1..K, computed in float64.

    Raises:
        BadInput: another shape, no rows, or NaN or infinity.
    """
    logits = check_rows(logits, "logits").astype(np.float64)
    if not len(logits):
        raise BadInput(
            "An Inception score needs logits. Received: 0 rows. Try more images."
        )
    # TF-GAN would compute 0 log(0 / 0), NaN, for a class of probability 0.
    seen = (logits - logits.max(axis=1, keepdims=True) > _VANISHES).any(axis=0)
    return float(_metrics().classifier_score_from_logits(logits[:, seen]))


def frechet_distance(real_features, fake_features):
    """Frechet distance as TF-GAN computes it, in float64, for comparison.

    `frechet.frechet_distance` takes less time and memory, and is exact where
    covariances have no full rank.

    Args:
        real_features, fake_features: float arrays (N, D) and (M, D), at least 2 rows.

    Returns:
        float.

    Raises:
        BadInput: other shapes, too few rows, NaN or infinity.
    """
    pair = check_pair(real_features, fake_features, at_least=2)
    # float32 in would be float32 out.
    real, fake = (features.astype(np.float64) for features in pair)
    return float(_metrics().frechet_classifier_distance_from_activations(real, fake))


def kernel_distance(real_features, fake_features, block_size=1000):
    """Kernel distance (KID): unbiased MMD^2 with the kernel `(x . y / D + 1)^3`.

    Binkowski et al., "Demystifying MMD GANs", arXiv 1801.01401; the mean over
    blocks of Zaremba et al., arXiv 1307.1954. Blocks are cut in the order of the rows,
    so neither set may be sorted, for example by class. TF-GAN gets one block at a time:
    its own loop would first copy everything to float64.

    Args:
        real_features, fake_features: float arrays (N, D) and (M, D).
        block_size: int, the most rows of a set in a block. As in TF-GAN, both sets are
            cut into the same number of blocks of nearly equal sizes.

    Returns:
        mean: float, computed in float64; can be slightly negative.
        standard_error: float, of that mean; NaN if there is one block.

    Raises:
        BadInput: other shapes, fewer than 2 rows of a set in a block, NaN, infinity.
    """
    real, fake = check_pair(real_features, fake_features, at_least=2)
    num_blocks = -(-max(len(real), len(fake)) // block_size)
    if min(len(real), len(fake)) < 2 * num_blocks:
        raise BadInput(
            f"Each of the {num_blocks} blocks needs at least 2 rows of each set. "
            f"Received: {len(real)} real, {len(fake)} fake, block_size={block_size}. "
            "Try sets of similar sizes, or a larger block_size."
        )
    bounds = [_block_bounds(len(features), num_blocks) for features in (real, fake)]
    blocks = [
        _kernel_distance_of_block(real[slice(*r)], fake[slice(*f)])
        for r, f in zip(*bounds)
    ]
    error = np.std(blocks, ddof=1) / np.sqrt(num_blocks) if num_blocks > 1 else np.nan
    return float(np.mean(blocks)), float(error)


def _block_bounds(count, num_blocks):
    """First and last + 1 of each block; as in TF-GAN, the larger blocks come last."""
    small, larger = divmod(count, num_blocks)
    sizes = [small] * (num_blocks - larger) + [small + 1] * larger
    ends = np.cumsum(sizes)
    return list(zip(ends - sizes, ends))


def _kernel_distance_of_block(real, fake):
    import tensorflow as tf

    logger = tf.get_logger()
    level = logger.level
    # TF-GAN calls a deprecated loop, which TensorFlow would tell the user.
    logger.setLevel("ERROR")
    try:
        mean, _ = _metrics().kernel_classifier_distance_and_std_from_activations(
            tf.constant(real, tf.float64),
            tf.constant(fake, tf.float64),
            max_block_size=max(len(real), len(fake)),
        )
    finally:
        logger.setLevel(level)
    return float(mean)

"""Summarizes images for the metrics; never keeps all images in memory."""

import dataclasses

import numpy as np
import tensorflow as tf

from sagan_tf import images
from sagan_tf.errors import BadInput
from sagan_tf.evaluation.metrics.moments import Moments
from sagan_tf.evaluation.metrics.rows import ROWS_AT_A_TIME
from sagan_tf.model import latents
from sagan_tf.model.standing_statistics import use_standing_statistics
from sagan_tf.progress import progress_bar

# How far values of a float32 tanh, or of 256 levels, may lie beyond -1 and 1.
_SLACK = 1e-3


@dataclasses.dataclass(frozen=True)
class Summary:
    """Mean and covariance of all features; features, logits and labels of the first K.

    Attributes:
        moments: `Moments` of all N images.
        features: `(K, D)` float32.
        logits: `(K, L)` float32.
        labels: `(K,)` int32, or `None` without labels.
        low, high: float, smallest and largest value of the images, NaN if not known.
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
    """Computes the `Summary` of images, batch by batch; only kept values take memory.

    Args:
        batches: iterable of features `(n, D)`, logits `(n, L)`, labels `(n,)` (or
            `None` in all batches), and the lowest and highest values of these images.
        keep: int >= 1, K, the images whose features, logits and labels are kept.

    Raises:
        BadInput: an image is not in [-1, 1], or a feature or logit is not finite.
    """
    moments, waiting, kept = None, [], []
    count, low, high = 0, np.inf, -np.inf
    for features, logits, labels, lows, highs in batches:
        features = np.asarray(features, np.float32)
        logits = np.asarray(logits, np.float32)
        _check_range(np.min(lows), np.max(highs), range(count, count + len(features)))
        finite = np.isfinite(features).all(1) & np.isfinite(logits).all(1)
        if not finite.all():
            raise BadInput(
                "Features and logits must be finite. Received: NaN or infinity for "
                f"image {count + np.argmin(finite)}. Try another checkpoint: this "
                "generator, or the feature network, is broken."
            )
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


def summarize_generator(
    generator, network, protocol, num_classes, *, batch_size=64, strategy=None
):
    """Computes the `Summary` of a protocol's images; keeps the features of all images.

    Image i depends only on (protocol.seed, i). It is the same for every batch size and
    number of replicas, up to rounding.

    Args:
        generator: function of z `(n, z_dim)` and labels `(n,)` int32 (`None` without
            classes) to images `(n, R, R, C)` in [-1, 1], with the attribute `z_dim`.
        network: `FeatureNetwork`.
        protocol: `Protocol`.
        num_classes: int, 0 for an unconditional generator.
        batch_size: int, images on one replica at a time.
        strategy: `tf.distribute.Strategy` whose replicas share the work.
    """
    strategy = strategy or tf.distribute.get_strategy()
    step = batch_size * strategy.num_replicas_in_sync

    @tf.function
    def of_replica(first):
        context = tf.distribute.get_replica_context()
        replica = tf.cast(context.replica_id_in_sync_group, tf.int64)
        indices = first + replica * batch_size + tf.range(batch_size, dtype=tf.int64)
        z, labels = _draw(indices, generator.z_dim, protocol, num_classes)
        batch = tf.cast(generator(z, labels), tf.float32)
        lows = tf.reduce_min(batch, [1, 2, 3])
        highs = tf.reduce_max(batch, [1, 2, 3])
        if protocol.quantize:
            batch = images.from_pixels(images.to_pixels(batch))
        return (*network(batch), labels, lows, highs)

    of_all = tf.function(lambda first: strategy.run(of_replica, args=(first,)))

    def joined(part, count):
        if part is None:
            return None
        return np.concatenate(strategy.experimental_local_results(part))[:count]

    def batches():
        with progress_bar("Generating", protocol.num_fake) as progress:
            for first in range(0, protocol.num_fake, step):
                # The last batch is as large as the others: one trace is enough.
                results = of_all(tf.constant(first, tf.int64))
                count = min(step, protocol.num_fake - first)
                yield [joined(part, count) for part in results]
                progress.update(count)

    return summarize(batches(), keep=protocol.num_fake)


def summarize_images(batches, network, *, keep):
    """Computes the `Summary` of given images.

    Args:
        batches: iterable of tuples that start with images `(n, R, R, C)` float32 in
            [-1, 1] and labels `(n,)` or `None`, for example of `data.read_once`.
        network: `FeatureNetwork`.
        keep: see `summarize`.
    """
    run = tf.function(network, reduce_retracing=True)
    parts = (
        (*run(tf.constant(batch)), labels, batch.min(), batch.max())
        for batch, labels, *_ in batches
    )
    return summarize(parts, keep)


def use_protocol_statistics(generator, protocol, num_classes):
    """Gives a `keras.Model` the batch-norm statistics that a protocol asks for.

    Standing statistics use z and labels of the images after the protocol's last image.
    Without classes (`num_classes` 0), there are no labels.
    """
    z_dim = generator.inputs[0].shape[-1]
    size = protocol.standing_batch_size
    batches = []
    for number in range(protocol.standing_batches):
        first = protocol.num_fake + number * size
        z, labels = _draw(range(first, first + size), z_dim, protocol, num_classes)
        batches.append(z if labels is None else (z, labels))
    if batches:
        use_standing_statistics(generator, batches)


def _draw(indices, z_dim, protocol, num_classes):
    """Draws z and labels (`None` without classes) of a protocol's images."""
    z = latents.draw_z(indices, z_dim, protocol.seed, protocol.truncation)
    if not num_classes:
        return z, None
    return z, latents.draw_labels(indices, num_classes, protocol.seed)


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

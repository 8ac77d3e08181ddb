"""Features of generated or given images, which are never all in memory."""

import functools

import numpy as np
import tensorflow as tf

from sagan_tf import images
from sagan_tf.errors import BadInput
from sagan_tf.evaluation.metrics.summary import Summary
from sagan_tf.model import latents
from sagan_tf.model.standing_statistics import use_standing_statistics
from sagan_tf.progress import progress_bar

# What a float32 tanh and 256 values leave beyond -1 and 1.
_SLACK = 1e-3


def summarize_generator(
    generator, network, protocol, num_classes, *, batch_size=64, strategy=None
):
    """Generates a protocol's images and summarizes their features.

    Image i depends on (protocol.seed, i) alone: the same for every batch size and
    number of replicas, up to rounding.

    Args:
        generator: function of z `(n, z_dim)` and labels `(n,)` int32 (`None` without
            classes) to images `(n, R, R, C)` in [-1, 1]; has `z_dim`.
        network: `FeatureNetwork`.
        protocol: `Protocol`.
        num_classes: int, 0 for an unconditional generator.
        batch_size: int, images on one replica at a time.
        strategy: `tf.distribute.Strategy` whose replicas share the work.

    Returns:
        `Summary` with all features, logits and labels.

    Raises:
        BadInput: an image, feature or logit is not finite or out of range.
    """
    strategy = strategy or tf.distribute.get_strategy()

    @tf.function
    def of_replica(indices):
        z, labels = _draw(indices, generator.z_dim, protocol, num_classes)
        batch = tf.cast(generator(z, labels), tf.float32)
        low, high = tf.reduce_min(batch), tf.reduce_max(batch)
        if protocol.quantize:
            batch = images.from_pixels(images.to_pixels(batch))
        return (*network(batch), labels, low, high)

    @tf.function
    def of_all(indices):
        return strategy.run(of_replica, args=(indices,))

    summary = Summary(keep=protocol.num_fake)
    replicas = strategy.num_replicas_in_sync
    with progress_bar("Generating", protocol.num_fake) as progress:
        for first in range(0, protocol.num_fake, batch_size * replicas):
            # The last batch is as large as the others: one traced function.
            shares = np.arange(first, first + batch_size * replicas)
            shares = shares.reshape(replicas, batch_size)
            indices = strategy.experimental_distribute_values_from_function(
                functools.partial(_share, shares)
            )
            results = of_all(indices)
            count = min(shares.size, protocol.num_fake - first)
            _add(summary, _gathered(strategy, results), count)
            progress.update(count)
    return summary


def summarize_images(batches, network, *, keep, content=None):
    """Summarizes the features of given images.

    Args:
        batches: iterable of tuples that start with images `(n, R, R, C)` float32 in
            [-1, 1] and labels `(n,)` or `None`, for example of `data.read_once`.
        network: `FeatureNetwork`.
        keep: int, see `Summary`.
        content: `ContentHash` that gets the images too, or `None`.

    Returns:
        `Summary`.

    Raises:
        BadInput: an image, feature or logit is not finite or out of range.
    """
    run = tf.function(network, reduce_retracing=True)
    summary = Summary(keep)
    for batch, labels, *_ in batches:
        if content is not None:
            content.add(batch, labels)
        result = (*run(tf.constant(batch)), labels, batch.min(), batch.max())
        _add(summary, result, len(batch))
    return summary


def use_protocol_statistics(generator, protocol, num_classes):
    """Gives a `keras.Model` the batch-norm statistics that a protocol asks for.

    z and labels of the standing statistics are those of the images after the protocol's
    last one; without classes (`num_classes` 0) there are no labels.
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
    """z and labels (`None` without classes) of a protocol's images."""
    z = latents.draw_z(indices, z_dim, protocol.seed, protocol.truncation)
    if not num_classes:
        return z, None
    return z, latents.draw_labels(indices, num_classes, protocol.seed)


def _share(shares, context):
    return tf.constant(shares[context.replica_id_in_sync_group], tf.int64)


def _gathered(strategy, results):
    """Features, logits, labels or `None`, lowest, highest of all replicas, in order."""
    parts = [
        None if part is None else strategy.experimental_local_results(part)
        for part in results
    ]
    features, logits, labels = (
        None if part is None else np.concatenate([each.numpy() for each in part])
        for part in parts[:3]
    )
    low, high = (np.array([float(each) for each in part]) for part in parts[3:])
    return features, logits, labels, low.min(), high.max()


def _add(summary, result, count):
    features, logits, labels, low, high = result
    if not (low >= -1 - _SLACK and high <= 1 + _SLACK):
        raise BadInput(
            "Images must be in [-1, 1], or uint8 pixels. Received: values from "
            f"{low:.4g} to {high:.4g} in images {summary.count} to "
            f"{summary.count + count - 1}. Try another checkpoint if they are NaN."
        )
    labels = None if labels is None else np.asarray(labels)[:count]
    features, logits = np.asarray(features)[:count], np.asarray(logits)[:count]
    summary.add(features, logits, labels, low, high)

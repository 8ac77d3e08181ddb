"""Features of generated or given images, which are never all in memory."""

import numpy as np
import tensorflow as tf

from sagan_tf import images
from sagan_tf.evaluation.metrics.summary import summarize
from sagan_tf.model import latents
from sagan_tf.model.standing_statistics import use_standing_statistics
from sagan_tf.progress import progress_bar


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
    step = batch_size * strategy.num_replicas_in_sync

    @tf.function
    def of_replica(first):
        context = tf.distribute.get_replica_context()
        replica = tf.cast(context.replica_id_in_sync_group, tf.int64)
        indices = first + replica * batch_size + tf.range(batch_size, dtype=tf.int64)
        z, labels = _draw(indices, generator.z_dim, protocol, num_classes)
        batch = tf.cast(generator(z, labels), tf.float32)
        axes = range(1, 4)
        lows, highs = tf.reduce_min(batch, axes), tf.reduce_max(batch, axes)
        if protocol.quantize:
            batch = images.from_pixels(images.to_pixels(batch))
        return (*network(batch), labels, lows, highs)

    @tf.function
    def of_all(first):
        return strategy.run(of_replica, args=(first,))

    def joined(part, count):
        if part is None:
            return None
        return np.concatenate(strategy.experimental_local_results(part))[:count]

    def batches():
        with progress_bar("Generating", protocol.num_fake) as progress:
            for first in range(0, protocol.num_fake, step):
                # The last batch is as large as the others: one traced function.
                results = of_all(tf.constant(first, tf.int64))
                count = min(step, protocol.num_fake - first)
                yield [joined(part, count) for part in results]
                progress.update(count)

    return summarize(batches(), keep=protocol.num_fake)


def summarize_images(batches, network, *, keep):
    """Summarizes the features of given images.

    Args:
        batches: iterable of tuples that start with images `(n, R, R, C)` float32 in
            [-1, 1] and labels `(n,)` or `None`, for example of `data.read_once`.
        network: `FeatureNetwork`.
        keep: int, see `summarize`.

    Returns:
        `Summary`.

    Raises:
        BadInput: an image, feature or logit is not finite or out of range.
    """
    run = tf.function(network, reduce_retracing=True)
    parts = (
        (*run(tf.constant(batch)), labels, batch.min(), batch.max())
        for batch, labels, *_ in batches
    )
    return summarize(parts, keep)


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

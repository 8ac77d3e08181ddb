"""Standing statistics: batch statistics measured again before images are generated.

The moving averages of training lag behind the weights and mix the statistics of many
steps.
"""

import keras
import numpy as np
import tensorflow as tf

from sagan_tf.errors import BadInput
from sagan_tf.layers import ConditionalBatchNorm


def use_standing_statistics(generator, batches):
    """Replaces the moving statistics of every batch normalization in a generator.

        mean = 1/N sum_n mean_n,   variance = 1/N sum_n variance_n

    over N batches. Each goes through the network in training mode, and mean_n and
    variance_n are the statistics that normalize it. The variance is biased in every
    layer, even in the last, whose moving average in training uses the unbiased one.
    Every batch has the same weight, whatever its size. The order of the batches and the
    old moving averages do not matter. Nothing else changes, not even `u`.

    The batches run through a copy, on one device. A generator that is still being
    trained would lose its moving averages: pass a copy of it.

    Args:
        generator: functional `keras.Model` like `build_generator`'s, trainable or not.
        batches: iterable of z `(B, z_dim)` float32, or of pairs (z, labels `(B,)`
            int32) for a conditional generator.

    Raises:
        BadInput: there are no batches, or no batch normalization.

    Reference:
        - Brock et al., BigGAN, arXiv 1809.11096, appendix
        - BigGAN-PyTorch `utils.py`: `accumulate_standing_stats`
    """
    layers = _batch_norms(generator)
    if not layers:
        raise BadInput(
            "Standing statistics need a generator with batch normalization. Received: "
            f"{generator.name}, which has none. Try the moving averages."
        )
    copy = keras.models.clone_model(generator)
    copy.set_weights(generator.get_weights())
    for layer, (mean, variance) in zip(layers, _measure(copy, batches), strict=True):
        layer.moving_mean.assign(mean)
        layer.moving_variance.assign(variance)


def _batch_norms(model):
    return [
        layer
        for layer in model._flatten_layers()
        if isinstance(layer, ConditionalBatchNorm)
    ]


def _measure(generator, batches):
    """Returns the statistics, in the order of the layers. Changes the generator."""
    layers = _batch_norms(generator)
    # In training mode, layers that are not trainable leave `u` alone. With a momentum
    # of zero the moving values are those of the batch.
    generator.trainable = False
    for layer in layers:
        layer.trainable = True
        for part in layer._flatten_layers(include_self=False):
            part.trainable = False  # The tables' `u`.
        layer.momentum = 0.0
        layer.unbiased_moving_variance = False
        layer.moving_mean.assign(np.zeros(layer.moving_mean.shape))
        layer.moving_variance.assign(np.ones(layer.moving_variance.shape))

    @tf.function(reduce_retracing=True)
    def run(inputs):
        generator(inputs, training=True)
        return [
            tf.stack([layer.moving_mean.value, layer.moving_variance.value])
            for layer in layers
        ]

    measured = [
        run(list(batch) if isinstance(batch, (tuple, list)) else batch)
        for batch in batches
    ]
    if not measured:
        raise BadInput(
            "Standing statistics need at least one batch. Received: none. Try 100."
        )
    return [
        np.mean(statistics, axis=0, dtype=np.float64) for statistics in zip(*measured)
    ]

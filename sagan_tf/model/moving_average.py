"""The moving average of a network's weights."""

import tensorflow as tf


def update_average(average, network, decay):
    """`average = decay * average + (1 - decay) * network`, variable by variable.

    The `u` of spectral normalization is copied instead.

    Args:
        average: `keras.Model`, a copy of the network.
        network: `keras.Model`.
        decay: scalar float tensor in [0, 1].
    """
    shares = {}  # By dtype: those of the average and of the network.
    for mean, variable in zip(average.variables, network.variables, strict=True):
        value = variable.value
        if variable.name != "u":
            if value.dtype not in shares:
                share = tf.cast(decay, value.dtype)
                shares[value.dtype] = share, 1 - share
            old, new = shares[value.dtype]
            value = mean.value * old + value * new
        mean.assign(value)

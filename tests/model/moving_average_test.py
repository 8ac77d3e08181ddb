"""The moving average of weights."""

import keras
import numpy as np
import tensorflow as tf

from sagan_tf.layers import SpectralNormalization
from sagan_tf.model.moving_average import update_average


def network(value):
    dense = SpectralNormalization(keras.layers.Dense(3))
    model = keras.Sequential([keras.Input((2,)), dense])
    model.set_weights([np.full(w.shape, value, "float32") for w in model.weights])
    return model


def test_weights_are_averaged_and_u_is_copied():
    average, live = network(1.0), network(5.0)
    update_average(average, live, tf.constant(0.75))
    for variable in average.variables:
        expected = 5.0 if variable.name == "u" else 0.75 * 1 + 0.25 * 5
        np.testing.assert_array_equal(variable, expected)
    assert all(np.all(variable.numpy() == 5.0) for variable in live.variables)


def test_a_decay_of_zero_copies():
    average, live = network(1.0), network(5.0)
    update_average(average, live, tf.constant(0.0))
    for variable in average.variables:
        np.testing.assert_array_equal(variable, 5.0)

"""What the layers refuse to be called with."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from sagan_tf.errors import BadInput
from sagan_tf.layers import ConditionalBatchNorm, ProjectionHead


def batch(count=8):
    random = np.random.default_rng(0)
    x = random.normal(1, 2, (count, 3, 5, 4)).astype("float32")
    return tf.constant(x), tf.constant(random.integers(0, 3, count), "int32")


@pytest.mark.parametrize("layer", [ConditionalBatchNorm, ProjectionHead])
def test_missing_and_superfluous_labels_are_errors(layer):
    x, labels = batch()
    if layer is ProjectionHead:
        x = x[:, 0, 0]
    with pytest.raises(ValueError, match="with labels"):
        layer(3)(x)
    with pytest.raises(ValueError, match="without labels"):
        layer()(x, labels)


@pytest.mark.parametrize("layer", [ConditionalBatchNorm, ProjectionHead])
def test_labels_of_a_keras_input_are_a_column(layer):
    x, labels = batch()
    x = x[:, 0, 0] if layer is ProjectionHead else x
    layer = layer(3)
    expected = layer(x, labels)
    np.testing.assert_array_equal(layer(x, labels[:, None]), expected)
    np.testing.assert_array_equal(layer(x, labels=list(labels.numpy())), expected)
    for wrong in (tf.one_hot(labels, 3), labels[:, None, None], labels[0]):
        with pytest.raises(BadInput, match=r"labels \(B,\) or \(B, 1\)"):
            layer(x, wrong)


@pytest.mark.parametrize("shape", [(4, 8), (4, 8, 8), (2, 4, 6, 6, 3)])
def test_what_is_no_map_is_refused_when_it_is_built(shape):
    with pytest.raises(BadInput, match=r"\(B, H, W, C\)\. Received"):
        ConditionalBatchNorm()(keras.Input(shape[1:]))

"""A convolution joined with a change of size is the two in turn."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from sagan_tf.layers import PoolingConvolution, UpsamplingConvolution
from sagan_tf.layers.resampling_convolutions import downsample, upsample


def built(layer, shape):
    """The layer with values in every weight, the bias too."""
    layer.build(shape)
    random = np.random.default_rng(1)
    layer.set_weights([random.normal(size=w.shape) for w in layer.weights])
    return layer


def plain(layer):
    """The ordinary convolution with the same weights."""
    convolution = keras.layers.Conv2D(layer.filters, 3, padding="same", dtype="float64")
    convolution.build((None, None, None, layer.kernel.shape[2]))
    convolution.set_weights(layer.get_weights())
    return convolution


def in_turn(kind, convolution, x):
    if kind is UpsamplingConvolution:
        return convolution(upsample(x))
    return downsample(convolution(x))


def result_and_gradients(function, x, variables):
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = function(x)
        # Every place has a weight of its own, so that no two can change theirs.
        weights = np.linspace(1, 2, y.shape.num_elements()).reshape(y.shape)
        loss = tf.reduce_sum(tf.sin(y) * weights)
    return [y, *tape.gradient(loss, [x, *variables])]


@pytest.mark.parametrize("kind", [UpsamplingConvolution, PoolingConvolution])
@pytest.mark.parametrize("sizes", [(8, 10), (9, 11), (4, 6), (2, 3), (64, 8)])
def test_equals_the_two_in_turn_with_gradients(kind, sizes):
    x = tf.constant(np.random.default_rng(0).normal(size=(2, *sizes, 3)))
    layer = built(kind(5, dtype="float64"), (None, *sizes, 3))
    reference = plain(layer)
    ours = result_and_gradients(layer, x, [w.value for w in layer.weights])
    theirs = result_and_gradients(
        lambda x: in_turn(kind, reference, x), x, [w.value for w in reference.weights]
    )
    for one, other in zip(ours, theirs, strict=True):
        scale = np.max(np.abs(other))
        np.testing.assert_allclose(one, other, atol=1e-12 * scale)
        assert scale > 0.1


def test_the_joined_forms_multiply_a_quarter_as_often():
    """The reason why they exist: counted in the graph that TensorFlow runs."""
    for kind, convolution, size in (
        (UpsamplingConvolution, "Conv2DBackpropInput", 17),
        (PoolingConvolution, "Conv2D", 4),
    ):
        layer = built(kind(5), (None, 8, 8, 3))
        graph = tf.function(layer).get_concrete_function(tf.zeros((1, 8, 8, 3))).graph
        (found,) = (op for op in graph.get_operations() if op.type == convolution)
        assert found.get_attr("strides") == [1, 2, 2, 1]
        assert found.outputs[0].shape[1] == size


@pytest.mark.parametrize("kind", [UpsamplingConvolution, PoolingConvolution])
@pytest.mark.parametrize(
    "options",
    [
        {"kernel_size": 5},
        {"strides": 2},
        {"padding": "valid"},
        {"dilation_rate": 2},
        {"data_format": "channels_first"},
    ],
)
def test_another_convolution_is_refused(kind, options):
    with pytest.raises(ValueError, match="3x3 kernel.*Received"):
        kind(5, **options)


def test_upsampling_repeats_and_downsampling_averages():
    x = np.arange(2 * 2 * 3 * 2, dtype="float32").reshape(2, 2, 3, 2)
    np.testing.assert_array_equal(upsample(x), x.repeat(2, 1).repeat(2, 2))
    np.testing.assert_array_equal(downsample(upsample(x)), x)

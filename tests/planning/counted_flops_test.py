"""What TensorFlow's profiler counts in small graphs, against counting by hand."""

import pytest
import tensorflow as tf

from sagan_tf import SAGAN
from sagan_tf.planning.counted_flops import counted_flops, product_flops, step_count
from sagan_tf.planning.flops import training_step_flops
from tests.planning.flops_test import (
    convolution,
    row_sums,
    small_discriminator,
    small_generator,
)


def test_what_nothing_needs_is_not_counted():
    kernel = tf.ones((3, 3, 4, 5))

    @tf.function
    def gradient(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = tf.reduce_sum(tf.nn.conv2d(x, kernel, 1, "SAME"))
        return tape.gradient(y, x)

    concrete = gradient.get_concrete_function(tf.TensorSpec((2, 8, 6, 4)))
    counted, _ = counted_flops(concrete)
    assert counted["Conv2DBackpropInput"] == 2 * convolution(8, 6, 4, 5)
    assert "Conv2DBackpropFilter" not in counted and "Conv2D" not in counted


def test_a_loop_is_reported_since_its_inside_is_not_counted():
    @tf.function
    def power(x):
        for _ in tf.range(3):
            x = x @ x
        return x

    counted, opaque = counted_flops(power.get_concrete_function(tf.TensorSpec((4, 4))))
    assert product_flops(counted) == 0
    assert any("While" in name for name in opaque)


def test_a_transposed_factor_is_counted_by_its_own_shape():
    function = tf.function(lambda a, b: tf.matmul(a, b, transpose_a=True))
    concrete = function.get_concrete_function(
        tf.TensorSpec((2, 7, 3)), tf.TensorSpec((2, 7, 5))
    )
    counted, _ = counted_flops(concrete)
    assert product_flops(counted) == 2 * 2 * 7 * 3 * 5


@pytest.mark.slow
def test_a_step_is_counted_unless_it_has_loops():
    networks = small_generator(), small_discriminator()
    model = SAGAN(*networks, num_classes=0)
    model.compile()
    formula = sum(training_step_flops(*networks, 7).values())
    formula += row_sums(*networks, 7)
    assert abs(step_count(model, batch_size=7) - formula) < 1e-3 * formula
    parts = [layer for layer in networks[0].layers if hasattr(layer, "chunk_size")]
    parts[0].chunk_size = 8
    model = SAGAN(*networks, num_classes=0)
    model.compile()
    assert step_count(model, batch_size=7) is None

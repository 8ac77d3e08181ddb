"""The residual block that has as many parameters as attention."""

import numpy as np
import pytest

from sagan_tf.layers import SelfAttention
from sagan_tf.layers.residual_bottleneck import ResidualBottleneck, bottleneck_widths


def parameters(layer, channels):
    layer.build((None, 4, 6, channels))
    return sum(int(np.prod(weight.shape)) for weight in layer.trainable_weights)


# The widths at which the paper's columns have attention, and those of smaller networks.
@pytest.mark.parametrize("channels", [32, 48, 64, 96, 128, 256, 512, 1024])
def test_it_has_the_parameters_of_attention_to_within_one_percent(channels):
    ours = parameters(ResidualBottleneck(), channels)
    assert ours == pytest.approx(1.25 * channels**2 + 1, rel=0.01)
    if channels <= 256:
        theirs = parameters(SelfAttention(), channels)
        assert theirs == 1.25 * channels**2 + 1


def test_no_other_widths_come_nearer_than_one_percent_where_it_misses():
    # 16 channels: 325 parameters for 321 is the best that there is.
    wanted = 1.25 * 16**2
    sizes = [16 * (a + b) + 9 * a * b for a in range(1, 40) for b in range(1, 40)]
    a, b = bottleneck_widths(16)
    ours = 16 * (a + b) + 9 * a * b
    assert abs(ours - wanted) == min(abs(size - wanted) for size in sizes)
    assert abs(ours - wanted) / wanted > 0.01


def test_widths_are_alike_where_several_would_do():
    for channels in (64, 128, 256, 512):
        first, second = bottleneck_widths(channels)
        assert max(first, second) < 1.5 * min(first, second)


def test_it_begins_as_the_identity_and_gamma_lets_it_in():
    layer = ResidualBottleneck()
    x = np.random.default_rng(0).normal(size=(2, 4, 6, 16)).astype("float32")
    np.testing.assert_array_equal(layer(x), x)
    layer.gamma.assign(0.5)
    half = layer(x) - x
    layer.gamma.assign(1.0)
    np.testing.assert_allclose(layer(x) - x, 2 * half, atol=1e-6)
    assert np.abs(half).max() > 1e-3


def test_it_sees_three_by_three_locations_and_no_more():
    layer = ResidualBottleneck()
    x = np.random.default_rng(0).normal(size=(1, 9, 9, 16)).astype("float32")
    layer.build(x.shape)
    layer.gamma.assign(1.0)
    moved = x.copy()
    moved[0, 4, 4] += 1.0
    changed = np.abs(np.asarray(layer(moved)) - layer(x)).max(-1)[0] > 1e-7
    rows, columns = np.nonzero(changed)
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (3, 5, 3, 5)

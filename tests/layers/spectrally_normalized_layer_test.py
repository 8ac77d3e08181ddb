"""The base of the layers that are made of convolutions and matrices."""

import keras
import numpy as np
import pytest

from sagan_tf.layers import SpectralNormalization
from sagan_tf.layers.spectrally_normalized_layer import SpectrallyNormalizedLayer

SETTINGS = {
    "power_iterations": 3,
    "stop_gradient": True,
    "clamp_sigma": True,
}


def test_parts_are_wrapped_with_the_settings_of_the_layer():
    layer = SpectrallyNormalizedLayer(**SETTINGS)
    part = layer.convolution(6, 3, "first")
    assert isinstance(part, SpectralNormalization)
    assert part.name == "first"
    assert {name: getattr(part, name) for name in SETTINGS} == SETTINGS


def test_without_spectral_normalization_parts_are_as_they_are():
    layer = SpectrallyNormalizedLayer(spectral_normalization=False)
    part = layer.convolution(6, 3, "first", use_bias=False)
    assert type(part) is keras.layers.Conv2D
    assert (part.padding, part.strides, part.use_bias) == ("same", (1, 1), False)


def draw(shape, dtype=None):
    return keras.random.normal(shape, dtype=dtype)


@pytest.mark.parametrize(
    "initializer",
    [
        "orthogonal",
        "glorot_uniform",
        keras.initializers.GlorotUniform(seed=1),
        "seed generator",
        draw,
    ],
)
def test_parts_of_one_shape_do_not_start_with_the_same_values(initializer):
    keras.utils.set_random_seed(0)
    if initializer == "seed generator":
        seed = keras.random.SeedGenerator(1)
        initializer = keras.initializers.GlorotUniform(seed)
    layer = SpectrallyNormalizedLayer(kernel_initializer=initializer)
    parts = [layer.convolution(6, 3, name) for name in ("first", "second")]
    for part in parts:
        part.build((None, 8, 9, 4))
    one, other = (part.weight.numpy() for part in parts)
    assert np.all(one != other)


def test_the_first_part_has_the_seed_of_the_initializer():
    initializer = keras.initializers.GlorotUniform(seed=1)
    layer = SpectrallyNormalizedLayer(kernel_initializer=initializer)
    part = layer.dense(6, "first")
    part.build((None, 4))
    np.testing.assert_array_equal(part.weight, initializer((4, 6)))

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


@pytest.mark.parametrize("initializer", ["orthogonal", "glorot_uniform"])
def test_parts_of_one_shape_do_not_start_with_the_same_values(initializer):
    keras.utils.set_random_seed(0)
    layer = SpectrallyNormalizedLayer(kernel_initializer=initializer)
    parts = [layer.convolution(6, 3, name) for name in ("first", "second")]
    for part in parts:
        part.build((None, 8, 9, 4))
    one, other = (part.weight.numpy() for part in parts)
    assert np.all(one != other)

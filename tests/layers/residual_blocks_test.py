"""Residual blocks compute their formulas. `contract_test.py` has the common rules."""

import keras
import numpy as np
import pytest
from keras import ops

from sagan_tf.layers import (
    DiscriminatorBlock,
    DiscriminatorOptimizedBlock,
    GeneratorBlock,
)
from sagan_tf.layers.resampling_convolutions import downsample, upsample

X = np.random.default_rng(0).normal(size=(2, 8, 10, 4)).astype("float32")
PLAIN = {"spectral_normalization": False}


def convolved(part, x):
    """A SAME convolution with the weights of one of a block's parts."""
    x = ops.conv(x, part.kernel, padding="same", data_format="channels_last")
    return x + part.bias


def with_random_biases(block, *inputs):
    """The block, built, with weights that are all unlike zero."""
    keras.utils.set_random_seed(0)
    block(*inputs)
    random = np.random.default_rng(1)
    for variable in block.trainable_variables:
        if variable.name in ("bias", "gamma", "beta"):
            variable.assign(random.normal(size=variable.shape))
    return block


@pytest.mark.parametrize("downsampled", [False, True])
@pytest.mark.parametrize("filters", [4, 6])
def test_discriminator_block_is_its_formula(downsampled, filters):
    block = with_random_biases(DiscriminatorBlock(filters, downsampled, **PLAIN), X)
    down = downsample if downsampled else ops.convert_to_tensor
    h = convolved(block.convolution_1, ops.relu(X))
    expected = down(convolved(block.convolution_2, ops.relu(h)))
    if filters == 4 and not downsampled:
        assert block.shortcut is None
        expected += X
    else:
        expected += convolved(block.shortcut, down(X))
    np.testing.assert_allclose(block(X), expected, atol=1e-5)


def test_first_block_sees_the_image_without_activation():
    block = with_random_biases(DiscriminatorOptimizedBlock(6, **PLAIN), X)
    h = ops.relu(convolved(block.convolution_1, X))
    expected = downsample(convolved(block.convolution_2, h))
    expected += convolved(block.shortcut, downsample(X))
    np.testing.assert_allclose(block(X), expected, atol=1e-5)


@pytest.mark.parametrize("normalize_tables", [False, True])
def test_generator_block_is_its_formula(normalize_tables):
    labels = np.array([2, 0], "int32")
    block = GeneratorBlock(6, 3, normalize_tables=normalize_tables, **PLAIN)
    block = with_random_biases(block, X, labels)
    h = ops.relu(block.batch_norm_1(X, labels))
    h = convolved(block.convolution_1, upsample(h))
    h = convolved(block.convolution_2, ops.relu(block.batch_norm_2(h, labels)))
    expected = h + upsample(convolved(block.shortcut, X))
    np.testing.assert_allclose(block(X, labels), expected, atol=1e-4)

"""Conditional batch normalisation with normalised tables."""

import keras
import numpy as np
import pytest

from sagan_tf.layers import (
    ConditionalBatchNorm,
    SpectralConditionalBatchNorm,
)
from tests.networks.folding_test import plain_copy

CLASSES, CHANNELS = 5, 4


def layer_and_batch():
    random = np.random.default_rng(0)
    x = random.normal(1, 2, (8, 3, 5, CHANNELS)).astype("float32")
    labels = random.integers(0, CLASSES, 8).astype("int32")
    layer = SpectralConditionalBatchNorm(CLASSES, power_iterations=100)
    layer(x, labels)
    for table in (layer.gain, layer.bias):
        table.weight.assign(random.normal(size=(CLASSES, CHANNELS)))
    return layer, x, labels


def test_equals_the_formula():
    layer, x, labels = layer_and_batch()
    gain, bias = (
        table.weight.numpy() / np.linalg.svd(table.weight.numpy())[1][0]
        for table in (layer.gain, layer.bias)
    )
    normal = (x - x.mean((0, 1, 2))) / np.sqrt(x.var((0, 1, 2)) + layer.epsilon)
    expected = (1 + gain[labels][:, None, None]) * normal + bias[labels][:, None, None]
    np.testing.assert_allclose(layer(x, labels, training=True), expected, atol=1e-4)


def test_tables_are_what_each_class_gets():
    layer, x, labels = layer_and_batch()
    plain = ConditionalBatchNorm(CLASSES)
    plain.build(x.shape)
    for variable, values in zip((plain.gamma, plain.beta), layer.tables()):
        variable.assign(values)
    np.testing.assert_allclose(layer(x, labels), plain(x, labels), atol=1e-5)


def test_a_folded_model_has_the_quotients_as_tables():
    layer, x, labels = layer_and_batch()
    inputs = [keras.Input(x.shape[1:]), keras.Input((), dtype="int32")]
    model = keras.Model(inputs, layer(*inputs))
    folded = plain_copy(model)
    np.testing.assert_allclose(folded([x, labels]), model([x, labels]), atol=1e-5)
    assert "u" not in {weight.name for weight in folded.weights}


def test_scaling_a_table_changes_nothing():
    layer, x, labels = layer_and_batch()
    before = np.asarray(layer(x, labels))
    layer.gain.weight.assign(7 * layer.gain.weight)
    np.testing.assert_allclose(layer(x, labels), before, atol=1e-5)


def test_both_tables_begin_with_other_values():
    layer = SpectralConditionalBatchNorm(CLASSES)
    layer.build((None, 3, 5, CHANNELS))
    assert np.abs(layer.gain.weight - layer.bias.weight).max() > 0.01


def test_it_needs_classes():
    with pytest.raises(ValueError, match="needs classes. Received: num_classes=None"):
        SpectralConditionalBatchNorm(None)

"""A folded generator of Keras' own layers draws the same."""

import keras
import numpy as np
import pytest

from sagan_tf.networks.attention_scores import attention_layers, with_attention_scores
from sagan_tf.networks.folding import fold_generator
from sagan_tf.networks.standard_layers import attention_map, with_standard_layers
from tests.networks.folding_test import inputs, make_generator


@pytest.mark.parametrize(
    "options",
    [
        {"variant": "official"},
        {"variant": "paper_v1"},
        {"variant": "paper_icml"},
        {"variant": "residual"},
        {"num_classes": 0, "image_channels": 1},
    ],
    ids=str,
)
def test_it_draws_the_same(options):
    keras.config.set_dtype_policy("float64")  # No rounding hides an error.
    num_classes = options.get("num_classes", 5)
    generator = make_generator(**options)
    for layer in generator.layers:
        # A negative factor and a pool of maxima are not to be exchanged.
        if hasattr(layer, "gamma") and layer.gamma.shape == ():
            layer.gamma.assign(-0.9)
    z, labels = inputs(num_classes)
    given = [z, labels] if num_classes else z
    images = generator(given, training=False)
    standard = with_standard_layers(fold_generator(generator))
    np.testing.assert_allclose(standard(given), images, atol=1e-9)
    assert np.std(images) > 0.05


@pytest.fixture(scope="module")
def standard():
    return with_standard_layers(fold_generator(make_generator()))


def test_all_layers_are_of_keras(standard):
    modules = {type(layer).__module__ for layer in standard._flatten_layers()}
    assert {module.split(".")[0] for module in modules} == {"keras"}


def test_inputs_and_names_are_the_generators(standard):
    generator = make_generator()
    assert standard.name == generator.name
    assert [each.name for each in standard.inputs] == ["z", "labels"]
    assert [each.dtype for each in standard.inputs] == ["float32", "int32"]
    assert standard.output_shape == generator.output_shape
    names = {layer.name for layer in standard.layers}
    assert {"linear", "block_8x8", "attention_16x16", "tanh"} <= names


@pytest.mark.parametrize("variant", ["official", "paper_icml"])
def test_its_attention_map_is_the_generators(variant):
    generator = make_generator(variant=variant)
    (layer,) = attention_layers(generator)
    standard = with_standard_layers(fold_generator(generator))
    model = keras.Model(standard.inputs, attention_map(standard, layer))
    found, expected = model([*inputs()]), with_attention_scores(generator)([*inputs()])
    np.testing.assert_allclose(found, expected[layer.name], atol=1e-5)
    assert np.max(found) > 2 / np.prod(found.shape[3:])


def test_training_does_not_change_what_it_draws(standard):
    given = [*inputs()]
    images = standard(given, training=False)
    np.testing.assert_array_equal(standard(given, training=True), images)
    np.testing.assert_array_equal(standard(given, training=False), images)


def test_a_generator_that_is_not_folded_is_refused():
    with pytest.raises(ValueError, match="from fold_generator. Received: linear"):
        with_standard_layers(make_generator())

"""A folded generator gives the same images in fewer operations."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from sagan_tf.layers import ConditionalBatchNorm, SpectralNormalization
from sagan_tf.networks.builders import build_discriminator, build_generator
from sagan_tf.networks.folding import (
    Affine,
    fold_generator,
    folded_weights,
    without_spectral_normalization,
)


def make_generator(num_classes=5, variant="official", **options):
    """A generator none of whose weights is what it starts with."""
    generator = build_generator(
        32,
        6,
        num_classes,
        channels=2,
        attention_resolution=(16,),
        attention_variant=variant,
        **options,
    )
    random = np.random.default_rng(0)
    for variable in generator.weights:
        value = random.normal(size=variable.shape)
        # A variance is above 0; the others keep their scale.
        is_variance = variable.name == "moving_variance"
        old = keras.ops.convert_to_numpy(variable)
        variable.assign(np.exp(value) if is_variance else old + 0.2 * value)
    return generator


def inputs(num_classes=5):
    random = np.random.default_rng(1)
    z = tf.constant(random.normal(size=(7, 6)), tf.float32)
    return z, tf.constant(random.integers(0, num_classes or 1, 7), tf.int32)


@pytest.mark.parametrize(
    "options",
    [
        {"variant": "official"},
        {"variant": "paper_v1"},
        {"variant": "paper_icml"},
        {"variant": "residual"},
        {"clamp_sigma": True},
        {"normalize_tables": True},
    ],
    ids=str,
)
def test_any_class_gives_the_same_images(options):
    generator = make_generator(**options)
    z, labels = inputs()
    images = generator([z, labels], training=False)
    np.testing.assert_allclose(
        fold_generator(generator)([z, labels]), images, atol=1e-5
    )
    assert np.std(images) > 0.05
    assert np.max(np.abs(generator([z, (labels + 1) % 5]) - images)) > 0.1


@pytest.mark.parametrize("spectral_norm", [True, False])
def test_one_class_gives_the_same_images_from_z_alone(spectral_norm):
    # Without spectral norm the values grow, and with them float32's rounding.
    keras.config.set_dtype_policy("float64")
    generator = make_generator(spectral_norm=spectral_norm)
    z, _ = inputs()
    for label in (0, 4):
        images = generator([z, tf.fill([7], label)], training=False)
        folded = fold_generator(generator, label)
        assert len(folded.inputs) == 1
        np.testing.assert_allclose(folded(z), images, atol=1e-9)


def test_no_classes_give_the_same_images():
    generator = make_generator(num_classes=0)
    z, _ = inputs()
    images = generator(z, training=False)
    np.testing.assert_allclose(fold_generator(generator)(z), images, atol=1e-5)


def test_nothing_is_left_of_the_training():
    generator = make_generator()
    before = [variable.numpy() for variable in generator.weights]
    folded = fold_generator(generator, 3)
    names = {variable.name for variable in folded.weights}
    assert names == {"kernel", "bias", "gamma", "scale", "shift"}
    # gamma: the attention's. One affine for each of three blocks, and the last one.
    assert sum(variable.name == "scale" for variable in folded.weights) == 4
    z, _ = inputs()
    folded(z, training=True)
    for variable, old in zip(generator.weights, before, strict=True):
        np.testing.assert_array_equal(variable, old)


@pytest.mark.slow
def test_fewer_operations_run():
    generator = make_generator()
    z, labels = inputs()
    counts = []
    for network, arguments in (
        (generator, [z, labels]),
        (fold_generator(generator), [z, labels]),
        (fold_generator(generator, 3), z),
    ):
        run = tf.function(lambda x, network=network: network(x, training=False))
        graph = run.get_concrete_function(arguments).graph
        counts.append(
            sum(
                op.type not in ("Const", "Placeholder") for op in graph.get_operations()
            )
        )
    assert counts[2] < 0.7 * counts[1] < 0.5 * counts[0]


def test_is_saved_and_loaded(tmp_path):
    folded = fold_generator(make_generator())
    folded.save(tmp_path / "folded.keras")
    again = keras.saving.load_model(tmp_path / "folded.keras")
    z, labels = inputs()
    np.testing.assert_array_equal(again([z, labels]), folded([z, labels]))


def test_mixed_precision_is_kept():
    keras.config.set_dtype_policy("mixed_bfloat16")
    generator = make_generator()
    folded = fold_generator(generator)
    assert folded.get_layer("block_8x8").compute_dtype == "bfloat16"
    z, labels = inputs()
    images = generator([z, labels], training=False)
    np.testing.assert_allclose(folded([z, labels]), images, atol=0.1)


def test_affine_is_batch_norm_in_inference():
    random = np.random.default_rng(0)
    batch_norm = ConditionalBatchNorm(3)
    x = tf.constant(random.normal(size=(4, 5, 6, 7)), tf.float32)
    labels = tf.constant([2, 0, 1, 1])
    expected = batch_norm(x, labels)
    affine = Affine(3)
    affine(x, labels)
    affine.scale.assign(np.full((3, 7), 1 / np.sqrt(1 + 1e-5)))
    np.testing.assert_allclose(affine(x, labels), expected, atol=1e-6)
    np.testing.assert_array_equal(affine(x, labels[:, None]), affine(x, labels))
    with pytest.raises(ValueError, match="num_classes=3"):
        affine(x)


@pytest.mark.parametrize(("num_classes", "label"), [(5, 5), (5, -1), (0, 0)])
def test_a_class_that_is_not_there_is_named(num_classes, label):
    with pytest.raises(ValueError, match=f"Received: label={label}"):
        fold_generator(make_generator(num_classes), label)


def plain_copy(model):
    """A copy of a functional model with every `W / sigma` as a plain kernel."""
    copy = keras.models.clone_model(
        model, clone_function=without_spectral_normalization
    )
    copy.set_weights(folded_weights(model))
    return copy


def test_folded_layer_computes_the_same():
    layer = SpectralNormalization(keras.layers.Conv2D(3, 2))
    x = np.random.default_rng(0).normal(size=(2, 5, 6, 4)).astype("float32")
    expected = layer(x)
    folded = without_spectral_normalization(layer)
    folded.build(x.shape)
    folded.set_weights(folded_weights(layer))
    assert type(folded) is keras.layers.Conv2D
    np.testing.assert_allclose(folded(x), expected, atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("variant", ["official", "paper_v1"])
def test_folded_network_computes_the_same_without_u(variant):
    keras.utils.set_random_seed(0)
    random = np.random.default_rng(0)
    options = {
        "num_classes": 3,
        "channels": 2,
        "attention_resolution": (16,),
        "attention_variant": variant,
    }
    labels = tf.constant([0, 2])
    for network, x in (
        (build_generator(32, 5, **options), random.normal(size=(2, 5))),
        (build_discriminator(32, **options), random.normal(size=(2, 32, 32, 3))),
    ):
        network.get_layer("attention_16x16").gamma.assign(0.7)
        inputs = [tf.constant(x, "float32"), labels]
        folded = plain_copy(network)
        np.testing.assert_allclose(folded(inputs), network(inputs), atol=2e-5)
        assert not [w.path for w in folded.weights if w.path.endswith("/u")]
        assert len(folded.trainable_weights) == len(network.trainable_weights)


def nested(x):
    return keras.Sequential([SpectralNormalization(keras.layers.Dense(3))])(x)


def in_time(x):
    dense = SpectralNormalization(keras.layers.Dense(3))
    return keras.layers.TimeDistributed(dense)(keras.layers.Reshape((2, 4))(x))


def residual(x):
    return x * 2 + keras.layers.Dense(8)(x)


@pytest.mark.parametrize("layers", [nested, in_time, residual])
def test_what_cannot_be_folded_is_refused(layers):
    z = keras.Input((6,))
    network = keras.Model(z, layers(keras.layers.Dense(8)(z)))
    with pytest.raises(ValueError, match="a chain of layers .* Try the generator as"):
        fold_generator(network)


def test_a_network_that_is_no_functional_model_is_refused():
    with pytest.raises(ValueError, match=r"Received: mine \(Model\)"):
        fold_generator(keras.Model(name="mine"))


def test_a_generator_inside_another_network_is_refused():
    generator = make_generator()
    images = generator(generator.inputs)
    outer = keras.Model(generator.inputs, keras.layers.Rescaling(0.5, 0.5)(images))
    with pytest.raises(ValueError, match=r"Received: generator \(Functional\)"):
        fold_generator(outer)


def test_plain_layers_after_the_generator_are_folded():
    generator, (z, labels) = make_generator(), inputs()
    images = keras.layers.Rescaling(0.5, 0.5)(generator.outputs[0])
    outer = keras.Model(generator.inputs, images)
    np.testing.assert_allclose(
        fold_generator(outer)([z, labels]), outer([z, labels]), atol=1e-5
    )

"""The functions of an export, as functions of tensors: no SavedModel is written."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from sagan_tf import images
from sagan_tf.exports.signatures import draw_z, make_signatures
from sagan_tf.model import latents
from sagan_tf.networks.attention_scores import with_attention_scores
from sagan_tf.networks.builders import build_generator
from sagan_tf.networks.folding import fold_generator

Z_DIM, CLASSES = 6, 5
SEEDS = np.array([3, 2**40, -1, 7, 0, 11, 12, 13], np.int64)
LABELS = np.array([0, 1, 2, 3, 4, 0, 1, 2], np.int32)
Z = np.random.default_rng(0).normal(size=(8, Z_DIM)).astype(np.float32)


def make_generator(num_classes=CLASSES, attention=(16,), channels=3):
    """A generator whose attention does something."""
    generator = build_generator(
        32,
        Z_DIM,
        num_classes,
        channels=2,
        image_channels=channels,
        attention_resolution=attention,
    )
    random = np.random.default_rng(0)
    for variable in generator.trainable_variables:
        value = variable.numpy() + 0.3 * random.normal(size=variable.shape)
        variable.assign(value)
    return generator


def traced(generator, num_classes=CLASSES):
    """The signatures as an export has them."""
    return {
        name: tf.function(function, input_signature=specs, autograph=False)
        for name, (function, specs) in make_signatures(generator, num_classes).items()
    }


@pytest.fixture(scope="module")
def generator():
    return make_generator()


@pytest.fixture(scope="module")
def served(generator):
    return traced(fold_generator(generator))


def no_truncation(count):
    return np.zeros(count, np.float32)


def sample(served, labels=LABELS, seeds=SEEDS, truncation=None):
    truncation = no_truncation(len(seeds)) if truncation is None else truncation
    return served["sample"](labels, seeds, truncation)["pixels"].numpy()


def test_z_and_labels_become_pixels_and_images(served, generator):
    live = generator([Z, LABELS], training=False).numpy()
    assert np.std(live) > 0.1
    made = served["images"](Z, LABELS)["images"]
    np.testing.assert_allclose(made, live, atol=1e-5)
    pixels = served["serving_default"](Z, LABELS)["pixels"].numpy()
    assert pixels.dtype == np.uint8
    np.testing.assert_array_equal(pixels, images.to_pixels(made))


def test_a_seed_is_the_image_of_its_z(served, generator):
    z = latents.draw_z(SEEDS, Z_DIM).numpy()
    live = images.to_pixels(generator([z, LABELS], training=False).numpy())
    difference = np.abs(sample(served).astype(int) - live)
    assert difference.max() <= 1
    assert difference.mean() < 0.01


def test_a_image_depends_on_its_seed_and_label_alone(served):
    together = sample(served)
    for i in range(len(SEEDS)):
        alone = sample(served, LABELS[i : i + 1], SEEDS[i : i + 1])
        np.testing.assert_array_equal(alone[0], together[i])
    order = [5, 2, 7, 2]
    np.testing.assert_array_equal(
        sample(served, LABELS[order], SEEDS[order]), together[order]
    )
    assert np.any(together[0] != sample(served, LABELS[1:2], SEEDS[:1])[0])
    assert np.any(together[0] != sample(served, LABELS[:1], SEEDS[1:2])[0])


class Mixing(keras.layers.Layer):
    """Makes of every image something that depends on the others of its batch.

    Rounding does so in large networks, where it cannot be told beforehand.
    """

    def call(self, inputs):
        return inputs + keras.ops.mean(inputs, axis=0, keepdims=True)


@pytest.mark.parametrize("signature", ["sample", "sample_png"])
def test_images_of_seeds_are_computed_one_by_one(signature):
    z = keras.Input((Z_DIM,), name="z")
    x = keras.layers.Reshape((8, 8, 1))(keras.layers.Dense(64)(z))
    network = keras.Model(z, keras.layers.Activation("tanh")(Mixing()(x)))
    served = traced(network, 0)
    together = served["serving_default"](Z)["pixels"].numpy()
    assert np.any(served["serving_default"](Z[:1])["pixels"][0] != together[0])
    (together,) = served[signature](SEEDS, no_truncation(8)).values()
    for i in range(8):
        (alone,) = served[signature](SEEDS[i : i + 1], no_truncation(1)).values()
        np.testing.assert_array_equal(alone[0].numpy(), together[i].numpy())


def test_each_image_has_its_own_truncation(served):
    truncation = np.array([0, 0.5, 0, 1, 0, 2, 1e-6, 0.5], np.float32)
    made = sample(served, truncation=truncation)
    np.testing.assert_array_equal(
        made[truncation == 0], sample(served)[truncation == 0]
    )
    for i in np.flatnonzero(truncation):
        every = np.full(len(SEEDS), truncation[i], np.float32)
        np.testing.assert_array_equal(made[i], sample(served, truncation=every)[i])
        assert np.any(made[i] != sample(served)[i])


def test_truncation_means_what_it_means_elsewhere():
    truncation = tf.constant([0, 0.25, 1, 0.1], tf.float32)
    z = draw_z(tf.constant(SEEDS[:4]), Z_DIM, truncation).numpy()
    for i, value in enumerate([None, 0.25, 1.0, 0.1]):
        expected = latents.draw_z(SEEDS[i : i + 1], Z_DIM, truncation=value)
        np.testing.assert_array_equal(z[i], expected[0])


@pytest.mark.parametrize("channels", [1, 3])
def test_png_files_have_the_pixels(channels):
    served = traced(fold_generator(make_generator(channels=channels)))
    files = served["sample_png"](LABELS, SEEDS, no_truncation(8))["png_bytes"].numpy()
    pixels = np.stack([tf.io.decode_png(file).numpy() for file in files])
    assert pixels.shape == (8, 32, 32, channels)
    np.testing.assert_array_equal(pixels, sample(served))


def test_attention_is_that_of_the_live_generator(served, generator):
    made = served["attention"](Z, LABELS)
    assert set(made) == {"pixels", "attention_16x16"}
    assert made["attention_16x16"].shape == (8, 16, 16, 8, 8)
    expected = with_attention_scores(generator)([Z, LABELS])["attention_16x16"]
    np.testing.assert_allclose(made["attention_16x16"], expected, atol=1e-5)
    np.testing.assert_allclose(tf.reduce_sum(expected, (3, 4)), 1, atol=1e-5)
    pixels = served["serving_default"](Z, LABELS)["pixels"]
    np.testing.assert_array_equal(made["pixels"], pixels)


def test_a_generator_without_attention_has_no_such_signature():
    served = make_signatures(fold_generator(make_generator(attention=())), CLASSES)
    assert set(served) == {"serving_default", "images", "sample", "sample_png"}


def test_an_unconditional_generator_takes_no_labels():
    generator = make_generator(num_classes=0)
    served = traced(fold_generator(generator), 0)
    live = images.to_pixels(generator(Z, training=False).numpy())
    made = served["serving_default"](Z)["pixels"]
    assert np.max(np.abs(made.numpy().astype(int) - live)) <= 1
    assert len(served["images"].input_signature) == 1
    pixels = served["sample"](SEEDS, no_truncation(8))["pixels"]
    alone = served["sample"](SEEDS[3:4], no_truncation(1))["pixels"]
    np.testing.assert_array_equal(alone[0], pixels[3])
    assert served["attention"](Z)["attention_16x16"].shape == (8, 16, 16, 8, 8)


def test_attention_in_parts_is_served_too():
    generator = build_generator(
        32, Z_DIM, CLASSES, 2, attention_resolution=(16,), attention_chunk_size=64
    )
    generator.get_layer("attention_16x16").gamma.assign(1.0)
    served = traced(fold_generator(generator))
    live = generator([Z, LABELS], training=False)
    np.testing.assert_allclose(served["images"](Z, LABELS)["images"], live, atol=1e-5)
    assert sample(served).shape == (8, 32, 32, 3)


@pytest.mark.parametrize(
    ("signature", "inputs", "words"),
    [
        ("serving_default", (Z, LABELS + 1), "labels must be from 0 to 4"),
        ("serving_default", (Z, LABELS - 1), "labels must be from 0 to 4"),
        ("attention", (Z, LABELS + 1), "labels must be from 0 to 4"),
        ("sample", (LABELS + 1, SEEDS, no_truncation(8)), r"from 0 to 4.*1 2 3 4 5"),
        ("sample_png", (LABELS - 1, SEEDS, no_truncation(8)), "from 0 to 4"),
        # These would be spread over the other input.
        ("images", (Z, LABELS[:1]), r"equal lengths, 1 or more.*\[8 1\]"),
        ("images", (Z[:1], LABELS), "z, labels must have equal lengths"),
        ("sample", (LABELS, SEEDS[:1], no_truncation(8)), "equal lengths"),
        ("sample", (LABELS, SEEDS, no_truncation(1)), "equal lengths"),
        ("images", (Z[:0], LABELS[:0]), "1 or more"),
        ("sample", (LABELS[:0], SEEDS[:0], no_truncation(0)), "1 or more"),
        ("images", (np.full_like(Z, np.nan), LABELS), "z must be finite"),
        ("images", (np.full_like(Z, np.inf), LABELS), "z must be finite"),
        ("sample", (LABELS, SEEDS, no_truncation(8) - 1), "truncation must be above 0"),
        (
            "sample",
            (LABELS, SEEDS, no_truncation(8) + np.nan),
            "truncation must be above",
        ),
        (
            "sample",
            (LABELS, SEEDS, no_truncation(8) + np.inf),
            "truncation must be above",
        ),
    ],
)
def test_wrong_inputs_are_named(served, signature, inputs, words):
    with pytest.raises(tf.errors.InvalidArgumentError, match=words):
        served[signature](*inputs)

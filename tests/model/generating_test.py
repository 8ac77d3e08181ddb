"""Images out of a generator."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from sagan_tf.model import generating, latents
from tests.model.sagan_test import networks


def test_one_each_draws_z_and_labels_from_the_seeds():
    z, labels = generating.one_each([4, 9], [], z_dim=5, num_classes=10)
    np.testing.assert_array_equal(z, latents.draw_z([4, 9], 5))
    np.testing.assert_array_equal(labels, latents.draw_labels([4, 9], 10))
    assert generating.one_each([4, 9], [], 5, num_classes=0)[1] is None


def test_one_each_pairs_every_label_with_every_seed():
    z, labels = generating.one_each([4, 9], [1, 7], z_dim=5, num_classes=10)
    np.testing.assert_array_equal(labels, [1, 1, 7, 7])
    np.testing.assert_array_equal(z[:2], z[2:])


@pytest.mark.slow
@pytest.mark.parametrize("num_classes", [3, None])
def test_every_way_gives_the_images_of_the_generator_in_inference(num_classes):
    generator, _ = networks(num_classes)
    z = np.random.default_rng(0).normal(size=(3, 5)).astype("float32")
    labels = None if num_classes is None else np.array([2, 0, 1], "int32")
    both = z if labels is None else [z, labels]
    expected = generator(both, training=False)
    found = generating.generate_one_by_one(generator, z, labels)
    np.testing.assert_allclose(found, expected, atol=1e-5)
    if labels is not None:
        labels = tf.constant(labels)
    function = generating.from_network(generator)
    assert function.z_dim == 5
    np.testing.assert_array_equal(
        function(tf.constant(z, tf.float64), labels), expected
    )
    given = [] if labels is None else [labels]
    found = generating.generate(generator, tf.constant(z), *given)
    np.testing.assert_array_equal(found, expected)


class BatchDependent(keras.Model):
    """A network whose images would show it if they shared a batch."""

    def call(self, z, training=None):
        if training:
            raise ValueError("Received: training=True.")
        return (z - keras.ops.sum(z, axis=0))[:, None, None, :]


def test_images_are_generated_one_by_one():
    z = np.random.default_rng(0).normal(size=(3, 2)).astype(np.float32)
    images = generating.generate_one_by_one(BatchDependent(), z)
    np.testing.assert_array_equal(images, np.zeros((3, 1, 1, 2)))

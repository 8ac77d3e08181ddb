"""From seeds and labels to z and images."""

import keras
import numpy as np

from sagan_tf.model import generating, latents


def test_without_labels_each_seed_has_its_own():
    z, labels = generating.one_each([4, 9], [], z_dim=3, num_classes=10)
    np.testing.assert_array_equal(z, latents.draw_z([4, 9], 3))
    np.testing.assert_array_equal(labels, latents.draw_labels([4, 9], 10))


def test_each_label_gets_all_seeds():
    z, labels = generating.one_each([4, 9], [1, 5, 7], z_dim=3, num_classes=10)
    assert labels.tolist() == [1, 1, 5, 5, 7, 7]
    np.testing.assert_array_equal(z[0], z[2])
    np.testing.assert_array_equal(z[1], z[5])


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

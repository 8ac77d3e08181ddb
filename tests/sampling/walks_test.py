"""From seeds and labels to z and images."""

import keras
import numpy as np
import pytest

from sagan_tf.model import generating, latents
from sagan_tf.sampling import walks


def test_without_labels_each_seed_has_its_own():
    z, labels = generating.one_each([4, 9], [], z_dim=3, num_classes=10)
    np.testing.assert_array_equal(z, latents.draw_z([4, 9], 3))
    np.testing.assert_array_equal(labels, latents.draw_labels([4, 9], 10))


def test_each_label_gets_all_seeds():
    z, labels = generating.one_each([4, 9], [1, 5, 7], z_dim=3, num_classes=10)
    assert labels.tolist() == [1, 1, 5, 5, 7, 7]
    np.testing.assert_array_equal(z[0], z[2])
    np.testing.assert_array_equal(z[1], z[5])


def test_slerp_keeps_the_length_where_a_straight_line_would_not():
    start, end = np.float32([2.0, 0.0, 0.0]), np.float32([0.0, 0.0, 2.0])
    path = walks.slerp(start, end, np.linspace(0, 1, 5))
    np.testing.assert_allclose(np.linalg.norm(path, axis=1), 2.0, rtol=1e-6)
    np.testing.assert_allclose(path[0], start, atol=1e-6)
    np.testing.assert_allclose(path[-1], end, atol=1e-6)
    np.testing.assert_allclose(path[2], [2**0.5, 0.0, 2**0.5], rtol=1e-6)


@pytest.mark.parametrize("sign", [1, -1])
def test_slerp_between_parallel_vectors_is_a_straight_line(sign):
    start = np.float32([1.0, 2.0])
    path = walks.slerp(start, sign * 3 * start, np.array([0.0, 0.5, 1.0]))
    np.testing.assert_allclose(path[1], (1 + sign * 3) / 2 * start, rtol=1e-5)


def test_slerp_from_nowhere_to_nowhere_stays_there():
    zeros = np.zeros(3, np.float32)
    path = walks.slerp(zeros, zeros, np.array([0.0, 0.5, 1.0]))
    np.testing.assert_array_equal(path, np.zeros((3, 3)))


def test_a_walk_goes_from_seed_to_seed():
    z, labels = walks.walks([4, 9, 2], [], 3, z_dim=5, num_classes=10)
    assert z.shape == (6, 5)
    np.testing.assert_allclose(z[[0, 2, 5]], latents.draw_z([4, 9, 2], 5), atol=1e-5)
    np.testing.assert_allclose(z[3], z[2], atol=1e-5)
    own = latents.draw_labels([4, 9], 10).numpy()
    assert labels.tolist() == np.repeat(own, 3).tolist()


def test_each_label_gets_all_walks():
    z, labels = walks.walks([4, 9, 2], [8, 6], 3, z_dim=5, num_classes=10)
    assert labels.tolist() == [8] * 6 + [6] * 6
    np.testing.assert_array_equal(z[:6], z[6:])


@pytest.mark.parametrize(("seeds", "frames"), [([1], 5), ([1, 2], 1)])
def test_a_walk_needs_two_ends(seeds, frames):
    with pytest.raises(ValueError, match="two seeds and two columns"):
        walks.walks(seeds, [], frames, z_dim=5, num_classes=0)


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

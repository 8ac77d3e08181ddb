"""Paths from z to z and from class to class."""

import numpy as np
import pytest

from sagan_tf.model import latents
from sagan_tf.sampling import walks


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


def test_a_path_goes_from_seed_to_seed():
    z = walks.z_path([4, 9, 2], 3, z_dim=5)
    assert z.shape == (6, 5)
    np.testing.assert_allclose(z[[0, 2, 5]], latents.draw_z([4, 9, 2], 5), atol=1e-5)
    np.testing.assert_allclose(z[3], z[2], atol=1e-5)


@pytest.mark.parametrize(("seeds", "frames"), [([1], 5), ([1, 2], 1)])
def test_a_path_needs_two_ends(seeds, frames):
    with pytest.raises(ValueError, match="two seeds and two columns"):
        walks.z_path(seeds, frames, z_dim=5)


@pytest.mark.parametrize("frames", [2, 3, 7, 10, 100])
def test_shares_sum_to_one_and_ends_are_pure(frames):
    path = walks.class_path([3, 1, 1, 0], frames, 5)
    assert path.dtype == np.float32
    assert path.shape == (3 * frames, 5)
    np.testing.assert_allclose(path.sum(axis=1), 1, rtol=1e-6)
    ends = path.reshape(3, frames, 5)[:, [0, -1]].argmax(-1)
    assert ends.tolist() == [[3, 1], [1, 1], [1, 0]]
    assert set(path.reshape(3, frames, 5)[:, [0, -1]].ravel()) == {0, 1}

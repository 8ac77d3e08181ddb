"""Degradations: by how much, of what, and what stays."""

import numpy as np
import pytest

from sagan_tf.evaluation.degradations import add_noise, blur, drop_modes


def images(count=6, resolution=8, channels=3):
    """Random images, some pixels of which are at the ends of the range."""
    values = np.random.default_rng(0).normal(size=(count, resolution, resolution, 1))
    values = values * np.linspace(1, 2, channels)
    return np.clip(values, -1, 1).astype(np.float32)


DEGRADATIONS = {
    "blur": lambda images, amount: blur(images, amount),
    "add_noise": lambda images, amount: add_noise(images, amount),
    "drop_modes": lambda images, amount: drop_modes(
        images, np.arange(6, dtype=np.int32), 6 - amount
    )[0],
}
each = pytest.mark.parametrize("degrade", DEGRADATIONS.values(), ids=DEGRADATIONS)


@each
def test_shape_dtype_and_range_stay_and_the_original_does_too(degrade):
    original = images()
    result = degrade(original, 2)
    assert (result.shape, result.dtype) == (original.shape, np.float32)
    assert np.abs(result).max() <= 1
    np.testing.assert_array_equal(original, images())


@each
def test_more_is_further_from_the_original_and_nothing_is_no_change(degrade):
    distances = [np.abs(degrade(images(), n) - images()).mean() for n in range(4)]
    assert distances[0] == 0
    assert np.all(np.diff(distances) > 0)


def test_blur_spreads_a_point_as_a_gaussian_does():
    point = np.full((1, 15, 15, 1), 0.0, np.float32)
    point[0, 7, 7] = 1
    x = np.arange(15) - 7
    gaussian = np.exp(-(x**2) / (2 * 1.5**2))
    gaussian /= gaussian.sum()
    expected = np.outer(gaussian, gaussian)[None, :, :, None]
    np.testing.assert_allclose(blur(point, 1.5), expected, atol=1e-4)


def test_blur_does_not_mix_images_or_channels():
    one = images(1, channels=1)
    others = np.concatenate([one, np.ones_like(one), -one], axis=-1)
    both = np.concatenate([others, np.zeros_like(others)])
    np.testing.assert_array_equal(blur(both, 1)[:1, ..., :1], blur(one, 1))


def test_a_plain_image_stays_plain_up_to_its_border():
    plain = np.full((2, 8, 8, 1), 0.5, np.float32)
    np.testing.assert_allclose(blur(plain, 3), plain, atol=1e-6)


def test_noise_has_the_standard_deviation_asked_for():
    grey = np.zeros((50, 16, 16, 3), np.float32)
    noise = add_noise(grey, 0.1, seed=3)
    assert abs(noise.std() / 0.1 - 1) < 0.01
    assert abs(noise.mean()) < 0.001
    assert abs(np.corrcoef(noise[..., 0].ravel(), noise[..., 1].ravel())[0, 1]) < 0.03


def test_noise_and_dropping_follow_their_seed():
    labels = np.int32([0, 1, 0, 1, 2, 2])
    for degrade in (
        lambda seed: add_noise(images(), 0.3, seed),
        lambda seed: drop_modes(images(), labels, 2, seed)[0],
    ):
        np.testing.assert_array_equal(degrade(1), degrade(1))
        assert not np.array_equal(degrade(1), degrade(2))


def test_only_images_of_the_kept_classes_are_left_with_their_labels():
    labels = np.int32([3, 0, 2, 1, 3, 0])
    left, left_labels = drop_modes(images(), labels, 2)
    assert left_labels.dtype == np.int32
    np.testing.assert_array_equal(left_labels < 2, True)
    for image, label in zip(left, left_labels):
        (source,) = np.flatnonzero((images() == image).all((1, 2, 3)))
        assert labels[source] == label
    stayed = labels < 2
    np.testing.assert_array_equal(left[stayed], images()[stayed])


def test_what_cannot_be_is_refused():
    with pytest.raises(ValueError, match="sigma must be 0 or greater. Received: -1"):
        blur(images(), -1)
    with pytest.raises(ValueError, match="sd must be 0 or greater. Received: nan"):
        add_noise(images(), float("nan"))
    with pytest.raises(ValueError, match="num_kept_classes=2, 6 labels, none"):
        drop_modes(images(), np.full(6, 2, np.int32), 2)

"""How far two real images of a class are apart."""

import numpy as np
import pytest

from sagan_tf import data


def saved(tmp_path, **arrays):
    np.savez(tmp_path / "images.npz", **arrays)
    return data.open_source(f"npz:{tmp_path / 'images.npz'}")


def distance(source):
    return data.pair_distance(source, 32, 1, "nearest")


def test_only_pairs_of_one_class_count(tmp_path):
    """Constant images: their distance is the difference of their values."""
    levels = np.array([0, 51, 153, 255], np.uint8)
    images = np.broadcast_to(levels[:, None, None, None], (4, 32, 32, 1))
    source = saved(tmp_path, images=images, labels=np.array([0, 0, 1, 1]))
    # Pixels p are p / 127.5 - 1.
    np.testing.assert_allclose(distance(source), (51 + 102) / 2 / 127.5, rtol=1e-3)


def test_without_classes_all_pairs_count(tmp_path):
    levels = np.array([0, 51, 153], np.uint8)
    images = np.broadcast_to(levels[:, None, None, None], (3, 32, 32, 1))
    source = saved(tmp_path, images=images)
    np.testing.assert_allclose(
        distance(source), (51 + 153 + 102) / 3 / 127.5, rtol=1e-3
    )


def test_one_image_of_each_class_leaves_all_pairs(tmp_path):
    levels = np.array([0, 51], np.uint8)
    images = np.broadcast_to(levels[:, None, None, None], (2, 32, 32, 1))
    source = saved(tmp_path, images=images, labels=np.array([0, 1]))
    assert distance(source) == pytest.approx(51 / 127.5, rel=1e-3)


def test_digits_are_0_43_apart():
    """A constant of the data: what `configs/digits.flags` measures."""
    source = data.open_source("digits", split="train")
    found = data.pair_distance(source, 32, 1, "antialiased_bilinear")
    assert found == pytest.approx(0.43, abs=0.01)

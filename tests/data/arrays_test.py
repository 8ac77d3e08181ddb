import numpy as np
import pytest
from sklearn.datasets import load_digits

from sagan_tf.data import open_source

from .samples import random_pixels


def save(path, **arrays):
    np.savez(path / "a.npz", **arrays)
    return f"npz:{path}/a.npz"


def test_digits_are_spread_over_the_pixel_range():
    source = open_source("digits")
    assert (source.num_images, source.num_classes) == (1797, 10)
    assert source.class_names == tuple("0123456789")
    assert source.values.dtype == np.uint8 and source.values.shape == (1797, 8, 8, 1)
    values = load_digits().images[..., None]
    np.testing.assert_allclose(source.values, values * 255 / 16, atol=0.5)
    assert source.values.max() == 255
    element = source.decode({"index": 5})
    np.testing.assert_array_equal(element["image"], source.values[5])
    assert element["label"] == load_digits().target[5]


def test_npz_says_what_it_holds(tmp_path):
    images, labels = random_pixels(7, 4, 5, 3), np.array([0, 1, 4, 1, 0, 2, 2])
    source = open_source(save(tmp_path, images=images, labels=labels))
    assert source.description == "a.npz: 7 pictures of 4 x 5 x 3, 5 classes"
    assert source.class_names == ()
    names = ["ant", "bee", "cow", "doe", "emu", "fox"]
    source = open_source(
        save(tmp_path, images=images, labels=labels, class_names=names)
    )
    assert source.class_names == tuple(names) and source.num_classes == 6


def test_npz_without_labels_has_no_classes(tmp_path):
    source = open_source(save(tmp_path, images=random_pixels(7, 4, 5, 1)))
    assert source.num_classes == 0
    assert "no labels" in source.description


def test_label_offset_is_added(tmp_path):
    labels = np.array([1, 2, 3], np.uint8)
    dataset = save(tmp_path, images=random_pixels(3, 4, 4, 3), labels=labels)
    source = open_source(dataset, label_offset=-1)
    assert source.num_classes == 3
    assert [int(source.decode({"index": i})["label"]) for i in range(3)] == [0, 1, 2]


@pytest.mark.parametrize(
    "arrays, message",
    [
        ({"pictures": np.zeros(3)}, "must have an array 'images'.*Received: pictures"),
        ({"images": np.zeros([2, 4, 4, 3])}, r"must be uint8.*Received: float64 \(2,"),
        ({"images": np.zeros([2, 4, 4], np.uint8)}, r"Received: uint8 \(2, 4, 4\)"),
        ({"images": np.zeros([2, 4, 4, 5], np.uint8)}, "1 to 4 channels"),
        ({"images": np.zeros([0, 4, 4, 3], np.uint8)}, "'images' is empty"),
        ({"images": np.array([None])}, "cannot be read as a NumPy .npz file"),
    ],
)
def test_npz_with_other_images_is_refused(tmp_path, arrays, message):
    with pytest.raises(ValueError, match=f"a.npz.*{message}"):
        open_source(save(tmp_path, **arrays))


@pytest.mark.parametrize(
    "labels, message",
    [
        (np.array([0, 1]), r"shape \(3,\), one for each image. Received: int64 \(2,"),
        (np.array([0.0, 1, 2]), "must be integers.*Received: float64"),
        (np.array([0, -1, 2]), "Received: -1 for image 1 with label_offset=0"),
        (np.array([0, 9, 2]), "in 0..3.*Received: 9 for image 1"),
        (np.array([[0], [1], [2]]), r"Received: int64 \(3, 1\)"),
    ],
)
def test_npz_with_bad_labels_is_refused(tmp_path, labels, message):
    dataset = save(
        tmp_path,
        images=random_pixels(3, 4, 4, 3),
        labels=labels,
        class_names=["a", "b", "c", "d"],
    )
    with pytest.raises(ValueError, match=f"a.npz.*{message}"):
        open_source(dataset)


def test_an_implausible_label_is_refused(tmp_path):
    labels = np.array([0, 20251103])
    dataset = save(tmp_path, images=random_pixels(2, 4, 4, 3), labels=labels)
    with pytest.raises(ValueError, match="Received: a label of 20,251,103"):
        open_source(dataset)


def test_a_missing_or_damaged_npz_is_named(tmp_path):
    with pytest.raises(ValueError, match="There is no file .*no.npz"):
        open_source(f"npz:{tmp_path}/no.npz")
    dataset = save(tmp_path, images=random_pixels(3, 4, 4, 3))
    (tmp_path / "a.npz").write_bytes((tmp_path / "a.npz").read_bytes()[:-40])
    with pytest.raises(ValueError, match="a.npz cannot be read.*Try"):
        open_source(dataset)
    np.save(tmp_path / "b.npy", random_pixels(3, 4, 4, 3))
    with pytest.raises(ValueError, match="single array"):
        open_source(f"npz:{tmp_path}/b.npy")

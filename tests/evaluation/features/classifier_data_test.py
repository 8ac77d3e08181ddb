import numpy as np
import pytest

from sagan_tf import data
from sagan_tf.evaluation.features import classifier_data


@pytest.mark.parametrize(
    "choice, parts",
    [
        ({}, ("train", "test")),
        ({"split": "test"}, ("test", "train")),
        ({"held_out_split": "train"}, ("test", "train")),
        ({"held_out_dataset": "digits"}, ("train", "test")),
    ],
)
def test_what_is_held_out_is_not_trained_on(choice, parts):
    first, second, about = classifier_data.open_parts("digits", **choice)
    assert (about["split"], about["held_out_split"]) == parts
    assert not (first.kept & second.kept).any() and (first.kept | second.kept).all()


def test_each_part_is_opened_with_what_is_meant_for_it(monkeypatch):
    """Where prepared data sets are matters to those of TFDS alone."""
    opened = []

    def record(dataset, split, data_dir, manual_dir, label_offset, skip_bad_images):
        opened.append((dataset, split, data_dir, label_offset, skip_bad_images))
        return dataset

    monkeypatch.setattr(data, "open_source", record)
    choice = {"data_dir": "/prepared", "label_offset": -1, "skip_bad_images": True}
    classifier_data.open_parts("tfds:x", held_out_split="validation", **choice)
    classifier_data.open_parts("tfds:x", held_out_dataset="npz:y", **choice)
    common = -1, True
    assert opened == [
        ("tfds:x", None, "/prepared", *common),
        ("tfds:x", "validation", "/prepared", *common),
        ("tfds:x", None, "/prepared", *common),
        ("npz:y", None, None, *common),
    ]


@pytest.mark.parametrize(
    "dataset, choice, words",
    [
        ("tfds:x", {}, "dataset='tfds:x'.*--held_out_split=test"),
        ("tfrecord:x", {}, "dataset='tfrecord:x'.*--held_out_dataset=tfrecord:"),
        ("tfds:x", {"held_out_split": "train"}, "must be others"),
        ("digits", {"split": "test", "held_out_split": "test"}, "must be others"),
        ("tfrecord:x", {"held_out_dataset": "tfrecord:x"}, "to measure .*are needed"),
        ("npz:x", {"data_dir": "/x"}, "data_dir is for tfds"),
    ],
)
def test_parts_that_cannot_be_used_are_refused(dataset, choice, words):
    with pytest.raises(ValueError, match=words):
        classifier_data.open_parts(dataset, **choice)


def test_pictures_without_labels_or_with_other_ones_are_refused(tmp_path):
    def source(**arrays):
        images = np.zeros((12, 4, 4, 1), np.uint8)
        np.savez(tmp_path / "x.npz", images=images, **arrays)
        return data.open_source(f"npz:{tmp_path}/x.npz")

    unlabelled = source()
    one, three, four = (source(labels=np.arange(12) % n) for n in (1, 3, 4))
    named, renamed = (
        source(labels=np.arange(12) % 3, class_names=list(names))
        for names in ("abc", "cba")
    )
    classifier_data.check_classes(three, named)
    classifier_data.check_classes(four, three)
    for pair, words in (
        ((unlabelled, unlabelled), "needs labels.*no labels"),
        ((three, unlabelled), "needs labels.*no labels"),
        ((one, one), "two classes.*1 classes"),
        ((three, four), "classes that are trained on.*3 classes; .*4 classes"),
        ((named, renamed), "classes that are trained on"),
    ):
        with pytest.raises(ValueError, match=words):
            classifier_data.check_classes(*pair)


@pytest.mark.parametrize(
    "dataset, name",
    [
        ("digits", "digits-cnn"),
        ("npz:data/fashion_mnist_train.npz", "fashion_mnist_train-cnn"),
        ("folder:/data/my photos/", "my-photos-cnn"),
        ("tfds:imagenet_v2/topimages:3.1.0", "imagenet_v2-topimages-3.1.0-cnn"),
        ("tfrecord:/data/train-*", "train-cnn"),
        ("tfrecord:*", "tfrecord-cnn"),
    ],
)
def test_the_name_is_the_data_sets(dataset, name):
    assert classifier_data.default_name(dataset) == name


def test_every_held_out_picture_is_read_once_however_often_it_is_asked():
    source = data.open_source("digits", split="test")
    pictures = {
        "resolution": 8,
        "image_channels": 1,
        "resize": "area",
        "seed": 0,
    }
    batches = classifier_data.make_test_batches(source, pictures)
    for _ in range(2):
        assert sum(len(images) for images, _ in batches) == 359
    assert batches.cardinality() == 2


def test_shifts_are_whole_pixels_and_repeat_the_edge():
    """Each shifted image is a part of the image with its edge repeated."""
    images = np.random.default_rng(0).normal(size=(40, 6, 6, 2)).astype(np.float32)
    shifted = classifier_data.shift(images, 2, (0, 5)).numpy()
    padded = np.pad(images, [(0, 0), (2, 2), (2, 2), (0, 0)], "edge")
    found = set()
    for before, after in zip(padded, shifted):
        places = [
            (top, left)
            for top in range(5)
            for left in range(5)
            if (before[top : top + 6, left : left + 6] == after).all()
        ]
        assert len(places) == 1
        found |= set(places)
    assert {top for top, _ in found} == {left for _, left in found} == set(range(5))
    assert len(found) > 5  # Down and to the right are independent.
    again, other = (
        classifier_data.shift(images, 2, (0, step)).numpy() for step in (5, 6)
    )
    np.testing.assert_array_equal(again, shifted)
    assert (other != shifted).any()


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ((8, 9, 1), (32, 1)),
        ((28, 28, 2), (32, 1)),
        ((60, 33, 3), (64, 3)),
        ((300, 65, 4), (128, 3)),
        ((300, 200, 3), (128, 3)),
    ],
)
def test_pictures_keep_about_their_size(tmp_path, shape, expected):
    np.savez(tmp_path / "x.npz", images=np.zeros((2, *shape), np.uint8))
    source = data.open_source(f"npz:{tmp_path / 'x.npz'}")
    assert classifier_data.natural_shape(source) == expected


def test_a_first_picture_that_is_bad_is_named(tmp_path):
    (tmp_path / "a.png").write_bytes(b"\x89PNG but not really")
    source = data.open_source(f"folder:{tmp_path}")
    with pytest.raises(ValueError, match=r"a\.png: .*--skip_bad_images"):
        classifier_data.natural_shape(source)

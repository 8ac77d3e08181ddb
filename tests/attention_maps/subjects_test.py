"""Which images are looked at: generated ones as in `sample`, or real ones."""

import numpy as np
import pytest
from attention_runs import FIELDS

from sagan_tf import data
from sagan_tf.attention_maps.subjects import generated_images, real_images
from sagan_tf.model import latents
from sagan_tf.settings.config import Config

CONFIG = Config(**FIELDS)


def test_generated_images_are_those_of_their_seeds():
    found = generated_images(CONFIG, [3, 8], [])
    np.testing.assert_array_equal(found.z, latents.draw_z([3, 8], 8))
    np.testing.assert_array_equal(found.labels, latents.draw_labels([3, 8], 10))
    assert found.kind == "generated" and found.numbers == [3, 8] and len(found) == 2
    assert found.titles == [
        f"seed {n}, class {c}" for n, c in zip([3, 8], found.labels)
    ]


def test_each_label_has_all_seeds():
    names = ("cat", "dog", *"23456789")
    found = generated_images(CONFIG, [3, 8], [1, 7], names)
    assert found.labels.tolist() == [1, 1, 7, 7]
    assert found.numbers == [3, 8, 3, 8]
    assert found.titles == ["seed 3, dog", "seed 8, dog", "seed 3, class 7"] + [
        "seed 8, class 7"
    ]


def test_without_classes_there_are_no_labels():
    found = generated_images(Config(**{**FIELDS, "num_classes": 0}), [3], [])
    assert found.labels is None and found.titles == ["seed 3"]


def seen_in_training(count, config=CONFIG):
    """The first images and labels of a run."""
    batches = data.make_dataset(
        data.open_source("digits"),
        resolution=32,
        image_channels=1,
        batch_size=count,
        seed=config.seed,
    )
    return next(batches.as_numpy_iterator())


def test_real_images_are_numbered_as_the_run_saw_them():
    images, labels = seen_in_training(6)
    found = real_images(CONFIG, [4, 0, 5], [])
    np.testing.assert_array_equal(found.images, images[[4, 0, 5]])
    np.testing.assert_array_equal(found.labels, labels[[4, 0, 5]])
    assert found.kind == "real" and found.z is None
    assert found.titles[0] == f"image 4, class {labels[4]}"


def test_with_labels_numbers_count_the_images_of_the_class():
    images, labels = seen_in_training(60)
    found = real_images(CONFIG, [0, 2], [7, 3])
    assert found.labels.tolist() == [7, 7, 3, 3]
    for index, (label, number) in enumerate([(7, 0), (7, 2), (3, 0), (3, 2)]):
        expected = images[np.flatnonzero(labels == label)[number]]
        np.testing.assert_array_equal(found.images[index], expected)


def test_real_images_of_an_unconditional_run_have_no_labels():
    images, _ = seen_in_training(2)
    found = real_images(Config(**{**FIELDS, "num_classes": 0}), [1], [])
    np.testing.assert_array_equal(found.images, images[1:])
    assert found.labels is None and found.titles == ["image 1"]


def test_a_number_may_be_asked_for_twice():
    found = real_images(CONFIG, [1, 1], [])
    np.testing.assert_array_equal(found.images[0], found.images[1])


@pytest.fixture
def three(tmp_path):
    """A run's config with three images of two classes."""
    pixels = np.zeros((3, 32, 32, 1), "uint8")
    path = tmp_path / "three.npz"
    np.savez(path, images=pixels, labels=[0, 1, 1])
    return Config(**{**FIELDS, "dataset": f"npz:{path}", "num_classes": 2})


@pytest.mark.parametrize(
    ("numbers", "labels", "words"),
    [
        ([0, 3], [], "no image 3 in three.npz: 3 "),
        ([0, 1], [1, 0], "no image 1 of class 0 in three.npz"),
    ],
)
def test_more_images_than_there_are_cannot_be_shown(three, numbers, labels, words):
    with pytest.raises(ValueError, match=f"{words}.*Received: .*--seeds"):
        real_images(three, numbers, labels)


def test_a_data_set_that_is_gone_is_named(three):
    gone = Config(**{**FIELDS, "dataset": "npz:nowhere.npz"})
    with pytest.raises(ValueError, match="There is no file nowhere.npz"):
        real_images(gone, [0], [])


def test_an_image_that_cannot_be_read_is_named(tmp_path):
    for label in ("a", "b"):
        (tmp_path / label).mkdir()
        (tmp_path / label / "bad.png").write_bytes(b"\x89PNG\r\n\x1a\n, but not really")
    config = Config(**{**FIELDS, "dataset": f"folder:{tmp_path}", "num_classes": 2})
    with pytest.raises(ValueError, match="bad.png.* --skip_bad_images"):
        real_images(config, [0], [])

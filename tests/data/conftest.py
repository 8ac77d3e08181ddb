"""Small data sets of all kinds, made for the tests."""

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from .samples import example, write_records


@pytest.fixture
def folder(tmp_path):
    """Two classes, cat and dog, of 5 and 6 PNGs of 6 x 8; all of image n is n * 20."""
    number = 0
    for name, count in (("cat", 5), ("dog", 6)):
        (tmp_path / "pets" / name).mkdir(parents=True)
        for index in range(count):
            pixels = np.full((6, 8, 3), number * 20, np.uint8)
            path = tmp_path / "pets" / name / f"{index}.png"
            Image.fromarray(pixels).save(path)
            number += 1
    return tmp_path / "pets"


@pytest.fixture
def records(tmp_path):
    """Three files with 9, 1 and 13 raw images of 6 x 6 x 3, all n * 10, labels n % 4.

    Returns the glob of the files.
    """
    number = 0
    for index, count in enumerate((9, 1, 13)):
        images = []
        for _ in range(count):
            images.append(example(bytes([number * 10]) * 108, number % 4))
            number += 1
        write_records(tmp_path / f"train-{index}.tfrecords", images)
    return f"{tmp_path}/train-*"


@pytest.fixture
def npz(tmp_path):
    """23 images of 6 x 6 x 3; all of image n is n * 10, labels n % 4."""
    numbers = np.arange(23, dtype=np.uint8)
    images = np.broadcast_to((numbers * 10)[:, None, None, None], (23, 6, 6, 3))
    np.savez(tmp_path / "a.npz", images=images, labels=numbers % 4)
    return tmp_path / "a.npz"


@pytest.fixture(scope="session")
def tfds_dir(tmp_path_factory):
    """A TFDS data_dir with `tiny_cifar` (labeled) and `tiny_faces` (attributes)."""
    import tensorflow_datasets as tfds

    data_dir = str(tmp_path_factory.mktemp("tfds"))
    images = [np.full((6, 6, 3), number * 10, np.uint8) for number in range(23)]

    def store(name, features, splits):
        tfds.dataset_builders.store_as_tfds_dataset(
            name=name,
            version="1.0.0",
            features=tfds.features.FeaturesDict(features),
            split_datasets=splits,
            data_dir=data_dir,
            disable_shuffling=True,
        )

    def labelled(numbers):
        return {
            "id": [f"train_{number:05d}" for number in numbers],
            "image": [images[number] for number in numbers],
            "label": [number % 4 for number in numbers],
        }

    store(
        "tiny_cifar",
        {
            "id": tfds.features.Text(),
            "image": tfds.features.Image(shape=(6, 6, 3)),
            "label": tfds.features.ClassLabel(names=["ant", "bee", "cow", "doe"]),
        },
        {
            split: tf.data.Dataset.from_tensor_slices(labelled(numbers))
            for split, numbers in (("train", range(23)), ("test", range(6)))
        },
    )
    faces = {
        "image": images,
        "attributes": {"Bald": [number % 2 == 0 for number in range(23)]},
        "landmarks": {"nose_x": list(range(23))},
    }
    store(
        "tiny_faces",
        {
            "image": tfds.features.Image(shape=(6, 6, 3), encoding_format="jpeg"),
            "attributes": {"Bald": np.bool_},
            "landmarks": {"nose_x": np.int64},
        },
        {"train": tf.data.Dataset.from_tensor_slices(faces)},
    )
    return data_dir


@pytest.fixture
def dataset_of(npz, records, folder, tfds_dir):
    """kind -> arguments for `open_source`: nearly the same data in each kind."""
    return {
        "digits": {"dataset": "digits"},
        "npz": {"dataset": f"npz:{npz}"},
        "folder": {"dataset": f"folder:{folder}"},
        "tfrecord": {"dataset": f"tfrecord:{records}"},
        "tfds": {"dataset": "tfds:tiny_cifar", "data_dir": tfds_dir},
        "unlabelled tfds": {"dataset": "tfds:tiny_faces", "data_dir": tfds_dir},
    }

"""Data sets of TensorFlow Datasets: ImageNet from tars, and others prepared before."""

import io
import tarfile

import numpy as np
import pytest
import requests
import tensorflow as tf
import tensorflow_datasets as tfds

from sagan_tf.data import make_dataset, naming_bad_image, open_source
from sagan_tf.data.tfds_source import open_tfds
from sagan_tf.errors import BadInput

from .samples import encoded, random_pixels

SYNSETS = {"n01440764": 3, "n01443537": 2, "n02119789": 4}


def tar(files):
    """The bytes of a tar with these files."""
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as archive:
        for name, contents in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(contents)
            archive.addfile(info, io.BytesIO(contents))
    return data.getvalue()


def jpeg(number):
    """An image of one colour, by which it can be told from the others."""
    return encoded(np.full((24, 31, 3), number * 20, np.uint8), "JPEG", quality=95)


@pytest.fixture(scope="module")
def manual_dir(tmp_path_factory):
    """The tars that a user downloads from image-net.org, with nine images."""
    folder = tmp_path_factory.mktemp("manual")
    train = {
        f"{synset}.tar": tar(
            {f"{synset}_{index}.JPEG": jpeg(index) for index in range(count)}
        )
        for synset, count in SYNSETS.items()
    }
    (folder / "ILSVRC2012_img_train.tar").write_bytes(tar(train))
    validation = {f"ILSVRC2012_val_{n:08}.JPEG": jpeg(n) for n in range(1, 6)}
    (folder / "ILSVRC2012_img_val.tar").write_bytes(tar(validation))
    return str(folder)


@pytest.fixture(scope="module")
def imagenet_dir(manual_dir, tmp_path_factory):
    """A data_dir with ImageNet, prepared by the first `open_source`."""
    data_dir = str(tmp_path_factory.mktemp("data"))
    open_source("tfds:imagenet2012", data_dir=data_dir, manual_dir=manual_dir)
    return data_dir


def labels(source):
    elements = source.epoch(0, 0, shuffle=False)
    return [int(source.decode(element)["label"]) for element in elements]


def test_imagenet_is_prepared_from_tars(imagenet_dir):
    source = open_source("tfds:imagenet2012", data_dir=imagenet_dir)
    assert (source.num_images, source.num_classes) == (9, 1000)
    assert source.class_names[0] == "n01440764"
    found = [source.class_names[label] for label in labels(source)]
    assert {name: found.count(name) for name in found} == SYNSETS
    dataset = make_dataset(
        source, resolution=16, image_channels=3, batch_size=4, seed=0, repeat=False
    )
    assert [images.shape for images, _ in dataset] == [(4, 16, 16, 3)] * 2


def test_imagenet_pictures_are_those_of_the_tars(imagenet_dir):
    source = open_source("tfds:imagenet2012", data_dir=imagenet_dir)
    found = {name: [] for name in SYNSETS}
    for element in source.epoch(0, 0, shuffle=False):
        decoded = source.decode(element)
        assert decoded["image"].shape == (24, 31, 3)
        name = source.class_names[int(decoded["label"])]
        found[name].append(round(float(np.mean(decoded["image"])) / 20))
    for name, count in SYNSETS.items():
        assert sorted(found[name]) == list(range(count))


def test_other_splits_and_parts_of_splits(imagenet_dir):
    counts = {
        split: open_source(
            "tfds:imagenet2012", split=split, data_dir=imagenet_dir
        ).num_images
        for split in ("validation", "train[:50%]", "train[50%:]", "train+validation")
    }
    assert counts.pop("train[:50%]") + counts.pop("train[50%:]") == 9
    assert counts == {"validation": 5, "train+validation": 14}


def test_a_part_of_a_split_has_its_own_pictures(tfds_dir):
    source = open_source("tfds:tiny_cifar", split="train[10:14]", data_dir=tfds_dir)
    assert labels(source) == [10 % 4, 11 % 4, 12 % 4, 13 % 4]
    assert source.name(0).endswith("record 10")
    indices = [int(element["index"]) for element in source.epoch(0, 0, True, 9)]
    assert sorted(indices) == [0, 1, 2, 3]


def test_an_unknown_split_lists_those_that_exist(tfds_dir):
    for split in ("validation", "train[:3", "train[:x%]"):
        with pytest.raises(ValueError, match="has the splits test, train. Received"):
            open_source("tfds:tiny_cifar", split=split, data_dir=tfds_dir)


def test_names_come_from_the_class_label(tfds_dir):
    source = open_source("tfds:tiny_cifar", data_dir=tfds_dir)
    assert source.class_names == ("ant", "bee", "cow", "doe")
    assert source.description == "tiny_cifar/1.0.0, train: 23 images, 4 classes"


def test_a_label_out_of_range_is_named_when_its_turn_comes(tfds_dir):
    source = open_source("tfds:tiny_cifar", data_dir=tfds_dir, label_offset=1)
    choices = dict(resolution=8, image_channels=3, batch_size=4, seed=0, shuffle=False)
    with (
        pytest.raises(BadInput, match=r"record 3: label 4 is not in \[0, 4\). Try"),
        naming_bad_image(source, seed=0, shuffle=False),
    ):
        next(iter(make_dataset(source, **choices)))


def test_attributes_are_no_classes(tfds_dir):
    source = open_source("tfds:tiny_faces", data_dir=tfds_dir)
    assert (source.num_images, source.num_classes) == (23, 0)
    assert "no labels" in source.description


def test_an_unknown_name_suggests_similar_ones(tmp_path):
    with pytest.raises(ValueError, match="no data set 'cifar11'.*Try .*tfds:cifar10"):
        open_source("tfds:cifar11", data_dir=str(tmp_path))
    with pytest.raises(ValueError, match="tfds:cifar10/foo: .*foo not found"):
        open_source("tfds:cifar10/foo", data_dir=str(tmp_path))


def test_missing_tars_are_explained(tmp_path):
    with pytest.raises(
        ValueError,
        match="imagenet2012 is not prepared in .*Manual directory.*ILSVRC2012_img_train"
        ".*belong in --manual_dir. Received: manual_dir=.*/no",
    ) as error:
        open_source(
            "tfds:imagenet2012", data_dir=str(tmp_path), manual_dir=f"{tmp_path}/no"
        )
    assert "\n" not in str(error.value)


def test_no_internet_connection_is_explained(tmp_path, monkeypatch):
    def fail(self, **_):
        raise requests.exceptions.ConnectionError("Failed to resolve 'example.org'")

    monkeypatch.setattr(tfds.core.DatasetBuilder, "download_and_prepare", fail)
    with pytest.raises(
        ValueError,
        match="cifar10 is not prepared in .*cannot be: Failed to resolve.*on another "
        "machine .tfds build cifar10.*--data_dir",
    ):
        open_source("tfds:cifar10", data_dir=str(tmp_path))


def store(name, data_dir, features, values, **options):
    """Prepares a data set with one example."""
    tfds.dataset_builders.store_as_tfds_dataset(
        name=name,
        version="1.0.0",
        features=tfds.features.FeaturesDict(features),
        split_datasets={"train": tf.data.Dataset.from_tensors(values)},
        data_dir=str(data_dir),
        **options,
    )


def test_other_file_formats_are_refused(tmp_path):
    pixels = random_pixels(6, 6, 3)
    features = {"image": tfds.features.Image(shape=(6, 6, 3))}
    store("odd", tmp_path, features, {"image": pixels}, file_format="array_record")
    with pytest.raises(
        ValueError, match="tfds:odd is prepared.*array_record.*tfrecord"
    ):
        open_tfds("odd", data_dir=str(tmp_path))


@pytest.mark.parametrize(
    "features, values, message",
    [
        ({"text": tfds.features.Text()}, {"text": "a"}, "one image.*features: text"),
        (
            {"a": tfds.features.Image(shape=(6, 6, 3)), "b": tfds.features.Image()},
            {"a": random_pixels(6, 6, 3), "b": random_pixels(6, 6, 3)},
            "one named 'image'. Received the features: a, b",
        ),
        (
            {"image": tfds.features.Image(shape=(6, 6, 1), dtype=np.uint16)},
            {"image": random_pixels(6, 6, 1).astype(np.uint16)},
            "uint8 images. Received: 'image' of uint16",
        ),
    ],
)
def test_data_sets_without_one_kind_of_picture_are_refused(
    tmp_path, features, values, message
):
    store("odd", tmp_path, features, values)
    with pytest.raises(ValueError, match=f"tfds:odd .*{message}"):
        open_tfds("odd", data_dir=str(tmp_path))


def test_gray_pictures_under_another_name_are_found(tmp_path):
    features = {
        "scan": tfds.features.Image(shape=(6, 6, 1)),
        "kind": tfds.features.ClassLabel(num_classes=3),
    }
    pixels = random_pixels(6, 6, 1)
    store("scans", tmp_path, features, {"scan": pixels, "kind": 2})
    source = open_tfds("scans", data_dir=str(tmp_path))
    (element,) = source.epoch(0, 0)
    np.testing.assert_array_equal(source.decode(element)["image"], pixels)
    assert source.decode(element)["label"] == 2

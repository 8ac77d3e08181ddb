import os

import numpy as np
import pytest
import tensorflow as tf

from sagan_tf.data import open_source
from sagan_tf.errors import BadInput

from .samples import encoded, example, random_pixels, write_records

RAW = bytes(108)  # 6 x 6 x 3


def open_records(tmp_path, records, **choices):
    write_records(tmp_path / "x.tfrecords", records)
    return open_source(f"tfrecord:{tmp_path}/x.tfrecords", **choices)


def decoded(source):
    return [source.decode(element) for element in source.epoch(0, 0, shuffle=False)]


def test_records_and_classes_are_counted(records):
    source = open_source(f"tfrecord:{records}")
    assert source.num_images == 23
    assert source.num_classes == 4
    assert source.description == (
        f"{records}: 23 images (raw 6 x 6 x 3) in 3 files, labels 0..3"
    )


@pytest.mark.parametrize("channels", [1, 3])
def test_raw_squares_are_read_as_the_official_code_does(tmp_path, channels):
    pixels = random_pixels(4, 5, 5, channels)
    source = open_records(tmp_path, [example(each.tobytes(), 1) for each in pixels])
    for element, expected in zip(decoded(source), pixels, strict=True):
        np.testing.assert_array_equal(element["image"], expected)


def test_encoded_pictures_are_decoded(tmp_path):
    pixels = random_pixels(3, 7, 9, 3)
    source = open_records(
        tmp_path, [example(encoded(each, "PNG"), n) for n, each in enumerate(pixels)]
    )
    assert "image files" in source.description
    for element, expected in zip(decoded(source), pixels, strict=True):
        np.testing.assert_array_equal(element["image"], expected)


def test_label_offset_is_added(tmp_path):
    records = [example(RAW, label) for label in (1, 2, 3)]
    source = open_records(tmp_path, records, label_offset=-1)
    assert source.num_classes == 3
    assert [int(element["label"]) for element in decoded(source)] == [0, 1, 2]


def test_records_without_labels_have_no_classes(tmp_path):
    source = open_records(tmp_path, [example(RAW)] * 3)
    assert source.num_classes == 0
    assert "no labels" in source.description


def test_a_glob_without_match_is_named(tmp_path):
    with pytest.raises(
        ValueError, match=f"No file matches tfrecord:{tmp_path}/a-.*Try"
    ):
        open_source(f"tfrecord:{tmp_path}/a-*")


def test_a_file_may_have_the_letters_of_a_glob_in_its_name(tmp_path):
    folder = tmp_path / "a[1]"
    folder.mkdir()
    assert open_records(folder, [example(RAW, 0)] * 3).num_images == 3


def test_files_without_records_are_an_error(tmp_path):
    with pytest.raises(ValueError, match="holds no records. Received: 1 files"):
        open_records(tmp_path, [])


def test_a_wrong_byte_length_is_named(tmp_path):
    records = [example(RAW, 0)] * 5
    records[3] = example(RAW[:-1], 0)
    with pytest.raises(
        ValueError,
        match=r"x.tfrecords, record 3: .*108 bytes \(6 x 6 x 3\).*Received: 107 bytes",
    ):
        open_records(tmp_path, records)


def test_a_picture_that_is_no_square_and_no_file_is_named(tmp_path):
    with pytest.raises(
        ValueError, match="record 0: .*JPEG, PNG.*Received: 100.* bytes"
    ):
        open_records(tmp_path, [example(bytes(1001), 0)] * 2)


def test_missing_features_are_named(tmp_path):
    with pytest.raises(ValueError, match="record 1: there is no feature 'image_raw'"):
        open_records(tmp_path, [example(RAW, 0), example(None, 0), example(RAW, 1)])
    with pytest.raises(ValueError, match="record 2: there is no feature 'label'"):
        open_records(tmp_path, [example(RAW, 0), example(RAW, 0), example(RAW)])


def test_a_negative_label_is_named(tmp_path):
    records = [example(RAW, label) for label in (1, 0, 2)]
    with pytest.raises(
        ValueError, match="record 1: .*Received: label=0, label_offset=-1.*Try"
    ):
        open_records(tmp_path, records, label_offset=-1)


def record_with(**features):
    """A record with these features; values are lists of one type."""
    kinds = {int: "int64_list", float: "float_list", bytes: "bytes_list"}
    record = tf.train.Example()
    for name, values in features.items():
        getattr(record.features.feature[name], kinds[type(values[0])]).value[:] = values
    return record.SerializeToString()


@pytest.mark.parametrize(
    "label, received",
    [([1, 2], "several"), ([1.0], "floats or bytes"), ([b"cat"], "floats or bytes")],
)
@pytest.mark.parametrize("share", ["all", "one"])
def test_a_label_that_is_not_one_integer_is_named(tmp_path, label, received, share):
    """Of a data set where all are so, training would silently have no classes."""
    bad = record_with(image_raw=[RAW], label=label)
    records = [bad] * 3 if share == "all" else [example(RAW, 0), bad, example(RAW, 1)]
    place = 0 if share == "all" else 1
    with pytest.raises(
        BadInput,
        match=f"record {place}: 'label' must be one int64.* Received: {received}. Try",
    ):
        open_records(tmp_path, records)


@pytest.mark.parametrize(
    "image, received", [([RAW, RAW], "several values"), ([1, 2], "numbers")]
)
def test_an_image_that_is_not_one_is_named(tmp_path, image, received):
    bad = record_with(image_raw=image, label=[0])
    with pytest.raises(BadInput, match=f"record 1: .*one image. Received: {received}"):
        open_records(tmp_path, [example(RAW, 0), bad, example(RAW, 0)])


def test_record_files_that_are_no_regular_files_are_not_opened(tmp_path):
    os.mkfifo(tmp_path / "x.tfrecords")
    with pytest.raises(BadInput, match="x.tfrecords is not a regular file"):
        open_source(f"tfrecord:{tmp_path}/x.*")


def test_a_record_file_whose_name_is_not_utf8_is_one_line(tmp_path):
    write_records(tmp_path / "x", [example(RAW, 0)])
    os.rename(tmp_path / "x", os.fsencode(tmp_path) + b"/caf\xe9")
    with pytest.raises(BadInput, match="name that is not UTF-8"):
        open_source(f"tfrecord:{tmp_path}/*")

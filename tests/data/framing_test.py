"""What is found in TFRecord files, and how damaged ones are named."""

import gzip

import numpy as np
import pytest
import tensorflow as tf

from sagan_tf.data import open_source
from sagan_tf.data.framing import SEVERAL, summarize_records
from sagan_tf.errors import BadInput

from .samples import example, write_records

RAW = bytes(108)  # 6 x 6 x 3


def test_sizes_and_labels_of_all_records_are_found(tmp_path):
    rng = np.random.default_rng(0)
    labels = [0, 1, 127, 128, 999, 2**31, 2**62, -1, -(2**40)]
    images = [rng.bytes(size) for size in (0, 1, 127, 128, 300, 20000, 5, 6, 7)]
    pairs = list(zip(images, labels, strict=True))
    write_records(tmp_path / "x", [example(*pair) for pair in pairs])
    path = str(tmp_path / "x")
    found = list(summarize_records(path, "image_raw", "label"))
    assert [(size, label) for size, _, label in found] == [
        (len(image), label) for image, label in pairs
    ]
    # As for files in cloud storage, which are read as a whole.
    streamed = list(summarize_records(f"file://{path}", "image_raw", "label"))
    assert streamed == found


def test_other_files_are_refused(tmp_path):
    path = tmp_path / "x"
    path.write_bytes(b"PNG or whatever, but no TFRecords")
    with pytest.raises(ValueError, match=f"{path} is damaged or not a TFRecord file"):
        open_source(f"tfrecord:{path}")
    write_records(tmp_path / "y", [example(RAW, 0)] * 3)
    path.write_bytes(gzip.compress((tmp_path / "y").read_bytes()))
    with pytest.raises(ValueError, match=f"{path} .*Try unpacking it with gunzip"):
        open_source(f"tfrecord:{path}")
    write_records(path, [b"no protocol buffer at all"])
    with pytest.raises(
        ValueError, match=f"{path} holds a record .*not a tf.train.Example"
    ):
        open_source(f"tfrecord:{path}")


@pytest.mark.parametrize("missing", [1, 10, 60, 150])
def test_a_truncated_file_is_named(records, missing):
    path = records.replace("*", "2.tfrecords")
    data = open(path, "rb").read()
    open(path, "wb").write(data[:-missing])
    with pytest.raises(ValueError, match=f"{path} ends in the middle.*skip_bad_images"):
        open_source(f"tfrecord:{records}")


def damaged(tmp_path, place):
    """The path of three records, with one changed bit `place` bytes into the second."""
    path = tmp_path / "x"
    record = example(RAW, 0)
    write_records(path, [record] * 3)
    data = bytearray(path.read_bytes())
    start = len(data) // 3
    data[start + place] ^= 4
    path.write_bytes(data)
    return str(path), start


@pytest.mark.parametrize("place", [0, 1])
def test_a_damaged_length_is_named(tmp_path, place):
    path, start = damaged(tmp_path, place)
    with pytest.raises(BadInput, match=f"wrong checksum at byte {start}"):
        list(summarize_records(path, "image_raw", "label"))


@pytest.mark.parametrize("place", [9, -2], ids=["of the length", "of the data"])
def test_a_damaged_checksum_is_left_to_the_reader_that_trains(tmp_path, place):
    path, _ = damaged(tmp_path, place)
    assert len(list(summarize_records(path, "image_raw", "label"))) == 3
    with pytest.raises(tf.errors.DataLossError):
        list(tf.data.TFRecordDataset(path))


def test_a_record_with_two_images_or_labels_has_no_single_one(tmp_path):
    twice = tf.train.Example.FromString(example(RAW, 0))
    twice.features.feature["label"].int64_list.value.append(1)
    twice.features.feature["image_raw"].bytes_list.value.append(RAW)
    write_records(tmp_path / "x", [twice.SerializeToString()])
    (found,) = summarize_records(str(tmp_path / "x"), "image_raw", "label")
    assert found == (SEVERAL, False, SEVERAL)

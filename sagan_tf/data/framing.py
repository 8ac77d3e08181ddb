"""Scans TFRecord files: counts their records and finds out what they hold."""

import os
import re
import struct

import numpy as np
import tensorflow as tf
from google.protobuf.message import DecodeError

from sagan_tf.data.decoding import looks_like_picture
from sagan_tf.errors import BadInput

# A record of a file: length (8 bytes), its checksum (4), the data, its checksum (4).
_HEADER, _FOOTER = 12, 4
# These stand for a number if a record has no such feature, several values of it, or
# values of another kind.
MISSING, SEVERAL, OTHER_KIND = np.iinfo(np.int64).min + np.arange(3)


def summarize_records(path, image_key, label_key):
    """Yields what each record of a TFRecord file holds, without decoding its image.

    The lengths alone say where records are. Checksums are left to the reader of the
    training, which can read the records before a changed byte.

    Yields:
      The number of bytes of the image, whether they look like an image file, and the
      label. `MISSING`, `SEVERAL` or `OTHER_KIND` may stand for the two ints.

    Raises:
      BadInput: the reader has come to a place where the file is damaged or ends early.
    """
    for position, record in _records(path):
        try:
            features = tf.train.Example.FromString(record).features.feature
        except DecodeError as error:
            raise _damage(path) or BadInput(
                f"{path} holds a record (at byte {position}) that is not a "
                "tf.train.Example. Try --dataset=tfds:... for data sets prepared by "
                "TensorFlow Datasets."
            ) from error
        image, problem = _only_value(features, image_key, "bytes_list")
        label, label_problem = _only_value(features, label_key, "int64_list")
        label = label if label_problem is None else label_problem
        if problem is None:
            yield len(image), looks_like_picture(image), label
        else:
            yield problem, False, label


def _only_value(features, key, kind):
    """Returns the value of a feature and None, or None and why it has no one value."""
    stored = features[key].WhichOneof("kind") if key in features else None
    if stored is None or not getattr(features[key], stored).value:
        return None, MISSING
    if stored != kind:
        return None, OTHER_KIND
    values = getattr(features[key], kind).value
    return (values[0], None) if len(values) == 1 else (None, SEVERAL)


def _records(path):
    """Yields the data of each record, and the byte at which the record starts."""
    if "://" in path:  # Cloud storage.
        position = 0
        for record in tf.data.TFRecordDataset(path).as_numpy_iterator():
            yield position, record
            position += _HEADER + len(record) + _FOOTER
        return
    if not os.path.isfile(path):
        raise BadInput(f"{path} is not a regular file. Try another glob.")
    position, size = 0, os.path.getsize(path)
    with open(path, "rb") as file:
        while position < size:
            header = file.read(_HEADER)
            length = struct.unpack("<Q", header[:8])[0] if header[7:] else size
            if position + _HEADER + length + _FOOTER > size:
                raise _damage(path) or _truncated(path, position)
            yield position, file.read(length)
            file.seek(_FOOTER, os.SEEK_CUR)
            position += _HEADER + length + _FOOTER


def _damage(path):
    """Returns what TensorFlow's reader finds wrong: `BadInput`, or None."""
    try:
        for _ in tf.data.TFRecordDataset(path):
            pass
    except tf.errors.DataLossError as error:
        kind, place = re.search(r"(\w+) record at (\d+)", error.message).groups()
        if kind == "truncated":
            return _truncated(path, place)
        with open(path, "rb") as file:
            packed = file.read(2) == b"\x1f\x8b"
        remedy = "unpacking it with gunzip" if packed else "making or copying it again"
        return BadInput(
            f"{path} is damaged or not a TFRecord file: wrong checksum at byte {place}."
            f" Try {remedy}."
        )
    return None


def _truncated(path, position):
    return BadInput(
        f"{path} ends in the middle of the record at byte {position}. Received: "
        f"{os.path.getsize(path)} bytes. Try copying it again, or --skip_bad_images to "
        "use the rest."
    )

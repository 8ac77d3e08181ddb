"""TFRecord files looked at from outside: where records are, what features they hold.

Only lengths and a few bytes of each record are touched, so that a file far larger than
the memory takes seconds, not the minutes that reading it all would.
"""

import dataclasses
import mmap
import os
import struct

import tensorflow as tf

from sagan_tf.data.decoding import looks_like_picture
from sagan_tf.errors import BadInput

# A record of a file: length (8 bytes), its checksum (4), the data, its checksum (4).
_HEADER, _FOOTER = 12, 4


@dataclasses.dataclass(frozen=True, slots=True)
class RecordSummary:
    """What is known of a record without decoding it; None: there is no such feature."""

    image_bytes: int | None
    looks_like_picture: bool
    label: int | None


def summarize_records(path, image_key, label_key):
    """Yields a `RecordSummary` for each record of a TFRecord file.

    Raises:
      BadInput: on reaching a place where the file is damaged or ends too early.
    """
    if "://" in path:  # Cloud storage: nothing to map into memory, read it all.
        for record in tf.data.TFRecordDataset(path).as_numpy_iterator():
            yield _summarize(path, record, 0, len(record), image_key, label_key)
        return
    if not os.path.getsize(path):
        return
    with (
        open(path, "rb") as file,
        mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data,
    ):
        if hasattr(mmap, "MADV_RANDOM"):  # Do not read ahead into the pictures.
            data.madvise(mmap.MADV_RANDOM)
        for start, end in _records(path, data):
            yield _summarize(path, data, start, end, image_key, label_key)


def _records(path, data):
    """Yields where the data of each record starts and ends."""
    position = 0
    while position < len(data):
        if position + _HEADER > len(data):
            raise _truncated(path, position, len(data))
        length, checksum = struct.unpack_from("<QI", data, position)
        if _masked_crc32c(data[position : position + 8]) != checksum:
            packed = position == 0 and data[:2] == b"\x1f\x8b"
            remedy = "gunzip it" if packed else "making or copying it again"
            raise BadInput(
                f"{path} is damaged or no TFRecord file: wrong checksum at byte "
                f"{position}. Try {remedy}."
            )
        start, end = position + _HEADER, position + _HEADER + length
        position = end + _FOOTER
        if position > len(data):
            raise _truncated(path, start - _HEADER, len(data))
        yield start, end


def _truncated(path, position, size):
    return BadInput(
        f"{path} ends in the middle of the record at byte {position}. Received: "
        f"{size} bytes. Try copying it again, or --skip_bad_images to use the rest."
    )


def _crc32c_table():
    table = []
    for value in range(256):
        for _ in range(8):
            value = (value >> 1) ^ (0x82F63B78 if value & 1 else 0)
        table.append(value)
    return tuple(table)


_CRC32C = _crc32c_table()


def _masked_crc32c(data):
    """The checksum of the TFRecord format: CRC-32C, rotated, plus a constant."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc = _CRC32C[(crc ^ byte) & 0xFF] ^ (crc >> 8)
    crc ^= 0xFFFFFFFF
    return (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF


def _summarize(path, data, start, end, image_key, label_key):
    """Finds two features of a serialized `tf.train.Example` between start and end.

    In the protocol buffer encoding an Example is nested: 1 (features) > 1 (map entry)
    > 1 (key), 2 (feature) > 1 (bytes list) or 3 (int64 list) > 1 (value).
    """
    image, label = None, None
    wanted = {image_key.encode(), label_key.encode()}
    try:
        for _, features, features_end in _fields(data, start, end):
            for _, entry, entry_end in _fields(data, features, features_end):
                parts = {
                    field: span for field, *span in _fields(data, entry, entry_end)
                }
                key = data[slice(*parts[1])]
                if key not in wanted or 2 not in parts:
                    continue
                for kind, value, value_end in _fields(data, *parts[2]):
                    span = next(iter(_fields(data, value, value_end)), None)
                    if span and kind == 1 and key == image_key.encode():
                        image = span[1:]
                    elif span and kind == 3 and key == label_key.encode():
                        label = _integer(data, *span[1:])
                if image is not None and label is not None:
                    break
    except (IndexError, KeyError) as error:
        raise BadInput(
            f"{path} holds a record (at byte {start}) that is no tf.train.Example. Try "
            "--dataset=tfds:... for data sets prepared by TensorFlow Datasets."
        ) from error
    if image is None:
        return RecordSummary(None, False, label)
    begin, stop = image
    return RecordSummary(
        stop - begin, looks_like_picture(data[begin : begin + 4]), label
    )


def _fields(data, position, end):
    """Yields (field number, start, end) of each field of a message."""
    while position < end:
        tag, position = _varint(data, position)
        wire_type = tag & 7
        start = position
        if wire_type == 2:  # Length and bytes: texts, messages, packed lists.
            length, start = _varint(data, position)
            position = start + length
        elif wire_type == 0:
            _, position = _varint(data, position)
        else:
            position += 4 if wire_type == 5 else 8
        if position > end or wire_type not in (0, 1, 2, 5):
            raise IndexError(position)
        yield tag >> 3, start, position


def _varint(data, position):
    """An integer in groups of seven bits, and where it ends."""
    value, shift = 0, 0
    while True:
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
        shift += 7


def _integer(data, start, end):
    """The first of a list of int64: there must be one alone."""
    value, position = _varint(data, start)
    if position != end:
        raise IndexError(position)
    return value - (1 << 64) if value >= 1 << 63 else value

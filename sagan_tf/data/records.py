"""Data sets in TFRecord files: read from beginning to end, shuffled in a buffer."""

import bisect
import dataclasses
import itertools

import numpy as np
import tensorflow as tf

from sagan_tf.data.decoding import decode_picture
from sagan_tf.data.source import ORDER, Source, error_text, permutation, seed_pair

# Files that are read in turn when shuffling, one record from each.
_FILES_AT_ONCE = 16


@dataclasses.dataclass(frozen=True)
class RecordFile:
    """A part of a TFRecord file: `count` records after the first `skip` records."""

    path: str
    count: int
    skip: int = 0


class RecordSource(Source):
    """Images in TFRecord files of `tf.train.Example`.

    An epoch reads the files in random order, `_FILES_AT_ONCE` of them in turn, and
    shuffles the records in a buffer. Skipped records are read, but not decoded.

    Args:
      files: sequence of `RecordFile`.
      image_key: name of the feature with the image.
      label_key: name of the feature with the label, or None.
      raw_shape: `(H, W, C)` if the image is stored as plain uint8 values; None if it
        is an image file.
    """

    def __init__(
        self,
        files,
        description,
        num_classes,
        class_names=(),
        *,
        image_key,
        label_key=None,
        label_offset=0,
        raw_shape=None,
    ):
        self._files = list(files)
        counts = (file.count for file in self._files)
        self._starts = list(itertools.accumulate(counts, initial=0))
        super().__init__(description, self._starts[-1], num_classes, class_names)
        self._image_key = image_key
        self._label_key = label_key
        self._label_offset = label_offset
        self._raw_shape = raw_shape

    def epoch(self, seed, epoch, shuffle=True, shuffle_buffer_images=16384):
        def elements(epoch):
            # tf.data would mix the program-wide seed into its own. This graph belongs
            # to this function only.
            tf.compat.v1.get_default_graph().seed = None
            order = tf.range(len(self._files), dtype=tf.int64)
            pair = seed_pair(seed, ORDER, epoch)
            if shuffle:
                order = permutation(len(self._files), pair)
            files = tf.data.Dataset.from_tensor_slices(order)
            at_once = min(_FILES_AT_ONCE, len(self._files)) if shuffle else 1
            records = files.interleave(
                self._read, at_once, None, tf.data.AUTOTUNE, deterministic=True
            )
            if not self.kept.all():
                kept = tf.constant(self.kept)
                records = records.filter(lambda item: tf.gather(kept, item["index"]))
            if shuffle:
                buffer_seed = tf.random.stateless_uniform(
                    [], pair, 1, 2**31 - 1, tf.int64, alg="philox"
                )
                records = records.shuffle(shuffle_buffer_images, buffer_seed, False)
            return records

        return tf.data.Dataset.from_tensors(tf.cast(epoch, tf.int64)).flat_map(elements)

    def _read(self, file):
        """Returns the elements of one file, given by its place in `files`."""
        path = tf.gather([each.path for each in self._files], file)
        skip = tf.gather(tf.constant([f.skip for f in self._files], tf.int64), file)
        start = tf.gather(tf.constant(self._starts[:-1], tf.int64), file)
        # A file may be damaged after the last record that is used.
        ends = [
            max(np.flatnonzero(self.kept[first:end]), default=-1) + 1
            for first, end in itertools.pairwise(self._starts)
        ]
        records = tf.data.TFRecordDataset(path, buffer_size=2**20).skip(skip)
        records = records.take(tf.gather(tf.constant(ends, tf.int64), file))
        return records.enumerate(start).map(
            lambda index, record: {"index": index, "record": record}
        )

    def decode(self, element):
        spec = {self._image_key: tf.io.FixedLenFeature([], tf.string)}
        if self.num_classes:
            spec[self._label_key] = tf.io.FixedLenFeature([], tf.int64)
        features = tf.io.parse_single_example(element["record"], spec)
        if self._raw_shape:
            flat = tf.io.decode_raw(features[self._image_key], tf.uint8)
            image = tf.reshape(flat, self._raw_shape)
        else:
            number = tf.strings.as_string(element["index"])
            name = tf.strings.join([f"{self.description}, image ", number])
            image = decode_picture(features[self._image_key], name)
        label = tf.zeros([], tf.int32)
        if self.num_classes:
            # The look-up fails for a label that is not valid.
            given = features[self._label_key] + self._label_offset
            label = tf.gather(tf.range(self.num_classes), given)
        return {"image": image, "label": label}

    def name(self, index):
        place = bisect.bisect_right(self._starts, index) - 1
        file = self._files[place]
        return f"{file.path}, record {index - self._starts[place] + file.skip}"

    def damaged_file(self):
        for file in self._files:
            records = tf.data.TFRecordDataset(file.path)
            try:
                for _ in records.take(file.skip + file.count):
                    pass
            except tf.errors.OpError as error:
                return f"{file.path}: {error_text(error)}"
        return None

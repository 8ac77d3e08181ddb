"""What all data sets have in common: a seeded order and a decoder.

A `Source` hands out undecoded *elements* (an index, or an index and a serialized
record) and can decode one. Elements are skipped and shared among machines before any
image is decoded.
"""

import abc
import copy
import re

import numpy as np
import tensorflow as tf

from sagan_tf.errors import BadInput

# Folded into the seed: each purpose has its own random numbers.
ORDER, FLIP, BALANCE = 10, 11, 12

# The seed of a run does not decide the splits: they are the same in every run.
SPLITS = ("train", "test")
_SPLIT_SEED = 1805_08318

# Our own line in TensorFlow's message about an error in a Python function.
_OURS = re.compile(r"(?:BadInput|_Damaged): (.*)")

# Far more than any data set has: a larger label is a mistake.
MAX_CLASSES = 1_000_000


def seed_pair(seed, purpose, number):
    """Returns the seed pair of an epoch (ORDER) or a place of the stream (FLIP)."""
    pair = tf.stack([tf.cast(seed, tf.int64), tf.constant(purpose, tf.int64)])
    return tf.random.fold_in(pair, tf.cast(number, tf.int64), alg="philox")


def permutation(count, seed):
    """Draws an order of 0..count-1 from a stateless seed: int64 tensor `(count,)`."""
    # No two 64-bit keys are equal.
    keys = tf.random.stateless_uniform(
        [count], seed, minval=None, maxval=None, dtype=tf.int64, alg="philox"
    )
    return tf.cast(tf.argsort(keys), tf.int64)


def held_out(labels):
    """Chooses the images of the test split: bool array of the shape of `labels`."""
    chosen = np.zeros(len(labels), bool)
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        count = max((len(members) + 2) // 5, int(len(members) > 1))
        # NumPy promises the same numbers from this generator in all versions.
        random = np.random.RandomState([_SPLIT_SEED, label])
        chosen[random.permutation(members)[:count]] = True
    return chosen


def error_text(error):
    """Returns the line of a TensorFlow or Python error that is about the data."""
    text = getattr(error, "message", str(error))
    # The place of the error stands around its cause, for functions on separate lines.
    text = text.split(" [Op:")[0].split("\n\t [[")[0].strip()
    ours = _OURS.search(text)
    if ours:
        text = ours[1]
    elif text.startswith("Graph execution error:"):
        text = text.split("\n\n")[-1]
    # Labels are looked up among the valid labels: see `RecordSource.decode`.
    text = text.split("}} ")[-1].strip()
    text = text.splitlines()[0][:300].replace("indices = ", "label ")
    return text.rstrip(".") + "."


def check_num_classes(name, num_classes):
    """Refuses a number of classes that comes from an impossible label."""
    if num_classes > MAX_CLASSES:
        raise BadInput(
            f"{name}: labels must be below {MAX_CLASSES:,}. Received: a label of "
            f"{num_classes - 1:,}. Try numbering the classes from 0."
        )


def classes_in_words(num_classes):
    """`"10 classes"`, `"1 class"` or `"no labels"`."""
    words = {0: "no labels", 1: "1 class"}
    return words.get(num_classes, f"{num_classes} classes")


class Source(abc.ABC):
    """A data set.

    Attributes:
      description: one line for a person.
      num_images: images of an epoch, without skipped images.
      num_classes: 0 without labels.
      class_names: tuple of `num_classes` names; empty if they are not known.
      random_access: whether elements can be read in any order. They are then indices.
      files: path of each image, if each image has its own file.
      is_balanced: whether shuffled epochs have equally many images of each class.
      neighbours: for a flat folder, other folders with images beside it. The folder may
        be one class of a larger data set.
    """

    random_access = False
    files = ()
    neighbours = ()
    is_balanced = False

    def __init__(self, description, total, num_classes, class_names=()):
        check_num_classes(description, num_classes)
        self.description = description
        self.num_classes = int(num_classes)
        self.class_names = tuple(str(name) for name in class_names)
        self.kept = np.ones([total], bool)

    @property
    def num_images(self):
        return int(self.kept.sum())

    @property
    def total(self):
        """Number of indices, including those of skipped images."""
        return len(self.kept)

    def skip(self, indices):
        """Leaves these images out of every epoch."""
        self.kept[list(indices)] = False

    def balanced(self):
        """Returns the same data set with shuffled epochs that draw classes evenly.

        An epoch keeps its length. No image repeats before all images of its class have
        come.

        Raises:
          BadInput: there are no labels, or they are not known in advance.
        """
        if not (self.random_access and self.num_classes):
            raise BadInput(
                "balance_classes needs a digits, npz or folder data set with classes. "
                f"Received: {self.description}. Try without it."
            )
        balanced = copy.copy(self)
        balanced.is_balanced = True
        return balanced

    @abc.abstractmethod
    def epoch(self, seed, epoch, shuffle=True, shuffle_buffer_images=16384):
        """Returns the undecoded elements of one epoch. The arguments decide the order.

        Args:
          seed, epoch: integers or scalar tensors.
          shuffle: False for the order in which the images are stored.
          shuffle_buffer_images: for sources that are read from beginning to end. Other
            sources shuffle all their images.

        Returns:
          `tf.data.Dataset` of dictionaries with at least "index", int64.
        """

    def stream(
        self,
        seed,
        start_image=0,
        shuffle=True,
        shuffle_buffer_images=16384,
        repeat=True,
    ):
        """Returns the elements of `epoch` 0, 1, 2, ... as one `tf.data.Dataset`.

        Args:
          start_image: number of elements to leave out at the beginning.
          repeat: False to stop after the epoch of `start_image`.
          seed, shuffle, shuffle_buffer_images: see `epoch`.
        """
        first_epoch, used = divmod(start_image, self.num_images)

        def one_epoch(epoch):
            elements = self.epoch(seed, epoch, shuffle, shuffle_buffer_images)
            used_now = tf.where(tf.equal(epoch, first_epoch), used, 0)
            return elements.skip(tf.cast(used_now, tf.int64))

        last_epoch = np.iinfo(np.int64).max if repeat else first_epoch + 1
        return tf.data.Dataset.range(first_epoch, last_epoch).flat_map(one_epoch)

    @abc.abstractmethod
    def decode(self, element):
        """Decodes one element; works in graph mode.

        Returns:
          `{"image": uint8 (H, W, C) with C from 1 to 4, "label": int32 ()}`; the label
          is 0 without labels.

        Raises:
          tf.errors.OpError: when it runs, if the image or label is bad.
        """

    @abc.abstractmethod
    def name(self, index):
        """Returns the path of an image, or its file and its place in that file."""

    def damaged_file(self):
        """Names the first file that cannot be read to its end, or returns None."""
        return None


class RandomAccessSource(Source):
    """A source whose elements are indices. It shuffles all of them.

    Args:
      values: an array or list with a row for each image: its pixels, or its path.
      labels: integer array `(N,)` in 0..num_classes-1, or None.
      description, num_classes, class_names: see `Source`.
      read: function of a row that returns the pixels, uint8 `(H, W, C)`; graph mode.
      name: function of an index that returns the name of the image.
    """

    random_access = True
    _tensors = None

    def __init__(
        self, description, values, labels, num_classes, class_names, *, read, name
    ):
        super().__init__(description, len(values), num_classes, class_names)
        self.values = values
        labels = np.zeros([len(values)]) if labels is None else labels
        self.labels = labels.astype(np.int32)
        self._read, self._name = read, name

    def decode(self, element):
        if self._tensors is None:
            with tf.init_scope():  # Constants of the program, not of one graph.
                self._tensors = tf.constant(self.values), tf.constant(self.labels)
        row, label = (tf.gather(tensor, element["index"]) for tensor in self._tensors)
        return {"image": self._read(row), "label": label}

    def name(self, index):
        return self._name(index)

    def keep_split(self, split):
        """Keeps the images of a split, one of `SPLITS`.

        "test" is a fifth of each class (of all images without labels), rounded, but at
        least one image of a class that has two. "train" is the rest. The labels and the
        order of all images, also bad ones, decide the split: every run has the same.

        Raises:
          BadInput: no image is left.
        """
        in_test = held_out(self.labels)
        self.skip(np.flatnonzero(in_test if split == "train" else ~in_test))
        if not self.num_images:
            raise BadInput(
                f"split={split} of {self.description} has no images. Try --split="
                f"{'test' if split == 'train' else 'train'}, or without it."
            )
        self.description += f", split {split}: {self.num_images:,}"

    def epoch(self, seed, epoch, shuffle=True, shuffle_buffer_images=16384):
        indices = tf.constant(np.flatnonzero(self.kept), tf.int64)
        if shuffle:
            order = permutation(self.num_images, seed_pair(seed, ORDER, epoch))
            if self.is_balanced:
                indices = self._balanced_indices(seed_pair(seed, BALANCE, epoch))
            indices = tf.gather(indices, order)
        return tf.data.Dataset.from_tensor_slices({"index": indices})

    def _balanced_indices(self, seed):
        """Returns as many indices as images, from each class in turn: `(N,)`."""
        kept = np.flatnonzero(self.kept)
        # The images of each class are side by side, in their own random order.
        order = permutation(len(kept), seed)
        labels = tf.constant(self.labels[kept])
        by_class = tf.gather(order, tf.argsort(tf.gather(labels, order), stable=True))
        counts = np.unique(self.labels[kept], return_counts=True)[1]
        number = np.arange(len(kept))
        turn, place = number % len(counts), number // len(counts)
        first = np.cumsum(counts) - counts
        return tf.gather(kept, tf.gather(by_class, first[turn] + place % counts[turn]))

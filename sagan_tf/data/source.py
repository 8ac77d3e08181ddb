"""What all data sets have in common: a seeded order and a decoder.

A `Source` hands out cheap, undecoded *elements* (an index, or an index and a
serialized record) and can decode one. Whatever is done to the order (skip to where a
run stopped, share among machines) is done to elements, before any image is decoded.
"""

import abc

import numpy as np
import tensorflow as tf

from sagan_tf.errors import BadInput

# What a random number is for; folded into the seed, so that no two purposes share one.
# (`latents.py` has its own, smaller ones.)
_ORDER = 10

# Parts of a data set that has none of its own, and the number that decides them. It is
# not the seed of a run: what is held out stays the same in every run.
SPLITS = ("train", "test")
_SPLIT_SEED = 1805_08318

# Far more than any data set has: a larger label is a mistake.
MAX_CLASSES = 1_000_000


def order_seed(seed, epoch):
    """The seed pair for the order of one epoch: int64 tensor `(2,)`."""
    pair = tf.stack([tf.cast(seed, tf.int64), tf.constant(_ORDER, tf.int64)])
    return tf.random.fold_in(pair, tf.cast(epoch, tf.int64), alg="philox")


def permutation(count, seed):
    """A random order of 0..count-1 from a stateless seed: int64 tensor `(count,)`."""
    # Sorting 64-bit keys: ties, which would favour the earlier one, do not happen.
    keys = tf.random.stateless_uniform(
        [count], seed, minval=None, maxval=None, dtype=tf.int64, alg="philox"
    )
    return tf.cast(tf.argsort(keys), tf.int64)


def held_out(labels):
    """Which images are in the test split: bool array of the shape of `labels`."""
    chosen = np.zeros(len(labels), bool)
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        count = max((len(members) + 2) // 5, int(len(members) > 1))
        # NumPy's old generator: it promises the same numbers in every later version.
        random = np.random.RandomState([_SPLIT_SEED, label])
        chosen[random.permutation(members)[:count]] = True
    return chosen


def error_text(error):
    """The line of a TensorFlow or Python error that is about the data."""
    text = getattr(error, "message", str(error))
    text = text.split("}} ")[-1].split(" [Op:")[0].strip()
    # Labels are looked up among the valid ones: see `RecordSource.decode`.
    text = text.splitlines()[0][:300].replace("indices = ", "label ")
    return text.rstrip(".") + "."


class Source(abc.ABC):
    """A data set.

    Attributes:
      description: one line for a person.
      num_images: how many images an epoch has; skipped ones are not counted.
      num_classes: 0 when there are no labels.
      class_names: tuple of `num_classes` names; empty when they are not known.
      random_access: whether any element can be had at once, in any order; the element
        is then its index alone.
      neighbours: for a flat folder, the other folders with images beside it: a sign
        that it is one class of a larger data set.
    """

    random_access = False
    neighbours = ()

    def __init__(self, description, total, num_classes, class_names=()):
        if num_classes > MAX_CLASSES:
            raise BadInput(
                f"{description}: labels must be below {MAX_CLASSES:,}. Received: a "
                f"label of {num_classes - 1:,}. Try numbering the classes from 0."
            )
        self.description = description
        self.num_classes = int(num_classes)
        self.class_names = tuple(str(name) for name in class_names)
        self.kept = np.ones([total], bool)

    @property
    def num_images(self):
        return int(self.kept.sum())

    @property
    def total(self):
        """Number of indices: images that are used and images that are skipped."""
        return len(self.kept)

    def skip(self, indices):
        """Leaves these images out of every epoch."""
        self.kept[list(indices)] = False

    @abc.abstractmethod
    def epoch(self, seed, epoch, shuffle=True, shuffle_buffer_images=16384):
        """The undecoded elements of one epoch, in an order given by the arguments.

        Args:
          seed, epoch: integers or scalar tensors; nothing else decides the order.
          shuffle: False for the order in which the images are stored.
          shuffle_buffer_images: size of the shuffle buffer, for sources that are read
            from beginning to end; others draw from all their images.

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
        """The undecoded elements of one epoch after the other, from an image on.

        Args:
          start_image: the number of images of the stream to leave out.
          repeat: False to stop after the epoch of `start_image`.
          seed, shuffle, shuffle_buffer_images: see `epoch`.

        Returns:
          `tf.data.Dataset` of the elements of `epoch`.
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
          is 0 when there are no labels.

        Raises:
          tf.errors.OpError: when it runs, if the image or label cannot be used.
        """

    @abc.abstractmethod
    def name(self, index):
        """Where the image with this index is: a path, or a file and a position."""

    def damaged_file(self):
        """Names the first file that cannot be read to its end, or returns None."""
        return None


class RandomAccessSource(Source):
    """A source whose elements are indices, in an entirely random order.

    Subclasses have `labels`, an int32 array with the label of each index (0 when there
    are no labels).
    """

    random_access = True

    def keep_split(self, split):
        """Leaves out what does not belong to a split.

        "test" is a fifth of each class (of everything, when there are no labels):
        rounded, but at least one image of a class that has two. "train" is the rest.
        Who belongs where is decided by the labels and the order of all images alone,
        bad ones included: it is the same in every run.

        Args:
          split: one of `SPLITS`.

        Raises:
          BadInput: if nothing is left.
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
            order = permutation(self.num_images, order_seed(seed, epoch))
            indices = tf.gather(indices, order)
        return tf.data.Dataset.from_tensor_slices({"index": indices})

"""Checks of the images and labels that a `SAGAN` gets, wherever they come from."""

import contextlib
import re
import warnings

import numpy as np
import tensorflow as tf

# Keras makes an adapter for every source of batches, and also accepts one from outside.
# The function and the class have no public name.
from keras.src.trainers.data_adapters import get_data_adapter
from keras.src.trainers.data_adapters.data_adapter import DataAdapter

from sagan_tf.errors import BadInput

# Rounding can move a value this far beyond [-1, 1].
_ROUNDING = 1e-3
# A resize with negative weights stays within this bound. Pixels with another mean and
# scale exceed it.
_OVERSHOOT = 1.3
_NO_IMAGES = (
    "Data must have at least one image{}. Received: none. Try a smaller batch_size if "
    "drop_remainder=True."
)
# The number of images of an array that are checked at a time.
_CHUNK = 1024


class BatchCheck:
    """Checks the data of one call of `fit` or `evaluate`.

    Values are checked on the host, in the input pipeline, because a step that XLA
    compiles cannot raise an error. NaN passes: the step detects it.

    Args:
        image_shape: `(R, R, C)` of the networks.
        num_classes: int, or `None` when unconditional.
        parts: int, number of equal parts into which each replica's batch is cut.
        replicas: int.
    """

    def __init__(self, image_shape, num_classes, parts=1, replicas=1):
        self._image_shape = image_shape
        self._num_classes = num_classes
        self._parts = parts
        self._replicas = replicas

    def checked(self, x, y=None, batch_size=None, shuffle=False):
        """Checks the data and returns them in the form that Keras needs.

        Arrays are checked now. Everything else has its types checked now, and the
        values of a batch when it is read. A distributed data set has only its types
        checked.

        Args:
            x: array `(N, R, R, C)`, or a source of batches: `tf.data.Dataset`,
                `keras.utils.PyDataset`, generator, PyTorch `DataLoader`.
            y: `(N,)` labels if x is an array.
            batch_size: int, for arrays.
            shuffle: bool, whether Keras shuffles the batches of a `PyDataset`.

        Returns:
            x and y.

        Raises:
            BadInput: the data do not fit. Errors in a batch that is read later are
                raised by `errors_in_one_line`.
        """
        if isinstance(x, tf.data.Dataset):
            return self.dataset(x), y
        if hasattr(x, "element_spec"):
            self._check_types(_of_one_replica(x.element_spec))
            return x, y
        if x is None or isinstance(x, (tuple, list, dict)) or hasattr(x, "dtype"):
            return self.arrays(x, y, batch_size or 32)
        return _CheckedAdapter(get_data_adapter(x, y, shuffle=shuffle), self), None

    def arrays(self, images, labels=None, batch_size=None):
        """Checks arrays, see `checked`. `batch_size=None` means one batch.

        Returns:
            The images, and the labels as `(N,)` int32 array or `None`.
        """
        if hasattr(images, "dtype") and not isinstance(images, tf.Tensor):
            images = np.asarray(images)
        labels = None if labels is None else np.asarray(labels)
        check_types((images, labels), self._image_shape, self._num_classes)
        count = len(images)
        if not count:
            raise BadInput(_NO_IMAGES.format(""))
        size = min(batch_size or count, count)
        last = count % size if size and count % size else size
        if not self._can_be_cut(last, size):
            received = f"{count} images in batches of {size}, {last} in the last"
            raise BadInput(self._uneven(received))
        lowest = np.inf
        for first in range(0, count, _CHUNK):
            part = np.asarray(images[first : first + _CHUNK])
            self._check_values(part)
            lowest = min(lowest, part.min())
        check_label_values(labels, self._num_classes)
        _warn_unless_negative(lowest)
        return images, None if labels is None else labels.astype(np.int32).reshape(-1)

    def dataset(self, dataset):
        """Returns a `tf.data.Dataset` of the same batches that checks each of them.

        It leaves out batches that cannot be cut into equal parts, with a warning.
        """
        has_size = self._check_types(dataset.element_spec, self._replicas)
        if dataset.cardinality() == 0:
            raise BadInput(_NO_IMAGES.format(""))
        first_size = []

        def look(index, images, labels=None):
            try:
                # Now the shapes are known.
                check_types((images, labels), self._image_shape, self._num_classes)
                if not len(images):
                    raise BadInput(_NO_IMAGES.format(" in each batch"))
                self._check_values(images)
                check_label_values(labels, self._num_classes)
                if index == 0:
                    first_size[:] = [len(images)]
                    self._check_size(len(images))
                    _warn_unless_negative(images.min(initial=1))
            except BadInput as error:
                return f"BadInput: {error}", True
            fits = self._can_be_cut(len(images), first_size[0])
            if not fits:
                uneven = self._uneven(f"a batch of {len(images)}")
                warnings.warn(f"A batch is left out. {uneven}", stacklevel=2)
            return "", fits

        @tf.autograph.experimental.do_not_convert
        def check(index, batch):
            given = [each for each in unpacked(batch) if each is not None]
            results = tf.numpy_function(look, [index, *given], [tf.string, tf.bool])
            problem, fits = (tf.ensure_shape(each, []) for each in results)
            holds = tf.debugging.Assert(tf.equal(problem, ""), [problem])
            with tf.control_dependencies([holds]):
                return fits, tf.nest.map_structure(tf.identity, batch)

        checked = dataset.enumerate().map(check)
        if not has_size and self._parts * self._replicas > 1:
            checked = checked.filter(_first)
        return checked.map(_second).prefetch(1)

    def _check_types(self, spec, replicas=1):
        """Checks the types of batches. Returns True if their size is known."""
        images, _ = check_types(spec, self._image_shape, self._num_classes)
        size = images.shape[0] if images.shape.rank else None
        if size is not None:
            self._check_size(size, replicas)
        return size is not None

    def _check_size(self, size, replicas=None):
        if size % (self._parts * (replicas or self._replicas)):
            raise BadInput(self._uneven(f"batches of {size}"))

    def _can_be_cut(self, size, first_size):
        # TensorFlow still gives the first replicas their full share of a smaller batch.
        is_full = self._replicas == 1 or size == first_size
        return is_full and size % (self._parts * self._replicas) == 0

    def _uneven(self, received):
        return (
            "The batch size must be a multiple of discriminator_steps * "
            f"gradient_accumulation_steps = {self._parts} on each replica, and "
            f"equal on all replicas ({self._replicas}). Received: {received}. Try "
            f"batch_size={8 * self._parts * self._replicas} and drop_remainder=True."
        )

    def _check_values(self, images):
        low, high = images.min(initial=np.inf), images.max(initial=-np.inf)
        if low < -1 - _ROUNDING or high > 1 + _ROUNDING:
            remedy = "to scale them so that the smallest and largest value are -1 and 1"
            if low >= 0 and high > 2:
                remedy = "images / 127.5 - 1"
            elif low > -_OVERSHOOT and high < _OVERSHOOT:
                remedy = "tf.clip_by_value(images, -1, 1)"
            raise BadInput(
                f"images must be in [-1, 1]. Received: values from {low:.5g} to "
                f"{high:.5g}. Try {remedy}."
            )


class _CheckedAdapter(DataAdapter):
    """An adapter of Keras that checks its batches."""

    def __init__(self, adapter, check):
        self._adapter = adapter
        self._check = check

    def get_tf_dataset(self):
        return self._check.dataset(self._adapter.get_tf_dataset())

    @property
    def num_batches(self):
        return self._adapter.num_batches

    @property
    def batch_size(self):
        return self._adapter.batch_size

    def on_epoch_begin(self):
        self._adapter.on_epoch_begin()

    def on_epoch_end(self):
        self._adapter.on_epoch_end()


@contextlib.contextmanager
def errors_in_one_line():
    """Raises errors of a `BatchCheck` in the input pipeline as `BadInput`."""
    try:
        yield
    except tf.errors.OpError as error:
        match = re.search(r"BadInput: (.*\.)", str(error))
        if match is None:
            raise
        # TensorFlow has escaped the quotes.
        raise BadInput(re.sub(r"\\(['\"])", r"\1", match[1])) from None


def unpacked(batch):
    """Returns the images, and the labels or `None`, in a batch from Keras.

    Raises:
        BadInput: the batch has weights, or another structure.
    """
    parts = tuple(batch) if isinstance(batch, (tuple, list)) else (batch,)
    images, labels, weights = (*parts, None, None, None)[:3]
    are_dense = all(_is_dense(each) for each in (images, labels) if each is not None)
    if len(parts) > 3 or images is None or weights is not None or not are_dense:
        kinds = ", ".join(type(each).__name__ for each in parts)
        raise BadInput(
            "Data must be (images, labels), or images alone, as arrays or dense "
            f"tensors, without weights. Received: ({kinds}). Try np.stack(images), or "
            "dataset.map(lambda images, labels, *rest: (images, labels))."
        )
    return images, labels


def _is_dense(value):
    """Returns True for an array, a dense tensor, or the spec of one."""
    kinds = tf.RaggedTensor, tf.RaggedTensorSpec, tf.SparseTensor, tf.SparseTensorSpec
    return hasattr(value, "dtype") and not isinstance(value, kinds)


def check_types(batch, image_shape, num_classes):
    """Checks the types and shapes of a batch, as far as they are known.

    Args:
        batch: images `(B, R, R, C)` or (images, labels), as arrays, tensors or specs.
        image_shape: `(R, R, C)` of the networks.
        num_classes: int, or `None` when unconditional.

    Returns:
        The images and the labels.

    Raises:
        BadInput: images are not floats of this shape; labels are missing, or are not
            ints of the shape `(B,)` or `(B, 1)`.
    """
    images, labels = unpacked(batch)
    shape = tf.TensorShape(images.shape)
    if not shape.is_compatible_with((None, *image_shape)):
        single = shape.rank == len(image_shape)
        raise BadInput(
            f"images must have the shape {('B', *image_shape)} of the networks. "
            f"Received: {tuple(shape)}. Try "
            f"{'dataset.batch(64)' if single else 'to resize them, or other networks'}."
        )
    if not tf.as_dtype(images.dtype).is_floating:
        raise BadInput(
            "images must be floats in [-1, 1]. Received: "
            f"{tf.as_dtype(images.dtype).name}. Try images / 127.5 - 1."
        )
    if num_classes is None:
        return images, labels
    if labels is None:
        raise BadInput(
            "A model with classes needs (images, labels). "
            "Received: images alone. Try networks with num_classes=0."
        )
    count = shape[0] if shape.rank else None
    check_label_type(labels.shape, labels.dtype, num_classes, count)
    return images, labels


def check_label_type(shape, dtype, num_classes, count=None):
    """Raises `BadInput` unless labels are ints, `(count,)` or `(count, 1)`."""
    shape, dtype = tf.TensorShape(shape), tf.as_dtype(dtype)
    allowed = [(count,), (count, 1)]
    if dtype.is_integer and any(map(shape.is_compatible_with, allowed)):
        return
    received, remedy = "", "tf.argmax(labels, 1) for one-hot labels"
    if dtype == tf.string:
        remedy = "np.unique(labels, return_inverse=True)[1] for names"
    elif count is not None and shape.rank == 1 and shape[0] != count:
        received, remedy = f", for {count} images", "as many labels as images"
    raise BadInput(
        f"labels must be ints in [0, {num_classes}), one per image. Received: "
        f"{dtype.name}, {tuple(shape) if shape.rank else shape}{received}. Try "
        f"{remedy}."
    )


def check_label_values(labels, num_classes):
    """Raises `BadInput` unless an array of labels is in [0, num_classes)."""
    if num_classes is None:
        return
    wrong = np.unique(labels[(labels < 0) | (labels >= num_classes)])
    if wrong.size:
        raise BadInput(
            f"labels must be in [0, {num_classes}). Received: {wrong[:8].tolist()}. "
            "Try networks with as many classes as the data."
        )


def _of_one_replica(spec):
    """The element spec of one replica's share of a distributed data set."""
    return tf.nest.map_structure(
        lambda each: tf.nest.flatten(each, expand_composites=True)[0], spec
    )


def _warn_unless_negative(lowest):
    if 0 <= lowest <= 1:
        warnings.warn(
            "No value of the first images is below 0: images must be in [-1, 1], not "
            "in [0, 1]. Try images * 2 - 1.",
            stacklevel=2,
        )


# Otherwise AutoGraph would read this file to translate them.
@tf.autograph.experimental.do_not_convert
def _first(first, second):
    return first


@tf.autograph.experimental.do_not_convert
def _second(first, second):
    return second

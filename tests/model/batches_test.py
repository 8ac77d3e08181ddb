"""What a `SAGAN` says about images and labels that it cannot be fitted on."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from sagan_tf.errors import BadInput
from sagan_tf.model.batches import BatchCheck, check_types, errors_in_one_line

CLASSES, SHAPE = 3, (8, 8, 1)


def images(count=6, low=-1.0, high=1.0):
    random = np.random.default_rng(0)
    return random.uniform(low, high, (count, *SHAPE)).astype("float32")


def labels(count=6):
    return np.arange(count) % CLASSES


def batch_check(parts=1, replicas=1):
    return BatchCheck(SHAPE, CLASSES, parts, replicas)


class Batches(keras.utils.PyDataset):
    def __init__(self, batches, **options):
        super().__init__(**options)
        self.batches, self.epochs = batches, 0

    def __len__(self):
        return len(self.batches)

    def __getitem__(self, index):
        return self.batches[index]

    def on_epoch_end(self):
        self.epochs += 1


def as_dataset(x, y, size):
    return tf.data.Dataset.from_tensor_slices((x, y)).batch(size)


def as_generator(x, y, size):
    return (batch for batch in cut(x, y, size))


def as_py_dataset(x, y, size):
    return Batches(cut(x, y, size))


def as_threads(x, y, size):
    return Batches(cut(x, y, size), workers=2)


def cut(x, y, size):
    return [(x[i : i + size], y[i : i + size]) for i in range(0, len(x), size)]


def pairs():
    return as_dataset(images(), labels(), 2)


KINDS = [as_dataset, as_generator, as_py_dataset, as_threads]


def read(x, y=None, parts=1, replicas=1, **options):
    """What Keras reads of data that are checked: list of (images, labels)."""
    with errors_in_one_line():
        x, y = batch_check(parts, replicas).checked(x, y, **options)
        if isinstance(x, np.ndarray):
            return [(x, y)]
        if not isinstance(x, tf.data.Dataset):
            x.on_epoch_begin()
            batches = list(x.get_tf_dataset().as_numpy_iterator())
            x.on_epoch_end()
            return batches
        return list(x.as_numpy_iterator())


WRONG = {
    "bytes": (images(high=1) * 100 + 100, labels(), "from .* Try images / 127.5 - 1"),
    "uint8": ((images() * 100).astype("uint8"), labels(), "floats .* uint8. Try"),
    "a little": (images() * 1.2, labels(), "Try tf.clip_by_value"),
    "less 127.5": (images() * 127, labels(), "to 12[67].* smallest and largest value"),
    "from 0 to 2": (images() + 1, labels(), "to 1.9.* smallest and largest value"),
    "size": (np.zeros((6, 9, 9, 1), "float32"), labels(), r"'B', 8, 8, 1.*9, 9, 1"),
    "fractions": (images(), labels() + 0.5, "ints .* float64"),
    "floats": (images(), labels().astype("float32"), "ints .* float32"),
    "one-hot": (images(), np.eye(CLASSES)[labels()], "one-hot"),
    "one-hot ints": (images(), np.eye(CLASSES, dtype=int)[labels()], "one-hot"),
    "no class": (images(), labels() + 1, r"in \[0, 3\). Received: \[3\]"),
    "negative": (images(), labels() - 1, r"Received: \[-1\]"),
    "a small type": (images(), np.uint8([0, 1, 2, 255, 0, 0]), r"Received: \[255\]"),
}


@pytest.mark.parametrize("kind", [None, *KINDS])
@pytest.mark.parametrize("case", WRONG)
def test_wrong_data_are_one_line_wherever_they_come_from(kind, case):
    x, y, message = WRONG[case]
    data = (x, y) if kind is None else (kind(x, y, 2), None)
    with pytest.raises(BadInput, match=message) as caught:
        read(*data)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("kind", [None, *KINDS])
@pytest.mark.parametrize("dtype", ["int32", "int64", "uint8"])
@pytest.mark.parametrize("shape", [(-1,), (-1, 1)])
def test_good_data_are_read_once_and_in_order(kind, dtype, shape):
    x, y = images(), labels().astype(dtype).reshape(shape)
    batches = read(x, y) if kind is None else read(kind(x, y, 4))
    np.testing.assert_array_equal(np.concatenate([b[0] for b in batches]), x)
    found = np.concatenate([b[1] for b in batches]).reshape(-1)
    np.testing.assert_array_equal(found, labels())


def test_no_images_are_refused():
    for data in ((images(0), labels(0)), (pairs().take(0), None)):
        with pytest.raises(BadInput, match="at least one image"):
            read(*data)


@pytest.mark.parametrize("empty", [0, 1])
def test_a_batch_without_images_is_refused(recwarn, empty):
    batches = [(images(2), labels(2))] * 2
    batches[empty] = images(0), labels(0)
    with pytest.raises(BadInput, match="at least one image in each batch"):
        read(Batches(batches))
    assert not recwarn.list


def test_names_of_classes_are_told_how_to_become_labels():
    names = np.array([*"abcabc"])
    for data in ((images(), names), (as_dataset(images(), names, 2), None)):
        with pytest.raises(BadInput, match=r"string, .* return_inverse=True"):
            read(*data)


def test_as_many_labels_as_images_are_asked_for():
    with pytest.raises(BadInput, match=r"\(5,\), for 6 images. Try as many labels"):
        read(images(), labels(5))
    with pytest.raises(BadInput, match=r"\(1,\), for 2 images. Try as many labels"):
        read(Batches([(images(2), labels(1))]))


def test_a_later_batch_is_looked_at_too():
    x = images()
    x[5, 0, 0, 0] = 3
    for kind in KINDS:
        with pytest.raises(BadInput, match="to 3. Try"):
            read(kind(x, labels(), 2))


def test_shapes_that_are_known_when_a_batch_is_read_are_enough():
    def dataset(y):
        signature = tf.TensorSpec(None, tf.float32), tf.TensorSpec(None, tf.int32)
        make = lambda: iter(cut(images(), y, 3))  # noqa: E731
        return tf.data.Dataset.from_generator(make, output_signature=signature)

    assert len(read(dataset(labels().astype("int32")))) == 2
    with pytest.raises(BadInput, match="one-hot"):
        read(dataset(np.eye(CLASSES, dtype="int32")[labels()]))


def ragged(x, y):
    return tf.RaggedTensor.from_tensor(x), y


def sparse(x, y):
    return x, tf.sparse.from_dense(y)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: {"x": images()}, r"Received: \(dict, NoneType\)"),
        (lambda: [images(), labels()], r"Received: \(list, NoneType\)"),
        (lambda: None, "NoneType"),
        (images, "images alone"),
        (lambda: pairs().unbatch(), r"dataset.batch\(64\)"),
        (lambda: pairs().map(lambda x, y: (x, y, y)), "weights"),
        (lambda: pairs().map(lambda x, y: {"x": x}), "dict"),
        (lambda: pairs().map(ragged), r"\(RaggedTensorSpec, TensorSpec\)"),
        (lambda: pairs().map(sparse), r"\(TensorSpec, SparseTensorSpec\)"),
        (lambda: Batches([(images(2), labels(2)), (images()[:, 1:], labels())]), "'B'"),
    ],
)
def test_other_structures_are_refused(make, message):
    with pytest.raises(BadInput, match=message) as caught:
        read(make())
    assert "\\" not in str(caught.value)


@pytest.mark.parametrize("kind", [None, as_dataset, as_generator])
def test_images_from_0_to_1_give_a_warning(kind):
    x = images(low=0.0)
    with pytest.warns(UserWarning, match=r"not in \[0, 1\]. Try images \* 2 - 1"):
        read(x, labels()) if kind is None else read(kind(x, labels(), 2))


def test_nan_is_left_to_the_step():
    x = images()
    x[0, 0, 0, 0] = np.nan
    assert len(read(x, labels())) == 1
    assert len(read(as_dataset(x, labels(), 2))) == 3


@pytest.mark.parametrize(
    ("count", "size", "parts", "replicas", "fits"),
    [
        (6, 4, 1, 1, True),
        (6, 4, 2, 1, True),
        (7, 4, 2, 1, False),
        (6, 3, 2, 1, False),
        (6, 4, 1, 2, False),  # A replica would be left without images.
        (8, 4, 2, 2, True),
        (6, 8, 2, 1, True),
        (5, 8, 1, 2, False),
    ],
)
def test_arrays_that_give_an_uneven_batch_are_refused(
    count, size, parts, replicas, fits
):
    check = batch_check(parts, replicas)
    if fits:
        check.arrays(images(count), labels(count), size)
        return
    with pytest.raises(BadInput, match=f"= {parts} on .* {count} images in batches of"):
        check.arrays(images(count), labels(count), size)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("parts", "replicas"), [(2, 1), (1, 2)])
def test_an_uneven_last_batch_is_left_out_with_a_warning(kind, parts, replicas):
    data = kind(images(9), labels(9), 4)
    with pytest.warns(UserWarning, match="left out. .*Received: a batch of 1"):
        batches = read(data, parts=parts, replicas=replicas)
    assert [len(batch[0]) for batch in batches] == [4, 4]


def test_batches_that_are_never_even_are_refused():
    dataset = as_dataset(images(), labels(), 3)
    with pytest.raises(BadInput, match="Received: batches of 3"):
        read(dataset, parts=2)
    with pytest.raises(BadInput, match="Received: batches of 3"):
        read(pairs().unbatch().batch(3, True), parts=2)


def test_the_epochs_of_a_py_dataset_end():
    batches = as_py_dataset(images(), labels(), 2)
    read(batches)
    assert batches.epochs == 1


def test_other_errors_stay_as_they_are():
    with pytest.raises(tf.errors.OutOfRangeError):
        with errors_in_one_line():
            raise tf.errors.OutOfRangeError(None, None, "end")


def test_types_are_those_of_one_replica(two_replicas):
    dataset = tf.data.Dataset.from_tensor_slices((images(), labels()))
    check = batch_check(replicas=2)
    good = two_replicas.experimental_distribute_dataset(dataset.batch(4, True))
    assert check.checked(good)[0] is good
    pixels = dataset.map(lambda x, y: (tf.cast(x, tf.uint8), y)).batch(4, True)
    with pytest.raises(BadInput, match="uint8"):
        check.checked(two_replicas.experimental_distribute_dataset(pixels))


def test_without_classes_labels_do_not_matter():
    check_types((images(), np.zeros(6) + 0.5), SHAPE, None)
    check_types(images(), SHAPE, None)

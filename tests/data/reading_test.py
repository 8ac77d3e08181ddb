"""`read_once`: every image once, in an order that is a function of the arguments."""

import numpy as np
import pytest

from sagan_tf.data import make_dataset, open_source, read_once
from sagan_tf.errors import BadInput

SHAPE = dict(resolution=6, image_channels=3)
KINDS = ("digits", "npz", "folder", "tfrecord", "tfds", "unlabelled tfds")


def joined(batches):
    """Images, labels (None without) and indices of all batches together."""
    return tuple(
        None if part[0] is None else np.concatenate(part)
        for part in zip(*batches, strict=True)
    )


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shuffle", [False, True])
def test_every_image_is_read_once_in_the_order_of_a_run(dataset_of, kind, shuffle):
    source = open_source(**dataset_of[kind])
    order = dict(seed=7, shuffle=shuffle, shuffle_buffer_images=5)
    images, labels, indices = joined(read_once(source, batch_size=4, **SHAPE, **order))
    assert sorted(indices) == list(range(source.num_images))
    assert shuffle or list(indices) == sorted(indices)
    batch = next(
        make_dataset(source, batch_size=4, **SHAPE, **order).as_numpy_iterator()
    )
    first, *rest = batch if isinstance(batch, tuple) else (batch,)
    np.testing.assert_array_equal(images[:4], first)
    assert (labels is None) == (not rest)
    if rest:
        np.testing.assert_array_equal(labels[:4], rest[0])


@pytest.mark.parametrize("count", [1, 4, 6, 99])
def test_no_more_images_than_asked_for(folder, count):
    source = open_source(f"folder:{folder}")
    batches = list(read_once(source, batch_size=4, count=count, **SHAPE))
    assert sum(len(images) for images, _, _ in batches) == min(count, 11)
    assert all(len(i) == len(la) == len(p) for i, la, p in batches)


def test_labels_can_be_left_out(folder):
    source = open_source(f"folder:{folder}")
    assert joined(read_once(source, labelled=False, **SHAPE))[1] is None


def test_a_bad_image_is_named(folder):
    (folder / "dog" / "2.png").write_bytes(b"")
    source = open_source(f"folder:{folder}")
    with pytest.raises(BadInput, match="dog/2.png: .* Try replacing it, or a walk."):
        list(read_once(source, batch_size=4, remedy="a walk", **SHAPE))


def test_an_error_in_the_reader_of_the_batches_is_its_own(folder):
    (folder / "dog" / "2.png").write_bytes(b"")
    source = open_source(f"folder:{folder}")
    with pytest.raises(ZeroDivisionError):
        for _ in read_once(source, batch_size=1, shuffle=False, **SHAPE):
            raise ZeroDivisionError

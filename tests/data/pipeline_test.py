"""What the batches hold, in which order, and that a run can be continued."""

import itertools

import numpy as np
import pytest
import tensorflow as tf

from sagan_tf.data import make_dataset, open_source
from sagan_tf.images import center_crop_and_resize, from_pixels

from .samples import random_pixels

KINDS = ("digits", "npz", "folder", "tfrecord", "tfds", "unlabelled tfds")
CHOICES = dict(resolution=6, image_channels=3, seed=7, shuffle_buffer_images=5)


def batches(source, count, **changes):
    """`count` batches as arrays; labels are -1 if there are none."""
    dataset = make_dataset(source, **{**CHOICES, "batch_size": 4, **changes})
    result = []
    for batch in itertools.islice(dataset.as_numpy_iterator(), count):
        images, labels = batch if isinstance(batch, tuple) else (batch, None)
        result.append((images, np.full(len(images), -1) if labels is None else labels))
    return result


def stream(source, count, **changes):
    """Images one after another: (images, labels) of `count` batches."""
    images, labels = zip(*batches(source, count, **changes), strict=True)
    return np.concatenate(images), np.concatenate(labels)


def numbers(images):
    """The numbers of the test images: each is filled with its number times 10."""
    return np.round((images[:, 0, 0, 0] + 1) * 12.75).astype(int).tolist()


def indices(elements):
    return [int(element["index"]) for element in elements.as_numpy_iterator()]


@pytest.fixture(params=KINDS)
def source(request, dataset_of):
    return open_source(**dataset_of[request.param])


@pytest.mark.slow
@pytest.mark.parametrize("cache_bytes", [0, 2**30])
def test_a_run_that_is_continued_sees_what_it_would_have_seen(source, cache_bytes):
    # 11 batches of 4 reach into the second or third epoch of the small sources.
    choices = dict(flip=True, cache_bytes=cache_bytes)
    images, labels = stream(source, 11, **choices)
    for start in (5, 26):
        later_images, later_labels = stream(source, 1, start_image=start, **choices)
        np.testing.assert_array_equal(later_images, images[start : start + 4])
        np.testing.assert_array_equal(later_labels, labels[start : start + 4])


@pytest.mark.slow
def test_the_order_crosses_epochs_and_each_epoch_holds_every_picture(source):
    epoch = source.num_images
    rest = -(-2 * epoch // 5)
    elements = source.epoch(3, 0, True, 5)
    order = indices(elements)
    assert sorted(order) == list(range(epoch))
    assert indices(elements) == indices(source.epoch(3, 0, True, 5)) == order
    assert sorted(indices(source.epoch(3, 1, True, 5))) == list(range(epoch))
    assert indices(source.epoch(3, 1, True, 5)) != order
    assert indices(source.epoch(4, 0, True, 5)) != order
    assert len(batches(source, rest, batch_size=5)) == rest


@pytest.mark.parametrize("kind", ["npz", "tfrecord"])
def test_the_order_does_not_depend_on_the_program_wide_seed(dataset_of, kind):
    source = open_source(**dataset_of[kind])
    streams = []
    try:
        for seed in (1, 2):
            tf.random.set_seed(seed)
            streams.append(stream(source, 12, flip=True))
    finally:
        # The state before any seed was set has no public name.
        tf.random.set_seed(0)
    np.testing.assert_array_equal(streams[0][0], streams[1][0])


@pytest.mark.parametrize("kind", ["npz", "folder", "tfrecord", "tfds"])
def test_images_and_labels_belong_together(dataset_of, kind):
    source = open_source(**dataset_of[kind])
    images, labels = stream(source, 5)
    found = np.round((images[:, 0, 0, 0] + 1) * 127.5).astype(int)
    if source.class_names == ("cat", "dog"):
        np.testing.assert_array_equal(labels, found >= 100)
    else:
        np.testing.assert_array_equal(labels, found // 10 % 4)


def test_without_shuffling_the_pictures_come_as_they_are_stored(source):
    choices = dict(shuffle=False, repeat=False, drop_remainder=False)
    if source.num_images > 100:
        labels = stream(source, 3, **choices)[1]
        np.testing.assert_array_equal(labels, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1])
        return
    images, _ = stream(source, 100, **choices)
    values = np.round((images[:, 0, 0, 0] + 1) * 127.5)
    # JPEG, in one of the sources, may be off by one.
    step = 20 if source.class_names == ("cat", "dog") else 10
    expected = np.arange(source.num_images) * step
    np.testing.assert_allclose(values, expected, atol=1)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["npz", "tfrecord"])
@pytest.mark.parametrize("pipelines", [2, 4])
def test_a_global_batch_is_the_same_for_any_number_of_pipelines(
    dataset_of, kind, pipelines
):
    source = open_source(**dataset_of[kind])
    choices = dict(batch_size=8, flip=True, start_image=16)
    alone = batches(source, 4, **choices)
    shares = [
        batches(
            source,
            4,
            num_input_pipelines=pipelines,
            input_pipeline_index=index,
            **choices,
        )
        for index in range(pipelines)
    ]
    for together, *parts in zip(alone, *shares, strict=True):
        assert all(len(images) == 8 // pipelines for images, _ in parts)
        union = np.concatenate([images for images, _ in parts])
        assert sorted(numbers(union)) == sorted(numbers(together[0]))
        for index, (images, _) in enumerate(parts):
            np.testing.assert_array_equal(images, together[0][index::pipelines])


def test_flips_mirror_about_half_of_the_pictures_left_to_right(tmp_path):
    pixels = random_pixels(400, 4, 4, 3)
    np.savez(tmp_path / "a.npz", images=pixels)
    source = open_source(f"npz:{tmp_path}/a.npz")
    plain = stream(source, 200, resolution=4)[0]
    flipped = stream(source, 200, resolution=4, flip=True)[0]
    mirrored = np.array(
        [
            np.array_equal(a, b[:, ::-1]) and not np.array_equal(a, b)
            for a, b in zip(flipped, plain, strict=True)
        ]
    )
    same = np.array([np.array_equal(a, b) for a, b in zip(flipped, plain, strict=True)])
    assert np.all(mirrored ^ same)
    assert 340 < mirrored.sum() < 460
    # An image is not always flipped, or never, over two epochs.
    assert np.any(same[:400] != same[400:])


@pytest.mark.parametrize("cache_bytes", [0, 2**30])
def test_pictures_are_cropped_resized_and_scaled(tmp_path, cache_bytes):
    pixels = random_pixels(3, 20, 31, 3)
    np.savez(tmp_path / "a.npz", images=pixels, labels=np.arange(3))
    source = open_source(f"npz:{tmp_path}/a.npz")
    images, labels = batches(
        source,
        1,
        batch_size=3,
        resolution=8,
        resize="area",
        shuffle=False,
        cache_bytes=cache_bytes,
    )[0]
    expected = from_pixels(center_crop_and_resize(pixels, 8, "area"))
    np.testing.assert_array_equal(images, expected)
    assert images.dtype == np.float32 and labels.dtype == np.int32
    assert images.min() >= -1 and images.max() <= 1


def test_shapes_are_known_before_the_first_batch(dataset_of):
    for kind in ("npz", "tfrecord"):
        source = open_source(**dataset_of[kind])
        for cache_bytes in (0, 2**30):
            choices = {**CHOICES, "image_channels": 1, "cache_bytes": cache_bytes}
            dataset = make_dataset(source, batch_size=4, **choices)
            images, labels = dataset.element_spec
            assert images.shape == (4, 6, 6, 1) and labels.shape == (4,)


def test_images_come_alone_without_labels(dataset_of):
    unlabelled = open_source(**dataset_of["unlabelled tfds"])
    labelled = open_source(**dataset_of["digits"])
    for source, choices in ((unlabelled, {}), (labelled, {"labelled": False})):
        dataset = make_dataset(source, batch_size=4, **CHOICES, **choices)
        assert isinstance(dataset.element_spec, tf.TensorSpec)


def test_one_epoch_ends_with_the_epoch(dataset_of):
    source = open_source(**dataset_of["tfrecord"])
    sizes = lambda **choices: [  # noqa: E731
        len(images) for images, _ in batches(source, 99, repeat=False, **choices)
    ]
    assert sizes() == [4] * 5
    assert sizes(drop_remainder=False) == [4] * 5 + [3]
    assert sizes(drop_remainder=False, start_image=23 + 20) == [3]


def test_too_few_pictures_for_a_batch_is_an_error(dataset_of):
    source = open_source(**dataset_of["npz"])
    with pytest.raises(ValueError, match="needs 24 images.*a.npz.*23.*--batch_size"):
        make_dataset(source, batch_size=24, **CHOICES)


def test_a_batch_must_be_a_multiple_of_the_pipelines(dataset_of):
    source = open_source(**dataset_of["npz"])
    with pytest.raises(ValueError, match="Received: batch_size=5, num_input_pipe.*=2"):
        make_dataset(source, batch_size=5, num_input_pipelines=2, **CHOICES)


def test_a_bad_picture_in_a_folder_is_named_before_the_first_batch(folder):
    (folder / "cat" / "3.png").write_bytes(b"\x89PNG\r\n")
    source = open_source(f"folder:{folder}")
    with pytest.raises(ValueError, match="cat/3.png: .*--skip_bad_images"):
        make_dataset(source, batch_size=4, **CHOICES)


@pytest.mark.parametrize("kind", ["npz", "tfrecord"])
def test_replicas_share_the_batch_that_one_device_would_get(
    dataset_of, kind, two_replicas
):
    source = open_source(**dataset_of[kind])
    dataset = make_dataset(source, batch_size=4, **CHOICES)
    shared = two_replicas.experimental_distribute_dataset(dataset)
    alone = batches(source, 3)
    for expected, (images, labels) in zip(alone, shared, strict=False):
        images, labels = (
            np.concatenate(two_replicas.experimental_local_results(each))
            for each in (images, labels)
        )
        np.testing.assert_array_equal(images, expected[0])
        np.testing.assert_array_equal(labels, expected[1])

"""The images that a classifier is trained on, and the held-out ones."""

import pathlib
import re

import tensorflow as tf

from sagan_tf import data
from sagan_tf.errors import BadInput
from sagan_tf.images import RESIZE_METHODS

_OTHER_SPLIT = {"train": "test", "test": "train"}
# What a random number is for; see `data/source.py`.
_SHIFT = 20
_TEST_BATCH = 256
_SIZES = (32, 64, 128)


def open_parts(
    dataset,
    *,
    split=None,
    held_out_dataset=None,
    held_out_split=None,
    data_dir=None,
    manual_dir=None,
    label_offset=0,
    skip_bad_images=False,
):
    """Opens the training images of a classifier, and the held-out ones.

    Held out is `held_out_dataset`, or another split of the data set: for digits, npz
    and folder "test" by default, and "train" is for training.

    Args:
        dataset, split, data_dir, manual_dir, label_offset, skip_bad_images: see
            `data.open_source`.
        held_out_dataset, held_out_split: the same for the held-out images, or None.

    Returns:
        training, held_out: `data.Source`; and a dict for classifier.json.

    Raises:
        BadInput: one of them cannot be opened, or nothing would be held out.
    """
    kind = dataset.partition(":")[0]
    if held_out_dataset == dataset:
        held_out_dataset = None
    if not held_out_dataset and not held_out_split and kind in ("tfds", "tfrecord"):
        or_split = " or --held_out_split=test" if kind == "tfds" else ""
        raise BadInput(
            "Images to measure the classifier with are needed. Received: "
            f"dataset={dataset!r}. Try --held_out_dataset={kind}:...{or_split}."
        )
    if not held_out_dataset and kind in ("digits", "npz", "folder"):
        split = split or _OTHER_SPLIT.get(held_out_split, "train")
        held_out_split = held_out_split or _OTHER_SPLIT.get(split)
    parts = [(dataset, split), (held_out_dataset or dataset, held_out_split)]
    if not held_out_dataset and (split or "train") == held_out_split:
        raise BadInput(
            "Held-out images must be others than those that are trained on. "
            f"Received: dataset={dataset!r}, split={split!r}, held_out_split="
            f"{held_out_split!r}. Try another --held_out_split."
        )
    about, sources = {}, []
    # Folders of TFDS are for the part that is a data set of TFDS, if one is.
    from_tfds = [where.startswith("tfds:") for where, _ in parts]
    for (where, part), is_tfds, prefix in zip(parts, from_tfds, ("", "held_out_")):
        is_meant = is_tfds or not any(from_tfds)
        source = data.open_source(
            where,
            split=part,
            data_dir=data_dir if is_meant else None,
            manual_dir=manual_dir if is_meant else None,
            label_offset=label_offset,
            skip_bad_images=skip_bad_images,
        )
        sources.append(source)
        about |= {f"{prefix}dataset": where, f"{prefix}split": part}
    return *sources, about


def default_name(dataset):
    """The name of a data set's classifier: "digits-cnn", "photos-cnn", ..."""
    kind, _, place = dataset.partition(":")
    if kind in ("npz", "folder", "tfrecord"):
        place = pathlib.Path(place).resolve().name
        place = place.removesuffix(".npz") if kind == "npz" else place
    name = re.sub(r"[^A-Za-z0-9._]+", "-", place or kind).strip("._-")
    return f"{name[:60] or kind}-cnn"


def natural_shape(source):
    """The size and channels that suit a `data.Source`, by its first image.

    Returns:
        The smallest of 32, 64 and 128 that the image's shorter side fits into, or
        128; and 1 if it is grey, else 3.

    Raises:
        BadInput: the image cannot be read.
    """
    with data.naming_bad_image(source, seed=0, shuffle=False, count=1):
        (element,) = source.epoch(0, 0, shuffle=False).take(1)
        height, width, channels = source.decode(element)["image"].shape
    fitting = [size for size in _SIZES if size >= min(height, width)]
    return (fitting or _SIZES)[0 if fitting else -1], 1 if channels <= 2 else 3


def check_classes(training, held_out):
    """Checks the classes of two `data.Source`.

    Raises:
        BadInput: no labels, fewer than two classes, or other classes held out.
    """
    for source in (training, held_out):
        if not source.num_classes:
            raise BadInput(
                f"A classifier needs labels. Received: {source.description}. Try a "
                "data set with labels."
            )
    if training.num_classes < 2:
        raise BadInput(
            f"A classifier needs two classes. Received: {training.description}. Try a "
            "data set with more classes."
        )
    names = training.class_names, held_out.class_names
    if held_out.num_classes > training.num_classes or (
        all(names) and len(set(names)) > 1
    ):
        raise BadInput(
            "The held-out images must have the classes that are trained on. "
            f"Received: {training.description}; {held_out.description}. Try another "
            "--held_out_dataset."
        )


def make_batches(training, treatment, batch_size, flip):
    """Endless batches of (images, labels), shifted by up to a 16th of the resolution.

    Args:
        training: `data.Source`.
        treatment: dict of `resolution`, `image_channels`, `resize` and `seed`.
        batch_size: int.
        flip: mirror a random half.

    Raises:
        BadInput: `resize` is unknown, or an image is bad.
    """
    if treatment["resize"] not in RESIZE_METHODS:
        raise BadInput(
            f"resize must be one of {', '.join(RESIZE_METHODS)}. Received: resize="
            f"{treatment['resize']!r}. Try --resize={RESIZE_METHODS[0]}."
        )
    most = treatment["resolution"] // 16
    batches = data.make_dataset(training, batch_size=batch_size, flip=flip, **treatment)

    def shifted(step, batch):
        return shift(batch[0], most, (treatment["seed"], step)), batch[1]

    return batches.enumerate().map(shifted)


def make_test_batches(held_out, treatment):
    """Batches of all held-out (images, labels), once; see `make_batches`."""
    batch_size = min(_TEST_BATCH, held_out.num_images)
    batches = data.make_dataset(
        held_out,
        batch_size=batch_size,
        shuffle=False,
        repeat=False,
        drop_remainder=False,  # Every image counts.
        **treatment,
    )
    # Keras warns at the end of data of unknown length.
    count = -(-held_out.num_images // batch_size)
    return batches.apply(tf.data.experimental.assert_cardinality(count))


def shift(images, most, seed):
    """Moves every image by whole pixels and repeats its edge.

    Args:
        images: float32 tensor `(N, R, R, C)`.
        most: int, pixels, in each direction.
        seed: two integers or scalar tensors, which decide the shifts.

    Returns:
        float32 tensor `(N, R, R, C)`.
    """
    count, side = tf.shape(images)[0], images.shape[1]
    pair = tf.cast(tf.stack([tf.cast(part, tf.int64) for part in seed]), tf.int64)
    pair = tf.random.fold_in(pair, _SHIFT, alg="philox")
    by = tf.random.stateless_uniform(
        [2, count, 1], pair, -most, most + 1, tf.int32, alg="philox"
    )
    places = tf.clip_by_value(tf.range(side) + by, 0, side - 1)
    images = tf.gather(images, places[0], axis=1, batch_dims=1)
    return tf.gather(images, places[1], axis=2, batch_dims=1)


def describe_parts(training, held_out):
    """The entries of classifier.json about two `data.Source`: dict."""
    return {
        "num_classes": training.num_classes,
        "class_names": list(training.class_names),
        "description": training.description,
        "num_training_images": training.num_images,
        "held_out_description": held_out.description,
        "num_held_out_images": held_out.num_images,
    }

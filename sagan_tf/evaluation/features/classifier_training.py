"""Trains a classifier as the feature network of a data set: images, training."""

import pathlib
import re

import keras
import numpy as np
import tensorflow as tf

from sagan_tf import data
from sagan_tf.errors import BadInput
from sagan_tf.evaluation.features import classifier
from sagan_tf.images import RESIZE_METHODS
from sagan_tf.progress import progress_bar
from sagan_tf.run import versions

# Limits of the default number of epochs, and the images that it shows in total.
_MOST_EPOCHS, _LEAST_EPOCHS = 30, 10
_IMAGES_SEEN = 60_000
_LEARNING_RATE = 2e-3
_NAMED_MISTAKES = 3
_OTHER_SPLIT = {"train": "test", "test": "train"}
# The purpose of a random number, see `data/source.py`.
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
    """Opens the training images and the held-out images of a classifier.

    The held-out images are `held_out_dataset`, or another split of the data set. By
    default, digits, npz and folder use "train" for training, and hold out "test".

    Args:
        dataset, split, data_dir, manual_dir, label_offset, skip_bad_images: see
            `data.open_source`.
        held_out_dataset, held_out_split: the same for the held-out images, or None.

    Returns:
        training, held_out: `data.Source`; and a dict for classifier.json.

    Raises:
        BadInput: a data set cannot be opened, or no images would be held out.
    """
    kind = dataset.partition(":")[0]
    if held_out_dataset == dataset:
        held_out_dataset = None
    if not held_out_dataset and not held_out_split and kind in ("tfds", "tfrecord"):
        or_split = " or --held_out_split=test" if kind == "tfds" else ""
        raise BadInput(
            "The classifier needs held-out images for its score. Received: "
            f"dataset={dataset!r}. Try --held_out_dataset={kind}:...{or_split}."
        )
    if not held_out_dataset and kind in ("digits", "npz", "folder"):
        split = split or _OTHER_SPLIT.get(held_out_split, "train")
        held_out_split = held_out_split or _OTHER_SPLIT.get(split)
    parts = [(dataset, split), (held_out_dataset or dataset, held_out_split)]
    if not held_out_dataset and (split or "train") == held_out_split:
        raise BadInput(
            "The held-out images must be different from the training images. "
            f"Received: dataset={dataset!r}, split={split!r}, held_out_split="
            f"{held_out_split!r}. Try another --held_out_split."
        )
    about, sources = {}, []
    # The folders of TFDS belong to the part that is a TFDS data set, if there is one.
    from_tfds = [where.startswith("tfds:") for where, _ in parts]
    for (where, part), is_tfds, prefix in zip(parts, from_tfds, ("", "held_out_")):
        is_meant = is_tfds or not any(from_tfds)
        folders = (data_dir, manual_dir) if is_meant else (None, None)
        source = data.open_source(where, part, *folders, label_offset, skip_bad_images)
        sources.append(source)
        about |= {f"{prefix}dataset": where, f"{prefix}split": part}
    return *sources, about


def default_name(dataset):
    """Returns the name of a data set's classifier: "digits-cnn", "photos-cnn", ..."""
    kind, _, place = dataset.partition(":")
    if kind in ("npz", "folder", "tfrecord"):
        place = pathlib.Path(place).resolve().name
        place = place.removesuffix(".npz") if kind == "npz" else place
    name = re.sub(r"[^A-Za-z0-9._]+", "-", place or kind).strip("._-")
    return f"{name[:60] or kind}-cnn"


def natural_shape(source):
    """Returns the size and channels that suit a `data.Source`, from its first image.

    Returns:
        The smallest of 32, 64 and 128 that the image's shorter side fits into, or
        128; and 1 channel if the image is gray, else 3.

    Raises:
        BadInput: the image cannot be read.
    """
    with data.naming_bad_image(source, seed=0, shuffle=False, count=1):
        (element,) = source.epoch(0, 0, shuffle=False).take(1)
        height, width, channels = source.decode(element)["image"].shape
    size = next((size for size in _SIZES if size >= min(height, width)), _SIZES[-1])
    return size, 1 if channels <= 2 else 3


def check_classes(training, held_out):
    """Checks the classes of two `data.Source`.

    Raises:
        BadInput: labels are missing, there are fewer than two classes, or the held-out
            images have different classes.
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
    are_others = all(names) and len(set(names)) > 1
    if are_others or held_out.num_classes > training.num_classes:
        raise BadInput(
            "The held-out images must have the classes of the training images. "
            f"Received: {training.description}; {held_out.description}. Try another "
            "--held_out_dataset."
        )


def make_batches(training, treatment, batch_size, flip):
    """Returns endless batches of (images, labels), with randomly shifted images.

    Shifts are at most a 16th of the resolution. `treatment` is a dict of `resolution`,
    `image_channels`, `resize` and `seed`. With `flip`, a random half is mirrored.

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
    """Returns batches of all held-out (images, labels), once; see `make_batches`."""
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
        images: float32 tensor `(N, R, R, C)`, like the result.
        most: int, the largest shift in pixels, in each direction.
        seed: two integers or scalar tensors that decide the shifts.
    """
    count, side = tf.shape(images)[0], images.shape[1]
    pair = tf.stack([tf.cast(part, tf.int64) for part in seed])
    pair = tf.random.fold_in(pair, _SHIFT, alg="philox")
    by = tf.random.stateless_uniform(
        [2, count, 1], pair, -most, most + 1, tf.int32, alg="philox"
    )
    places = tf.clip_by_value(tf.range(side) + by, 0, side - 1)
    images = tf.gather(images, places[0], axis=1, batch_dims=1)
    return tf.gather(images, places[1], axis=2, batch_dims=1)


def describe_parts(training, held_out):
    """Returns the entries of classifier.json about two `data.Source`: dict."""
    return {
        "num_classes": training.num_classes,
        "class_names": list(training.class_names),
        "description": training.description,
        "num_training_images": training.num_images,
        "held_out_description": held_out.description,
        "num_held_out_images": held_out.num_images,
    }


def train_classifier(
    output,
    training,
    held_out,
    *,
    name,
    resolution,
    image_channels,
    about=(),
    resize="antialiased_bilinear",
    flip=False,
    width=16,
    num_features=64,
    epochs=None,
    batch_size=None,
    seed=0,
    overwrite=False,
    deterministic=True,
):
    """Trains a classifier and writes it; returns the content of classifier.json: dict.

    Seeds Keras and, if `deterministic`, makes TensorFlow deterministic for the process.
    The same call then gives the same weights on the same machine.

    Args:
        output: path of the classifier's new folder.
        training, held_out: `data.Source` with the same classes.
        name: str, the name that its scores carry.
        resolution: R, side of the images.
        image_channels: C, 1 or 3.
        about: dict of more entries for classifier.json.
        resize: one of `images.RESIZE_METHODS`.
        flip: bool, whether to mirror a random half of the images.
        width, num_features: see `classifier.build_classifier`.
        epochs: int; None for as many as show 60,000 images, between 10 and 30.
        batch_size: int; None for 64, or less if there are fewer than 1,280 images.
        seed: int, for weights, order and shifts.
        overwrite: bool, whether to replace an existing classifier.
        deterministic: bool.

    Raises:
        BadInput: classes, `output` or `name` cannot be used, or an image is bad.
        OSError: the classifier cannot be written.
    """
    classifier.check_name(name)
    classifier.check_output(output, overwrite)
    check_classes(training, held_out)
    batch_size = batch_size or default_batch_size(training.num_images)
    epochs = epochs or default_epochs(training.num_images)
    steps = training.num_images // batch_size
    treatment = {"resolution": resolution, "image_channels": image_channels}
    treatment |= {"resize": resize, "seed": seed}
    settings = {"flip": flip, "width": width, "batch_size": batch_size}
    settings |= {"epochs": epochs, "steps": epochs * steps}

    keras.utils.set_random_seed(seed)
    if deterministic:
        tf.config.experimental.enable_op_determinism()
    model = classifier.build_classifier(
        resolution, image_channels, training.num_classes, width, num_features
    )
    batches = make_batches(training, treatment, batch_size, flip)
    test_batches = make_test_batches(held_out, treatment)
    print(f"Training {name}: {epochs} epochs of {training.description}")
    with (
        data.naming_bad_image(held_out, seed=seed, shuffle=False),
        data.naming_bad_image(training, seed=seed),
    ):
        fit(model, batches, steps, epochs, test_batches)
        confusion = count_readings(model, test_batches, training.num_classes)
    record = {
        "name": name,
        "num_features": num_features,
        "held_out_accuracy": float(np.trace(confusion) / confusion.sum()),
        **dict(about),
        **describe_parts(training, held_out),
        **treatment,
        **settings,
        "versions": versions.versions(),
    }
    record = classifier.save_classifier(output, model, record, overwrite)
    readings = describe_readings(confusion, training.class_names)
    print(f"{readings}\n{name} ({record['sha256'][:8]}): {output}")
    return record


def default_epochs(num_images):
    """Returns the number of epochs: small data sets need more."""
    return int(np.clip(round(_IMAGES_SEEN / num_images), _LEAST_EPOCHS, _MOST_EPOCHS))


def default_batch_size(num_images):
    """Returns the batch size: smaller for small data sets, for 20 steps an epoch."""
    return min(int(np.clip(num_images // 20, 8, 64)), num_images)


def fit(model, batches, steps, epochs, test_batches):
    """Trains a classifier with Keras' `fit`, Adam and a cosine decay.

    `batches` are endless batches of (images, labels); `steps` of them are an epoch.
    `test_batches` are read first, to find a bad image before the training.
    """
    for _ in test_batches:
        pass
    trained = keras.Model(model.input, model.output["logits"])
    rate = keras.optimizers.schedules.CosineDecay(_LEARNING_RATE, epochs * steps)
    trained.compile(
        keras.optimizers.Adam(rate),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        jit_compile=False,  # Compiling would take longer than it saves.
    )
    with progress_bar("Training", epochs * steps, unit="steps") as progress:
        shown = keras.callbacks.LambdaCallback(
            on_train_batch_end=lambda batch, logs: progress.update()
        )
        trained.fit(
            batches,
            epochs=epochs,
            steps_per_epoch=steps,
            callbacks=[shown],
            shuffle=False,  # The data set has its own, seeded order.
            verbose=0,
        )


def count_readings(model, batches, num_classes):
    """Returns the confusion matrix: int64 `(K, K)`, by label and by predicted class."""
    counts = np.zeros([num_classes, num_classes], np.int64)
    read = tf.function(lambda images: model(images, training=False)["logits"])
    for images, labels in batches:
        np.add.at(counts, (labels.numpy(), read(images).numpy().argmax(1)), 1)
    return counts


def describe_readings(confusion, class_names=()):
    """Returns the accuracy and the most frequent mistakes as text: two lines."""
    right, total = int(np.trace(confusion)), int(confusion.sum())
    text = f"{right / total:.2%} of {total:,} held-out images are read correctly"
    mistakes = confusion - np.diag(np.diag(confusion))
    worst = np.argsort(-mistakes, axis=None, kind="stable")[:_NAMED_MISTAKES]
    lines = []
    for label, read in zip(*np.unravel_index(worst, mistakes.shape)):
        if mistakes[label, read]:
            names = [class_names[i] if class_names else i for i in (label, read)]
            share = f"{mistakes[label, read]:,} of {confusion[label].sum():,}"
            lines.append(f"{names[0]} as {names[1]} ({share})")
    return text + (f"\nMost frequent mistakes: {', '.join(lines)}" if lines else "")

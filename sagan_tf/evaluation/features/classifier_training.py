"""Trains a classifier to be the feature network of a data set: images, training."""

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

# By default every image is seen this often, or less often when there are many.
_MOST_EPOCHS, _LEAST_EPOCHS = 30, 10
_PICTURES = 60_000
_LEARNING_RATE = 2e-3
_NAMED_MISTAKES = 3
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
        folders = (data_dir, manual_dir) if is_meant else (None, None)
        source = data.open_source(where, part, *folders, label_offset, skip_bad_images)
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
    size = next((size for size in _SIZES if size >= min(height, width)), _SIZES[-1])
    return size, 1 if channels <= 2 else 3


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
    are_others = all(names) and len(set(names)) > 1
    if are_others or held_out.num_classes > training.num_classes:
        raise BadInput(
            "The held-out images must have the classes that are trained on. "
            f"Received: {training.description}; {held_out.description}. Try another "
            "--held_out_dataset."
        )


def make_batches(training, treatment, batch_size, flip):
    """Endless batches of (images, labels), shifted by up to a 16th of the resolution.

    `treatment` is a dict of `resolution`, `image_channels`, `resize` and `seed`; with
    `flip` a random half is mirrored.

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
        images: float32 tensor `(N, R, R, C)`, as the result.
        most: int, pixels, in each direction.
        seed: two integers or scalar tensors, which decide the shifts.
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
    """The entries of classifier.json about two `data.Source`: dict."""
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

    It seeds Keras and makes TensorFlow deterministic for the process: the same call
    gives the same weights on the same machine, if it is `deterministic`.

    Args:
        output: path of its new folder.
        training, held_out: `data.Source` with the same classes.
        name: str, which its scores carry.
        resolution: R, side of the images.
        image_channels: C, 1 or 3.
        about: dict of more entries for classifier.json.
        resize: one of `images.RESIZE_METHODS`.
        flip: mirror a random half of the images.
        width, num_features: see `classifier.build_classifier`.
        epochs: int; None for as many as 60,000 images make, from 10 to 30.
        batch_size: int; None for 64, or less when there are less than 1,280 images.
        seed: int, of weights, order and shifts.
        overwrite: bool, whether a classifier that is there is replaced.
        deterministic: bool.

    Raises:
        BadInput: classes, `output` or `name` cannot be used, or an image is bad.
        OSError: it cannot be written.
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
    """Epochs: small data sets need more."""
    return int(np.clip(round(_PICTURES / num_images), _LEAST_EPOCHS, _MOST_EPOCHS))


def default_batch_size(num_images):
    """Images in a batch: fewer in small data sets, for 20 steps in an epoch."""
    return min(int(np.clip(num_images // 20, 8, 64)), num_images)


def fit(model, batches, steps, epochs, test_batches):
    """Trains a classifier with Keras' `fit`, Adam and a cosine decay.

    `batches` are of (images, labels), without an end. `steps` of them are an epoch.
    `test_batches` are read first: a bad image is found before the training.
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
    """The confusion matrix: int64 array `(K, K)`, by label and by predicted class."""
    counts = np.zeros([num_classes, num_classes], np.int64)
    read = tf.function(lambda images: model(images, training=False)["logits"])
    for images, labels in batches:
        np.add.at(counts, (labels.numpy(), read(images).numpy().argmax(1)), 1)
    return counts


def describe_readings(confusion, class_names=()):
    """The accuracy and the most frequent mistakes of a confusion matrix: two lines."""
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

"""Trains a classifier to be the feature network of a data set."""

import sys

import keras
import numpy as np
import tensorflow as tf

from sagan_tf import data
from sagan_tf.evaluation.features import classifier
from sagan_tf.evaluation.features.classifier_data import (
    check_classes,
    describe_parts,
    make_batches,
    make_test_batches,
)
from sagan_tf.run import versions

# By default every image is seen this often, or less often when there are many.
_MOST_EPOCHS, _LEAST_EPOCHS = 30, 10
_PICTURES = 60_000
_LEARNING_RATE = 2e-3
_NAMED_MISTAKES = 3


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
):
    """Trains a classifier and writes it.

    It seeds Keras and makes TensorFlow deterministic for the process: the same call
    gives the same weights on the same machine.

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

    Returns:
        The content of classifier.json: dict.

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

    keras.utils.set_random_seed(seed)
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
        "flip": flip,
        "width": width,
        "batch_size": batch_size,
        "epochs": epochs,
        "steps": epochs * steps,
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

    Args:
        model: `classifier.build_classifier`'s.
        batches: `tf.data.Dataset` of (images, labels), endless.
        steps: int, batches of an epoch.
        epochs: int.
        test_batches: (images, labels), for the accuracy after each epoch.
    """
    trained = keras.Model(model.input, model.output["logits"])
    rate = keras.optimizers.schedules.CosineDecay(_LEARNING_RATE, epochs * steps)
    trained.compile(
        keras.optimizers.Adam(rate),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
        jit_compile=False,  # Compiling would take longer than it saves.
    )
    trained.fit(
        batches,
        epochs=epochs,
        steps_per_epoch=steps,
        validation_data=test_batches,
        shuffle=False,  # The data set has its own, seeded order.
        verbose=1 if sys.stdout.isatty() else 2,
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

"""Trains a small classifier as the feature network of a data set.

python -m sagan_tf.train_classifier --flagfile=configs/digits.flags \\
  --output=classifiers/digits-cnn

Use it where Inception says little (digits, clothes, medical images). Scores are then
computed in the classifier's feature space and carry its name. --dataset, --resolution,
--image_channels, --resize and others have the same meaning as for a training, and a
run's flagfile sets them. Without --resolution and --image_channels, images keep about
their size (32, 64 or 128) and their colors. Accuracy is measured on held-out images: a
fifth of digits, npz and folder data sets, or --held_out_dataset or --held_out_split.

Exit status: 0 finished, 1 a bug, 2 bad input.
"""

import functools
import sys

from absl import flags

from sagan_tf.errors import FINISHED, BadInput
from sagan_tf.settings.checks import between
from sagan_tf.settings.command import define_flags, load, required, run_command


def _define(values):
    text = functools.partial(flags.DEFINE_string, default=None, flag_values=values)
    whole = functools.partial(flags.DEFINE_integer, lower_bound=1, flag_values=values)
    text("output", help="the new folder to write")
    text("name", help="the name of its scores; none: the data set's, as in digits-cnn")
    text("held_out_dataset", help="held-out images; none: a part of --dataset")
    text("held_out_split", help="held-out split; none: test for digits, npz and folder")
    seen = "how often each image is seen; none: 10 to 30 times, by the number of images"
    whole("epochs", None, seen, upper_bound=10_000)
    about = "length of the features: FID needs more images than that"
    whole("num_features", 64, about, upper_bound=65_536)
    about = "replace an existing classifier"
    flags.DEFINE_bool("overwrite", False, about, flag_values=values)
    define_flags(values)


def _check(values):
    """Checks the flags whose allowed values differ from those of a run."""
    for name, (allowed, fits), remedy in (
        ("resolution", between(8, 1024), 64),
        ("image_channels", ("1 or 3", lambda value: value in (1, 3)), 3),
    ):
        if not fits(values[name].value):
            raise BadInput(
                f"{name} must be {allowed}. Received: {name}={values[name].value}. "
                f"Try --{name}={remedy}."
            )


def _train(values):
    output = required(values, "output", "classifiers/digits-cnn")
    _check(values)
    # TensorFlow takes seconds to load, so the flags are checked first.
    training = load("sagan_tf.evaluation.features.classifier_training")
    training_source, held_out, about = training.open_parts(
        values.dataset,
        split=values.split,
        held_out_dataset=values.held_out_dataset,
        held_out_split=values.held_out_split,
        data_dir=values.data_dir,
        manual_dir=values.manual_dir,
        label_offset=values.label_offset,
        skip_bad_images=values.skip_bad_images,
    )
    resolution, image_channels = training.natural_shape(training_source)
    if values["resolution"].present:
        resolution = values.resolution
    if values["image_channels"].present:
        image_channels = values.image_channels
    training.train_classifier(
        output,
        training_source,
        held_out,
        name=values["name"].value or training.default_name(values.dataset),
        resolution=resolution,
        image_channels=image_channels,
        about=about,
        resize=values.resize,
        flip=values.flip,
        num_features=values.num_features,
        epochs=values.epochs,
        seed=values.seed,
        overwrite=values.overwrite,
    )
    return FINISHED


def main(argv=None):
    """Runs the command; returns its exit status."""
    return run_command(_train, _define, __doc__, argv)


if __name__ == "__main__":
    sys.exit(main())

"""A small classifier as the feature network of a data set where Inception says little.

Its folder:

classifier.keras      the network: images -> {"features", "logits"}
classifier.json       its settings, its accuracy on held-out images, its hash
"""

import contextlib
import hashlib
import json
import os
import pathlib
import re
import zipfile

import keras
import numpy as np

from sagan_tf.errors import BadInput
from sagan_tf.files import TEMPORARY, check_writable, replacing_folder, write_text
from sagan_tf.run.records import NUMBER, read_json

NETWORK_FILE, RECORD_FILE = "classifier.keras", "classifier.json"

# The entries that classifier.json must have.
RECORD_FIELDS = {
    "name": str,
    "resolution": int,
    "image_channels": int,
    "num_classes": int,
    "num_features": int,
    "class_names": [str],
    "held_out_accuracy": NUMBER,
    "sha256": str,
}

# Stages halve the image until it is no larger than this.
_LAST_SIZE = 4
# Names that start like this look like those of other feature networks.
_TAKEN_NAMES = ("inception", "stand-in")


def build_classifier(
    resolution, image_channels, num_classes, width=16, num_features=64
):
    """Builds an untrained classifier.

    Each stage is a 3 x 3 convolution of stride 2 and one of stride 1, both with batch
    normalization and ReLU. The stages end at 4 x 4 or less. The width doubles at each
    stage, up to four times `width`. The features are a linear map of the channel
    averages of all stages. They are standardized: each has mean 0 and variance 1 over
    the training images (moving averages). The logits are a linear map of the features.

    The Frechet distance compares Gaussians. Sums over many channels resemble Gaussians;
    outputs of a ReLU, with their spike at 0, do not. The distance needs more images
    than features, so there are few features. Their fixed variance gives the distances
    of all classifiers the same unit. With the early stages, the features detect noise,
    blur and repeated images better than with the last stage alone (tried on digits).

    Args:
        resolution: R, int, at least 8.
        image_channels: C, 1 or 3.
        num_classes: K, int, at least 2.
        width: int, channels of the first stage.
        num_features: D, int.

    Returns:
        `keras.Model`: images float32 `(N, R, R, C)` in [-1, 1] -> `{"features": float32
        (N, D), "logits": float32 (N, K)}`. Float32 under any dtype policy.

    Raises:
        BadInput: a size is out of range.
    """
    for name, value, least in (
        ("resolution", resolution, 8),
        ("num_classes", num_classes, 2),
        ("width", width, 1),
        ("num_features", num_features, 1),
    ):
        if value < least:
            raise BadInput(
                f"{name} of a classifier must be at least {least}. Received: "
                f"{name}={value}."
            )
    if image_channels not in (1, 3):
        raise BadInput(
            "image_channels must be 1 (gray) or 3 (RGB). Received: "
            f"image_channels={image_channels}."
        )
    shape = resolution, resolution, image_channels
    images = keras.Input(shape, name="images", dtype="float32")
    x, size, channels, pooled = images, resolution, width, []
    while size > _LAST_SIZE:
        size = -(-size // 2)
        x = _convolution(x, channels, 2, f"stage_{size}x{size}_a")
        x = _convolution(x, channels, 1, f"stage_{size}x{size}_b")
        pooled.append(keras.layers.GlobalAveragePooling2D(dtype="float32")(x))
        channels = min(2 * channels, 4 * width)
    x = keras.layers.Concatenate(dtype="float32")(pooled) if pooled[1:] else pooled[0]
    # The standardization would remove a bias.
    x = keras.layers.Dense(
        num_features, use_bias=False, name="projection", dtype="float32"
    )(x)
    features = _normalization("features", center=False, scale=False)(x)
    logits = keras.layers.Dense(num_classes, name="logits", dtype="float32")(features)
    return keras.Model(images, {"features": features, "logits": logits})


def _convolution(x, channels, stride, name):
    x = keras.layers.Conv2D(
        channels, 3, stride, "same", use_bias=False, name=name, dtype="float32"
    )(x)
    x = _normalization(f"{name}_norm")(x)
    return keras.layers.ReLU(name=f"{name}_relu", dtype="float32")(x)


def _normalization(name, center=True, scale=True):
    # The averages span about 10 steps, because small data sets have few. The last steps
    # hardly change the network.
    return keras.layers.BatchNormalization(
        momentum=0.9, center=center, scale=scale, name=name, dtype="float32"
    )


def weights_hash(model):
    """Returns the sha256 (hex) of a model's weights: values, shapes, dtypes, in order.

    The hash of the file would change with the time of writing.
    """
    digest = hashlib.sha256()
    for weight in model.weights:
        value = np.ascontiguousarray(keras.ops.convert_to_numpy(weight))
        digest.update(f"{value.dtype.str} {value.shape};".encode())
        digest.update(value.tobytes())
    return digest.hexdigest()


def check_name(name):
    """Checks the name of a classifier, which every result carries.

    Raises:
        BadInput: it has unusual characters, or looks like that of another network.
    """
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", name):
        raise BadInput(
            "name must be up to 64 letters, digits, '.', '_' and '-', and start with "
            f"a letter or digit. Received: name={name!r}. Try --name=digits-cnn."
        )
    if name.lower().startswith(_TAKEN_NAMES):
        raise BadInput(
            f"name must not start with {' or '.join(_TAKEN_NAMES)}: its scores would "
            f"be taken for another network's. Received: name={name!r}. Try "
            "--name=digits-cnn."
        )


def check_output(folder, overwrite=False):
    """Checks before a training that a classifier can be written to `folder`.

    Raises:
        BadInput: `folder` is in use; with `overwrite`, it may hold a classifier.
        OSError: nothing can be written there.
    """
    folder = pathlib.Path(folder)
    is_classifier = (folder / RECORD_FILE).is_file()
    if is_classifier and not overwrite:
        raise BadInput(
            f"There is a classifier in {folder} already. Try another --output, or "
            "--overwrite to replace it."
        )
    is_file = folder.is_symlink() or folder.is_file()
    holds_files = folder.is_dir() and any(folder.iterdir())
    if not is_classifier and (is_file or holds_files):
        raise BadInput(
            f"output must be a new folder. Received: {folder}, which "
            f"{'is a file' if is_file else 'holds other files'}. Try another --output."
        )
    # The classifier is first written to a temporary folder beside it.
    check_writable(f"{os.path.realpath(folder)}{TEMPORARY}", make_parents=True)


def save_classifier(folder, model, record, overwrite=False):
    """Writes a classifier, completely or not at all; returns the record: dict.

    Args:
        folder: path of the new folder; its parents need not exist.
        model: trained model of `build_classifier`.
        record: JSON-serializable dict with `RECORD_FIELDS`, except for "sha256", which
            is added.
        overwrite: bool, whether to replace a classifier.

    Raises:
        BadInput: see `check_output`.
        OSError: the classifier cannot be written.
    """
    check_output(folder, overwrite)
    record = {**record, "sha256": weights_hash(model)}
    with replacing_folder(folder) as temporary:
        model.save(temporary / NETWORK_FILE)
        write_text(temporary / RECORD_FILE, json.dumps(record, indent=2) + "\n")
    return record


def load_classifier(folder):
    """Reads a classifier.

    Args:
        folder: path of the folder that `save_classifier` wrote.

    Returns:
        `keras.Model` (see `build_classifier`), and the record: a dict.

    Raises:
        BadInput: the folder has no classifier, or a damaged one.
    """
    folder = pathlib.Path(folder)
    record = read_record(folder)
    with _naming_damage(folder):
        model = keras.saving.load_model(folder / NETWORK_FILE, compile=False)
        if weights_hash(model) != record["sha256"]:
            raise BadInput(f"the weights do not match the sha256 in {RECORD_FILE}")
    return model, record


def read_record(folder):
    """Reads classifier.json: dict. Raises the same errors as `load_classifier`."""
    path = pathlib.Path(folder) / RECORD_FILE
    if not path.is_file():
        raise BadInput(
            f"{folder} is not the folder of a classifier: it has no {RECORD_FILE}. Try "
            "the --output that was given to sagan_tf.train_classifier."
        )
    with _naming_damage(folder):
        return read_json(path, RECORD_FIELDS)


@contextlib.contextmanager
def _naming_damage(folder):
    try:
        yield
    except (ValueError, TypeError, KeyError, OSError, zipfile.BadZipFile) as error:
        reason = " ".join(str(error).split())[:300].rstrip(".")
        raise BadInput(
            f"The classifier in {folder} is damaged: {reason}. Try training it again "
            "with --overwrite."
        ) from error

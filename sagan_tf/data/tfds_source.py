"""Data sets of TensorFlow Datasets (TFDS), read from the files that it prepares.

TFDS downloads and prepares a data set. Its `as_dataset` decodes before it shuffles and
cannot start in the middle, so the prepared files are read like any other TFRecords.
"""

import difflib
import logging
import tarfile

import tensorflow as tf

from sagan_tf.data.records import RecordFile, RecordSource
from sagan_tf.data.source import classes_in_words
from sagan_tf.errors import BadInput


def open_tfds(name, split=None, data_dir=None, manual_dir=None, label_offset=0):
    """Opens a data set of TFDS, and prepares it first if necessary.

    The image is the feature `image` (or the only image feature), the label is `label`
    (or the only class label, if there is one).

    Args:
      name: `NAME`, `NAME/CONFIG` or `NAME:VERSION` in TFDS' catalog.
      split: a split or a part of one (`train[:90%]`); None for "train".
      data_dir: where prepared data sets are; None for TFDS' default.
      manual_dir: folder with files that the user has to download (ImageNet's tars).
      label_offset: added to every label.

    Raises:
      BadInput: there is no such data set, split or feature, or it cannot be prepared.
    """
    # Imported here: it takes a second, and no other data set needs it.
    import tensorflow_datasets as tfds

    builder = _builder(tfds, name, data_dir)
    if not builder.data_path.exists():
        _prepare(tfds, builder, name, manual_dir)
    if builder.info.file_format != tfds.core.FileFormat.TFRECORD:
        raise BadInput(
            f"tfds:{name} is prepared in {builder.data_path} as "
            f"{builder.info.file_format.value}. Only tfrecord can be read. Try another "
            "--data_dir, where it is prepared again."
        )
    split = split or "train"
    try:
        info = builder.info.splits[split]
    except (KeyError, ValueError, AssertionError) as error:
        raise BadInput(
            f"tfds:{name} has the splits {', '.join(sorted(builder.info.splits))}. "
            f"Received: split={split!r}."
        ) from error
    image_key, label_key = _keys(tfds, builder.info, name)
    label = builder.info.features[label_key] if label_key else None
    num_classes = label.num_classes if label else 0
    classes = classes_in_words(num_classes)
    return RecordSource(
        [RecordFile(f.filename, f.take, f.skip) for f in info.file_instructions],
        f"{builder.info.full_name}, {split}: {info.num_examples:,} images, {classes}",
        num_classes,
        label.names if label else (),
        image_key=image_key,
        label_key=label_key,
        label_offset=label_offset,
    )


def _builder(tfds, name, data_dir):
    try:
        return tfds.builder(name, data_dir=data_dir)
    except tfds.core.DatasetNotFoundError as error:
        known = tfds.list_builders(with_community_datasets=False)
        close = difflib.get_close_matches(name.split("/")[0].split(":")[0], known)
        tries = f" Try {', '.join(f'tfds:{each}' for each in close)}." if close else ""
        raise BadInput(
            f"TensorFlow Datasets {tfds.__version__} has no data set '{name}', and "
            f"none is prepared in {data_dir or 'its default folder'}.{tries}"
        ) from error
    except (ValueError, AssertionError, ImportError) as error:
        raise BadInput(f"tfds:{name}: {_one_line(error)}") from error


def _prepare(tfds, builder, name, manual_dir):
    logging.warning(
        "tfds:%s is not in %s yet: preparing it. Downloads need an internet "
        "connection; without one TensorFlow Datasets gives up after some minutes.",
        name,
        builder.data_path,
    )
    config = tfds.download.DownloadConfig(manual_dir=manual_dir)
    expected = (
        OSError,  # No internet connection, a full disk, an unwritable folder.
        AssertionError,  # Files that have to be downloaded by hand are missing.
        tarfile.TarError,  # One of them is damaged.
        RuntimeError,
        ValueError,
        ImportError,
        tf.errors.OpError,
        tfds.download.DownloadError,
        tfds.download.download_manager.NonMatchingChecksumError,
    )
    try:
        builder.download_and_prepare(download_config=config, file_format="tfrecord")
    except expected as error:
        by_hand = " Files downloaded by hand belong in --manual_dir. Received: "
        by_hand += f"manual_dir={manual_dir}."
        if not builder.MANUAL_DOWNLOAD_INSTRUCTIONS:
            by_hand = ""
        raise BadInput(
            f"tfds:{name} is not prepared in {builder.data_path}, and cannot be: "
            f"{_one_line(error)}{by_hand} Without an internet connection, prepare it "
            f"on another machine (tfds build {name} --data_dir=DIR) and pass a copy "
            "of that folder as --data_dir."
        ) from error


def _keys(tfds, info, name):
    """Returns the names of the image feature and of the label feature (or None)."""
    # Their order differs from process to process.
    features = dict(sorted(info.features.items()))
    images = [k for k, v in features.items() if isinstance(v, tfds.features.Image)]
    labels = [k for k, v in features.items() if isinstance(v, tfds.features.ClassLabel)]
    images = ["image"] if "image" in images else images
    if len(images) != 1:
        raise BadInput(
            f"tfds:{name} must have one image feature, or one named 'image'. "
            f"Received the features: {', '.join(features)}."
        )
    dtype = tf.as_dtype(features[images[0]].dtype)
    if dtype != tf.uint8:
        raise BadInput(
            f"tfds:{name} must have uint8 images. Received: '{images[0]}' of "
            f"{dtype.name}."
        )
    labels = ["label"] if "label" in labels else labels
    return images[0], labels[0] if len(labels) == 1 else None


def _one_line(error):
    return " ".join(str(error).split())[:400]

"""Opens data sets by name: the values of `--dataset`."""

import os
import re

from sagan_tf.data.arrays import open_digits, open_npz
from sagan_tf.data.folder import in_utf8, open_folder
from sagan_tf.data.source import SPLITS
from sagan_tf.data.tfds_source import open_tfds
from sagan_tf.data.tfrecord import open_tfrecord
from sagan_tf.data.verification import skip_bad_images as skip_bad
from sagan_tf.errors import BadInput

DATASET_KINDS = {
    "digits": "scikit-learn's 1,797 handwritten digits",
    "npz:FILE": "uint8 'images' (N, H, W, C), integer 'labels'",
    "folder:DIR": "DIR/class_name/*.jpg, *.png, ..., or DIR/*.jpg without classes",
    "tfrecord:GLOB": "records with 'image_raw' and 'label', like the official code's",
    "tfds:NAME": "a data set of TensorFlow Datasets",
}


def open_source(
    dataset,
    split=None,
    data_dir=None,
    manual_dir=None,
    label_offset=0,
    skip_bad_images=False,
):
    """Opens a data set; counts its images and classes.

    Args:
      dataset: one of the forms in `DATASET_KINDS`.
      split: for digits, npz and folder, "train" or "test" (see
        `RandomAccessSource.keep_split`), None for all images; for tfds, any split that
        TFDS knows, None for "train".
      data_dir: for tfds, where prepared data sets are.
      manual_dir: for tfds, the folder of files that the user has to download.
      label_offset: added to every label (npz, tfrecord, tfds).
      skip_bad_images: decode every image once, now, and leave out those that cannot
        be read; the log names them. Without it, reading such an image is an error.

    Returns:
      a `Source`.

    Raises:
      BadInput: the data set cannot be opened.
    """
    kind, colon, place = in_utf8(dataset).partition(":")
    openers = {
        "digits": open_digits,
        "npz": lambda: open_npz(place, label_offset),
        "folder": lambda: open_folder(place, skip_bad_images),
        "tfrecord": lambda: open_tfrecord(place, label_offset, skip_bad_images),
        "tfds": lambda: open_tfds(place, split, data_dir, manual_dir, label_offset),
    }
    if (
        kind not in openers
        or bool(colon) == (kind == "digits")
        or (colon and not place)
    ):
        raise _unknown(dataset)
    # A resumed run has values that its command does not name.
    for name, value, allowed, without in (
        ("split", split, ("digits", "npz", "folder", "tfds"), "none"),
        ("data_dir", data_dir, ("tfds",), "none"),
        ("manual_dir", manual_dir, ("tfds",), "none"),
        ("label_offset", label_offset, ("npz", "tfrecord", "tfds"), 0),
    ):
        if value and kind not in allowed:
            raise BadInput(
                f"{name} is for {', '.join(allowed)} data sets only. Received: "
                f"dataset={dataset!r}, {name}={value!r}. Try "
                f"--{name}={without}."
            )
    if split and kind != "tfds" and split not in SPLITS:
        raise BadInput(
            "split must be train or test for digits, npz and folder data sets. "
            f"Received: dataset={dataset!r}, split={split!r}. Try --split=train, or "
            "--split=none for all images."
        )
    source = openers[kind]()
    if skip_bad_images:
        skip_bad(source)
    if split and kind != "tfds":
        source.keep_split(split)
    return source


def _unknown(dataset):
    """Returns the error for a data set of an unknown kind."""
    kinds = "; ".join(f"{form} ({text})" for form, text in DATASET_KINDS.items())
    return BadInput(
        f"dataset must be one of: {kinds}. Received: dataset={dataset!r}. Try "
        f"--dataset={_likely(dataset)}."
    )


def _likely(dataset):
    """Guesses the form of data set that was meant: str."""
    kind, colon, _ = dataset.partition(":")
    forms = {form.partition(":")[0]: form for form in DATASET_KINDS}
    if colon or not dataset or kind in forms:
        return forms.get(kind, "folder:DIR")
    if dataset.endswith(".npz"):
        return f"npz:{dataset}"
    if ".tfrecord" in dataset or "*" in dataset:
        return f"tfrecord:{dataset}"
    is_path = os.path.exists(dataset) or set("/\\~") & set(dataset)
    if is_path:
        return f"folder:{dataset}"
    return f"tfds:{dataset}" if re.fullmatch(r"[\w.+-]+", dataset) else "folder:DIR"


def resolve_num_classes(source, num_classes=None):
    """Returns the number of classes to train with: int, 0 without labels.

    Args:
      source: a `Source`.
      num_classes: None for that of the data set; 0 for training without labels.

    Raises:
      BadInput: the data set has another number of classes, or its folder looks like
        one class of a larger data set.
    """
    known = source.num_classes
    if num_classes == 0:
        return 0
    if num_classes is None and not known and source.neighbours:
        parent = os.path.dirname(source.neighbours[0])
        raise BadInput(
            f"{source.description}, and there are images beside it in "
            f"{source.neighbours[0]}: is it one class of several? Try "
            f"--dataset=folder:{parent} for all classes, or --num_classes=0 to train "
            "on this folder alone, without labels."
        )
    if num_classes is None:
        return known
    # Without names there may be more classes than the largest label says.
    may_be_more = known and not source.class_names
    if num_classes < known or (num_classes > known and not may_be_more):
        shift = ", or --label_offset=-1, if labels start at 1" if may_be_more else ""
        raise BadInput(
            f"num_classes must fit the data set. Received: num_classes={num_classes}, "
            f"{source.description}. Try --num_classes={known}{shift}; or, for the "
            "weights of a run with other classes, --initialize_from=RUN --workdir=NEW."
        )
    return num_classes

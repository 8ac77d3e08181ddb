"""Data sets: `open_source` finds one, `make_dataset` makes batches of it."""

from sagan_tf.data.pairs import pair_distance
from sagan_tf.data.pipeline import check_batch, make_dataset
from sagan_tf.data.reading import read_once
from sagan_tf.data.source import Source
from sagan_tf.data.sources import DATASET_KINDS, open_source, resolve_num_classes
from sagan_tf.data.verification import naming_bad_image

__all__ = [
    "DATASET_KINDS",
    "Source",
    "check_batch",
    "make_dataset",
    "naming_bad_image",
    "open_source",
    "pair_distance",
    "read_once",
    "resolve_num_classes",
]

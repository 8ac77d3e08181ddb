"""Real images of each class."""

import numpy as np
import pytest

from sagan_tf.data.arrays import open_npz
from sagan_tf.data.examples import class_examples
from sagan_tf.data.tfrecord import open_tfrecord
from sagan_tf.errors import BadInput

from .samples import damage

AS_THEY_ARE = {"resolution": 8, "image_channels": 1, "resize": "area"}


@pytest.fixture
def source(tmp_path):
    """Six images, class 1 once; the gray of each says its class and number."""
    labels = np.array([0, 2, 1, 0, 2, 0])
    grays = 10 * labels + np.arange(6)
    images = np.broadcast_to(grays[:, None, None, None], (6, 8, 8, 1)).astype(np.uint8)
    np.savez(tmp_path / "data.npz", images=images, labels=labels)
    return open_npz(str(tmp_path / "data.npz"))


def test_a_row_has_images_of_its_class(source):
    rows = class_examples(source, [2, 0], 2, **AS_THEY_ARE)
    assert rows.shape == (2, 2, 8, 8, 1)
    assert sorted(rows[0, :, 0, 0, 0]) == [21, 24]
    assert set(rows[1, :, 0, 0, 0]) < {0, 3, 5}


def test_missing_images_are_white(source):
    (row,) = class_examples(source, [1], 3, **AS_THEY_ARE)
    assert [image[0, 0, 0] for image in row] == [12, 255, 255]


def test_without_classes_all_images_are_one_row(source):
    (row,) = class_examples(source, None, 6, **AS_THEY_ARE)
    assert sorted(row[:, 0, 0, 0]) == [0, 3, 5, 12, 21, 24]


def test_a_source_in_sequence_is_searched(source):
    source.random_access = False
    rows = class_examples(source, [1, 2], 1, **AS_THEY_ARE)
    assert rows[0, 0, 0, 0, 0] == 12
    assert rows[1, 0, 0, 0, 0] in (21, 24)


def test_a_damaged_file_of_records_is_named(records):
    damage(records.replace("*", "0.tfrecords"), 20)
    with pytest.raises(BadInput, match=r"train-0\.tfrecords: corrupted record"):
        class_examples(open_tfrecord(records), None, 9, **AS_THEY_ARE)


def test_a_bad_image_is_named(tmp_path):
    from sagan_tf.data.folder import open_folder

    (tmp_path / "bad.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    with pytest.raises(BadInput, match=r"bad\.png"):
        class_examples(open_folder(tmp_path), None, 1, **AS_THEY_ARE)

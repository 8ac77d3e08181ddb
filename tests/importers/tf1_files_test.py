"""Finding and reading the files of TensorFlow 1."""

import numpy as np
import pytest
import tensorflow as tf

from sagan_tf.importers import tf1_files
from tests.importers.tf1_checkpoints import write

TENSORS = {"a/w": np.arange(6, dtype="f4").reshape(2, 3), "step": np.int64(7)}


@pytest.fixture
def folder(tmp_path):
    write(tmp_path, TENSORS)
    return tmp_path


@pytest.mark.parametrize(
    "name",
    ["", "model.ckpt-1", "model.ckpt-1.index", "model.ckpt-1.data-00000-of-00001"],
)
def test_a_checkpoint_is_read_by_any_of_its_names(folder, name):
    path = folder / name
    names = [file.name for file in tf1_files.files(path)]
    assert names == ["model.ckpt-1.data-00000-of-00001", "model.ckpt-1.index"]
    tensors = tf1_files.read(path)
    assert set(tensors) == set(TENSORS)
    np.testing.assert_array_equal(tensors["a/w"], TENSORS["a/w"])
    assert tensors["step"] == 7


def test_text_is_left_out(tmp_path):
    prefix = write(tmp_path, {**TENSORS, "graph": np.array("text")})
    assert set(tf1_files.read(prefix)) == set(TENSORS)


def test_of_several_in_a_folder_the_latest_is_taken(folder):
    write(folder, TENSORS, "model.ckpt-9")
    (folder / "checkpoint").write_text(
        'model_checkpoint_path: "/elsewhere/model.ckpt-1"\n'
        'all_model_checkpoint_paths: "/elsewhere/model.ckpt-9"\n'
    )
    assert tf1_files.files(folder)[0].name.startswith("model.ckpt-1.")
    (folder / "checkpoint").unlink()
    # Nothing says which: neither is.
    assert tf1_files.files(folder) == []


def test_the_only_one_in_a_folder_needs_no_other_file(folder):
    (folder / "checkpoint").write_bytes(b"\x80 of another program")
    assert len(tf1_files.files(folder)) == 2
    (folder / "checkpoint").unlink()
    assert len(tf1_files.files(folder)) == 2


def test_a_name_that_begins_like_another_is_not_its_file(folder):
    write(folder, TENSORS, "model.ckpt-10")
    names = [file.name for file in tf1_files.files(folder / "model.ckpt-1")]
    assert names == ["model.ckpt-1.data-00000-of-00001", "model.ckpt-1.index"]


@pytest.mark.parametrize("name", ["nothing", "other.pth", "empty"])
def test_what_is_no_checkpoint_has_no_files(folder, name):
    (folder / "other.pth").write_bytes(b"x")
    (folder / "empty").mkdir()
    assert tf1_files.files(folder / name) == []


def _cut(path):
    path.write_bytes(path.read_bytes()[:20])


def _change(path):
    content = bytearray(path.read_bytes())
    content[3] ^= 1
    path.write_bytes(bytes(content))


def _remove(path):
    path.unlink()


@pytest.mark.parametrize(
    ("damage", "part"),
    [
        *((damage, "data-00000-of-00001") for damage in (_cut, _change, _remove)),
        *((damage, "index") for damage in (_cut, _change)),
    ],
)
def test_a_damaged_checkpoint_is_named_in_one_line(folder, damage, part):
    damage(folder / f"model.ckpt-1.{part}")
    with pytest.raises(ValueError, match=r"model\.ckpt-1 cannot be read: .+") as error:
        tf1_files.read(folder)
    assert "\n" not in str(error.value)


def test_our_own_checkpoints_are_of_the_same_format(tmp_path):
    tf.train.Checkpoint(a=tf.Variable([1.0])).write(str(tmp_path / "variables"))
    assert list(tf1_files.read(tmp_path)) == ["a/.ATTRIBUTES/VARIABLE_VALUE"]

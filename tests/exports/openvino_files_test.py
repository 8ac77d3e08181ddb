import pytest

from sagan_tf.exports import openvino_files


class Model:
    """Raises what OpenVINO raises, as its `export`."""

    def __init__(self, text):
        self.text = text

    def export(self, *arguments, **options):
        raise RuntimeError(self.text)


def test_a_full_disk_is_an_error_that_names_the_folder(tmp_path):
    model = Model("basic_ios::clear: iostream error")
    with pytest.raises(OSError, match=f"{tmp_path}.*Try freeing disk space"):
        openvino_files.write(model, tmp_path, [])


def test_a_bug_is_still_a_bug(tmp_path):
    with pytest.raises(RuntimeError, match="no such operation"):
        openvino_files.write(Model("no such operation"), tmp_path, [])

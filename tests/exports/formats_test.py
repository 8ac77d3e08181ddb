import pathlib

import pytest

from sagan_tf.exports import formats
from tests.exports.onnxruntime_web_test import write_package


@pytest.mark.parametrize("name", formats.NAMES)
def test_a_format_whose_packages_are_there_is_accepted(name, tmp_path, monkeypatch):
    if name in formats.FORMATS:
        monkeypatch.setattr(formats.FORMATS[name], "MODULES", ("numpy",))
    package = write_package(tmp_path / "web") if name == "web" else None
    formats.check_format(name, onnxruntime_web=package)


@pytest.mark.parametrize("name", formats.FORMATS)
def test_a_missing_package_names_the_extra(name, monkeypatch):
    monkeypatch.setattr(formats.FORMATS[name], "MODULES", ("numpy", "not_there"))
    with pytest.raises(ValueError) as seen:
        formats.check_format(name)
    assert str(seen.value) == (
        f"--format={name} needs packages that are not installed. Missing: not_there. "
        f"Try pip install 'sagan-tf[{'onnx' if name == 'web' else name}]'."
    )


def test_a_folder_of_the_name_is_no_package(tmp_path, monkeypatch):
    (tmp_path / "a_folder").mkdir()
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(formats.FORMATS["onnx"], "MODULES", ("a_folder",))
    with pytest.raises(ValueError, match="Missing: a_folder"):
        formats.check_format("onnx")


@pytest.mark.parametrize(("warm", "flag"), [(True, "--warmup"), (False, "--nowarmup")])
def test_warm_up_is_for_a_saved_model(warm, flag):
    formats.check_format("saved_model", warm)
    with pytest.raises(ValueError, match=f"Received: {flag} and --format=keras. Try"):
        formats.check_format("keras", warm)


def test_a_page_needs_the_npm_package(tmp_path, monkeypatch):
    monkeypatch.setattr(formats.FORMATS["web"], "MODULES", ("numpy",))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match="Try npm install onnxruntime-web"):
        formats.check_format("web")


@pytest.mark.parametrize("name", ["saved_model", "onnx"])
def test_other_formats_have_no_use_for_the_npm_package(name, tmp_path):
    words = f"goes with --format=web. Received: --format={name}. Try it without"
    with pytest.raises(ValueError, match=words):
        formats.check_format(name, onnxruntime_web=tmp_path)


def test_an_unknown_format_is_named():
    words = "one of saved_model, onnx, litert, openvino, keras, web. Received: 'tflite'"
    with pytest.raises(ValueError, match=words):
        formats.check_format("tflite")


def test_every_format_with_packages_has_an_extra():
    text = (pathlib.Path(__file__).parents[2] / "setup.py").read_text(encoding="utf-8")
    for name, module in formats.FORMATS.items():
        extra = formats.extra(name)
        assert (f'"{extra}":' in text) == bool(module.MODULES), name

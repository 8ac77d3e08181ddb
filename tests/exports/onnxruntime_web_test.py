"""The npm package: a stand-in with the names of its files."""

import json
import re

import pytest

from sagan_tf.exports import onnxruntime_web
from sagan_tf.exports.packed_files import unpack

FILES = (
    "ort.wasm.min.js",
    "ort-wasm-simd-threaded.mjs",
    "ort-wasm-simd-threaded.wasm",
)


def write_package(folder, name="onnxruntime-web", files=FILES):
    """Writes a stand-in for the npm package; returns its folder."""
    (folder / "dist").mkdir(parents=True)
    about = json.dumps({"name": name, "version": "9.8.7"})
    (folder / "package.json").write_text(about)
    for file in (*files, "ort.webgpu.min.js"):
        (folder / "dist" / file).write_text(f"content of {file}")
    return folder


def test_the_nearest_package_is_found(tmp_path, monkeypatch):
    below = tmp_path / "a" / "b"
    below.mkdir(parents=True)
    monkeypatch.chdir(below)
    above = write_package(tmp_path / "node_modules" / "onnxruntime-web")
    assert onnxruntime_web.find_package() == above
    nearer = write_package(tmp_path / "a" / "node_modules" / "onnxruntime-web")
    assert onnxruntime_web.find_package() == nearer
    assert onnxruntime_web.find_package(str(above)) == above
    assert onnxruntime_web.version(above) == "9.8.7"


def refusal(path=None):
    with pytest.raises(ValueError) as seen:
        onnxruntime_web.find_package(path)
    return str(seen.value)


def test_a_missing_package_says_what_installs_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text = refusal()
    assert "Received: no node_modules with it, here or above." in text
    assert "Try npm install onnxruntime-web@" in text
    assert text.endswith("or --onnxruntime_web=PATH.")
    assert f"Received: {tmp_path / 'x'}. Try npm install" in refusal(tmp_path / "x")


def test_what_is_not_the_package_is_refused(tmp_path):
    other = write_package(tmp_path / "other", name="onnxruntime-node")
    assert f"Received: {other}, another package. Try npm" in refusal(other)
    old = write_package(tmp_path / "old", files=FILES[:1])
    lacks = ", ".join(f"dist/{name}" for name in FILES[1:])
    assert f"Received: {old}, which lacks {lacks}. Try npm" in refusal(old)
    damaged = write_package(tmp_path / "damaged")
    (damaged / "package.json").write_text("{")
    assert f"{damaged / 'package.json'} is damaged" in refusal(damaged)


def test_the_runtime_is_one_build_and_its_licenses(tmp_path):
    pytest.importorskip("onnxruntime", reason="onnxruntime is in the extra onnx")
    package, folder = write_package(tmp_path / "package"), tmp_path / "runtime"
    onnxruntime_web.copy_runtime(package, folder)
    assert {path.name for path in folder.iterdir()} == {
        *("ort.wasm.min.js", "binary.js", "LICENSE", "ThirdPartyNotices.txt")
    }
    assert (folder / FILES[0]).read_text() == f"content of {FILES[0]}"
    for name, file in zip(("module", "binary"), FILES[1:]):
        content = unpack(folder / "binary.js", name)
        assert content.decode() == f"content of {file}"
    assert re.search(r"MIT License\s+Copyright", (folder / "LICENSE").read_text())


def test_the_packages_own_license_comes_first(tmp_path):
    pytest.importorskip("onnxruntime", reason="onnxruntime is in the extra onnx")
    package = write_package(tmp_path / "package")
    (package / "LICENSE").write_text("another one")
    onnxruntime_web.copy_runtime(package, tmp_path / "runtime")
    assert (tmp_path / "runtime" / "LICENSE").read_text() == "another one"

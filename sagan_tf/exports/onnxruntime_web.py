"""ONNX Runtime for browsers: an npm package, and the parts that a page needs."""

import importlib.util
import pathlib
import shutil

from sagan_tf.errors import BadInput
from sagan_tf.exports.packed_files import pack
from sagan_tf.run.records import read_json

NAME = "onnxruntime-web"
# scripts/test.sh installs it.
TRIED_VERSION = "1.30.0"
# The build for CPUs only: WebAssembly.
SCRIPT = "ort.wasm.min.js"
_PACKED = {
    "module": "ort-wasm-simd-threaded.mjs",
    "binary": "ort-wasm-simd-threaded.wasm",
}
# The npm package lacks the text of its license. The Python package of the same project,
# which the export needs, has the text.
_LICENSES = ("LICENSE", "ThirdPartyNotices.txt")


def find_package(path=None):
    """Finds the folder of the npm package and checks it.

    Args:
        path: path of the folder. `None`: `node_modules/onnxruntime-web` in the
            current folder or the nearest folder above it.

    Returns:
        `pathlib.Path`.

    Raises:
        BadInput: the folder is missing, damaged, or has another package or version.
    """
    install = f"npm install {NAME}@{TRIED_VERSION}"
    here = pathlib.Path.cwd()
    places = [each / "node_modules" / NAME for each in (here, *here.parents)]
    if path is not None:
        places = [pathlib.Path(path)]
    package = next((each for each in places if each.is_dir()), None)
    if package is None:
        received = path or "no node_modules with it, here or above"
        raise BadInput(
            f"--format=web needs the folder of the npm package {NAME}. Received: "
            f"{received}. Try {install}, or --onnxruntime_web=PATH."
        )
    needed = ["package.json", *(f"dist/{n}" for n in (SCRIPT, *_PACKED.values()))]
    missing = [name for name in needed if not (package / name).is_file()]
    if missing or _about(package)["name"] != NAME:
        lacks = f"which lacks {', '.join(missing)}" if missing else "another package"
        raise BadInput(
            f"onnxruntime_web must be the folder of the npm package {NAME}, version "
            f"{TRIED_VERSION} or a similar one. Received: {package}, {lacks}. Try "
            f"{install}."
        )
    return package


def version(package):
    """Returns the version of the package in a folder: str."""
    return _about(package)["version"]


def _about(package):
    return read_json(package / "package.json", {"name": str, "version": str})


def copy_runtime(package, folder):
    """Copies the parts that a page needs into a new folder, with the licenses.

    Args:
        package: `pathlib.Path`, see `find_package`.
        folder: `pathlib.Path`.

    Raises:
        OSError: the folder cannot be written.
    """
    folder.mkdir()
    shutil.copyfile(package / "dist" / SCRIPT, folder / SCRIPT)
    contents = {n: (package / "dist" / f).read_bytes() for n, f in _PACKED.items()}
    pack(folder / "binary.js", contents)
    python = pathlib.Path(importlib.util.find_spec("onnxruntime").origin).parent
    for name in _LICENSES:
        texts = [each / name for each in (package, python) if (each / name).is_file()]
        for text in texts[:1]:
            shutil.copyfile(text, folder / name)

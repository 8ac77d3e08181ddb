"""The formats of an export, and the packages that they need.

A SavedModel has several signatures, see `export.py`. Every other format is one network
from z and labels to images. Its module, for example `onnx_file.py`, has

    TITLE           str, the format's name for people
    RUNTIME         str, what runs it
    MODULES         tuple of str, Python modules that writing and checking import
    FILE            str, a file that every export of this format has
    LOADING         str, lines of Python from `inputs`, a dict of arrays, to `images`;
                    `None` for the page, which people open
    write(model, folder, specs)   writes a `keras.Model` whose outputs are a dict of
                    `"images"`; specs: list of `tf.TensorSpec`, its inputs
    open_reader(folder)   opens the written files in their own runtime; returns a
                    function from `inputs` to `images`, for any number of images

These modules import packages only when they use them, after the check of the flags.
"""

from sagan_tf.errors import BadInput, missing_packages
from sagan_tf.exports import (
    keras_folder,
    litert_file,
    onnx_file,
    openvino_files,
    web_page,
)
from sagan_tf.exports.onnxruntime_web import find_package

SAVED_MODEL = "saved_model"
# A page with one network that also returns attention maps.
WEB = "web"
FORMATS = {
    "onnx": onnx_file,
    "litert": litert_file,
    "openvino": openvino_files,
    "keras": keras_folder,
    WEB: web_page,
}
NAMES = (SAVED_MODEL, *FORMATS)
# Every export has one of these files.
FILES = ("saved_model.pb", *(module.FILE for module in FORMATS.values()))


def check_format(name, warm=None, onnxruntime_web=None):
    """Checks that a format can be written on this machine.

    Args:
        name: str, the format.
        warm: bool, whether to write warm-up requests, or `None` if not given.
        onnxruntime_web: path of the npm package, see `find_package`.

    Raises:
        BadInput: the format is not in `NAMES`, one of its packages is missing, or it
            has no use for another argument.
    """
    if name not in NAMES:
        raise BadInput(
            f"format must be one of {', '.join(NAMES)}. Received: {name!r}. "
            f"Try {SAVED_MODEL}."
        )
    if onnxruntime_web is not None and name != WEB:
        raise BadInput(
            f"onnxruntime_web goes with --format={WEB}. Received: --format={name}. "
            "Try it without --onnxruntime_web."
        )
    if name == SAVED_MODEL:
        return
    if warm is not None:
        flag = "--warmup" if warm else "--nowarmup"
        raise BadInput(
            "Warm-up requests are for TensorFlow Serving, which reads "
            f"--format={SAVED_MODEL}. Received: {flag} and --format={name}. Try it "
            f"without {flag}."
        )
    if missing := missing_packages(FORMATS[name].MODULES):
        raise BadInput(
            f"--format={name} needs packages that are not installed. Missing: "
            f"{', '.join(missing)}. Try pip install 'sagan-tf[{extra(name)}]'."
        )
    if name == WEB:
        find_package(onnxruntime_web)


def extra(name):
    """Returns the name of the extra of setup.py with a format's packages."""
    return "onnx" if name == WEB else name

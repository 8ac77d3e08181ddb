"""Exports a page that draws in a browser: the ONNX file and what shows its images.

index.html        the page
generator.js      the ONNX file, packed: images, and a map for each attention layer
runtime/          ONNX Runtime for browsers, see `onnxruntime_web.py`
"""

import pathlib

from sagan_tf.exports import onnx_file, onnxruntime_web, packed_files
from sagan_tf.files import write_text

TITLE = "browsers"
# The runtime that compares the network with the live generator. The page has its build
# for browsers.
RUNTIME = onnx_file.RUNTIME
MODULES = onnx_file.MODULES
FILE = "generator.js"
PAGE = "index.html"
LOADING = None  # The page is for people, see `model_card.py`.
_NAME = "generator"
_TEMPLATE = pathlib.Path(__file__).with_name("web_page.html")
_LATENTS = pathlib.Path(__file__).with_name("latents.js")


def write(model, folder, specs):
    """See `formats.py`. Writes only the network."""
    folder = pathlib.Path(folder)
    onnx_file.write(model, folder, specs)
    network = folder / onnx_file.FILE
    packed_files.pack(folder / FILE, {_NAME: network.read_bytes()})
    network.unlink()


def open_session(folder):
    """Opens the network in ONNX Runtime for Python: `InferenceSession`."""
    import onnxruntime

    network = packed_files.unpack(pathlib.Path(folder) / FILE, _NAME)
    return onnxruntime.InferenceSession(network, providers=["CPUExecutionProvider"])


def open_reader(folder):
    """See `formats.py`."""
    session = open_session(folder)
    return lambda inputs: session.run(["images"], inputs)[0]


def write_page(generator, folder, title, about, package):
    """Writes the page and its runtime beside the network.

    Args:
        generator: `keras.Model`, the exported one.
        folder: `pathlib.Path` of the export.
        title: str, describes the generator.
        about: dict with `"step"`, `"ema"`, `"class_names"` and `"config"`, see
            `origin.py`.
        package: `pathlib.Path`, see `onnxruntime_web.find_package`.

    Raises:
        OSError: a file cannot be written.
    """
    from sagan_tf.attention_maps import page
    from sagan_tf.networks.attention_scores import attention_layers, map_shape

    config = about["config"]
    numbers = range(config["num_classes"])
    data = {
        "canvas": page.canvas_side(config["resolution"]),
        "resolution": config["resolution"],
        "z_dim": config["z_dim"],
        "class_names": about["class_names"] or [f"class {n}" for n in numbers],
        "layers": [
            {
                "name": layer.name,
                "grid": map_shape(layer),
                "has_effect": bool(layer.gamma != 0),
            }
            for layer in attention_layers(generator)
        ],
    }
    words = f"Drawn by ONNX Runtime Web {onnxruntime_web.version(package)}."
    if about["step"] is not None:
        words = f"Step {about['step']:,}. {words}"
    script = _LATENTS.read_text(encoding="utf-8")
    text = page.filled(_TEMPLATE, title, words, data, script)
    write_text(folder / PAGE, text)
    onnxruntime_web.copy_runtime(package, folder / "runtime")

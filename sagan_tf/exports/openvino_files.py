"""Exports OpenVINO's two files, for Intel's processors and graphics."""

import pathlib

TITLE = "OpenVINO"
RUNTIME = "OpenVINO"
MODULES = ("openvino",)
FILE = "generator.xml"
# Without the hint, processors with bfloat16 compute in bfloat16.
LOADING = """\
import openvino

in_float32 = {"INFERENCE_PRECISION_HINT": "f32"}
network = openvino.compile_model("generator.xml", "CPU", in_float32)
images = network(inputs)["images"]
"""


def write(model, folder, specs):
    """See `formats.py`."""
    path = str(pathlib.Path(folder) / FILE)
    signature = specs if len(specs) == 1 else [specs]
    try:
        model.export(path, format="openvino", verbose=False, input_signature=signature)
    except RuntimeError as error:
        # C++ streams do not say why they fail.
        if "iostream" not in str(error):
            raise
        text = f"OpenVINO's files could not be written to {folder}: {error}."
        raise OSError(f"{text} Try freeing disk space.") from error


def open_reader(folder):
    """See `formats.py`."""
    import openvino

    network = openvino.compile_model(
        pathlib.Path(folder) / FILE, "CPU", {"INFERENCE_PRECISION_HINT": "f32"}
    )
    return lambda inputs: network(inputs)["images"]

"""Exports a LiteRT (TensorFlow Lite) file, for phones and small devices."""

import pathlib

TITLE = "LiteRT"
RUNTIME = "LiteRT"
MODULES = ("ai_edge_litert",)
FILE = "generator.tflite"
LOADING = """\
from ai_edge_litert.interpreter import Interpreter

network = Interpreter("generator.tflite").get_signature_runner()
images = network(**inputs)["images"]
"""


def write(model, folder, specs):
    """See `formats.py`."""
    import tensorflow as tf

    # By default, Keras also allows TensorFlow's operations, unlike plain LiteRT.
    builtins = {"supported_ops": [tf.lite.OpsSet.TFLITE_BUILTINS]}
    model.export(
        str(pathlib.Path(folder) / FILE),
        format="litert",
        verbose=False,
        input_signature=specs if len(specs) == 1 else [specs],
        target_spec=builtins,
    )


def open_reader(folder):
    """See `formats.py`."""
    from ai_edge_litert.interpreter import Interpreter

    network = Interpreter(str(pathlib.Path(folder) / FILE)).get_signature_runner()
    return lambda inputs: network(**inputs)["images"]

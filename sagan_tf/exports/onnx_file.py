"""An export as an ONNX file, which ONNX Runtime and many other programs open."""

import pathlib
import warnings

TITLE = "ONNX"
RUNTIME = "ONNX Runtime"
MODULES = ("onnx", "tf2onnx", "onnxruntime")
FILE = "generator.onnx"
LOADING = """\
import onnxruntime

session = onnxruntime.InferenceSession("generator.onnx")
(images,) = session.run(["images"], inputs)
"""


def write(model, folder, specs):
    """See `formats.py`."""
    import onnx

    path = str(pathlib.Path(folder) / FILE)
    with warnings.catch_warnings():
        # Keras looks for `numpy.object`, which NumPy 2 warns about.
        warnings.simplefilter("ignore", FutureWarning)
        # Keras wants the specs of one argument, which is a list if there are several.
        signature = specs if len(specs) == 1 else [specs]
        model.export(path, format="onnx", verbose=False, input_signature=signature)
    network = onnx.load(path)
    # The number of images has one name everywhere, not one that tf2onnx counts up.
    for tensor in (*network.graph.input, *network.graph.output):
        tensor.type.tensor_type.shape.dim[0].dim_param = "N"
    onnx.save(network, path)


def open_reader(folder):
    """See `formats.py`."""
    import onnxruntime

    session = onnxruntime.InferenceSession(
        pathlib.Path(folder) / FILE, providers=["CPUExecutionProvider"]
    )
    return lambda inputs: session.run(["images"], inputs)[0]

"""Exports an ONNX file, which ONNX Runtime and many other programs open."""

import pathlib

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
    """See `formats.py`.

    It does not use `keras.Model.export`: tf2onnx copies constants again and again, and
    took more than 14 GB for the 170 MB of a generator of the official size. Here, it
    sees the weights as extra inputs, and they become constants afterwards.
    """
    import keras
    import onnx
    import tensorflow as tf
    import tf2onnx

    variables, input_names = model.variables, [spec.name for spec in specs]
    names = [f"weight_{number}" for number in range(len(variables))]

    @tf.function
    def draw(*inputs):
        given, weights = inputs[: len(specs)], inputs[len(specs) :]
        with keras.StatelessScope(state_mapping=zip(variables, weights)):
            return model(dict(zip(input_names, given)), training=False)

    weight_specs = [
        tf.TensorSpec(each.shape, each.dtype, name)
        for name, each in zip(names, variables)
    ]
    network, _ = tf2onnx.convert.from_function(draw, [*specs, *weight_specs])
    inputs = [each for each in network.graph.input if each.name not in names]
    del network.graph.input[:]
    network.graph.input.extend(inputs)
    network.graph.initializer.extend(
        onnx.numpy_helper.from_array(keras.ops.convert_to_numpy(each), name)
        for name, each in zip(names, variables)
    )
    # The number of images has one name everywhere. tf2onnx would number the names.
    for tensor in (*network.graph.input, *network.graph.output):
        tensor.type.tensor_type.shape.dim[0].dim_param = "N"
    onnx.save(network, pathlib.Path(folder) / FILE)


def open_reader(folder):
    """See `formats.py`."""
    import onnxruntime

    session = onnxruntime.InferenceSession(
        pathlib.Path(folder) / FILE, providers=["CPUExecutionProvider"]
    )
    return lambda inputs: session.run(["images"], inputs)[0]

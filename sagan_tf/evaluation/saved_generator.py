"""Generators in a SavedModel: our exports, and those of other programs."""

import pathlib

import tensorflow as tf

from sagan_tf import images
from sagan_tf.errors import BadInput
from sagan_tf.run.records import read_json


def open_saved_generator(folder, num_classes=0):
    """Opens a SavedModel as a generator for `scoring.summarize_generator`.

    Its `serving_default` signature has one float input, z `(N, z_dim)`, and, for a
    model with classes, one integer input, labels `(N,)`. The one output is uint8 pixels
    or float images in [-1, 1], `(N, R, R, C)`.

    Args:
        folder: path of the SavedModel.
        num_classes: int, for a model that takes labels and has no `export.json`.

    Returns:
        Function of z and labels to images, with `z_dim` and `output_shape`; and the
        number of classes, 0 for a model that takes no labels.

    Raises:
        BadInput: the model cannot be loaded, or has other inputs or outputs.
    """
    folder = pathlib.Path(folder)
    try:
        model = tf.saved_model.load(str(folder))
    except (OSError, ValueError, tf.errors.OpError) as error:
        raise BadInput(
            f"{folder} cannot be loaded: {error}. Try the folder with saved_model.pb."
        ) from error
    if "serving_default" not in model.signatures:
        raise BadInput(
            f"{folder} must have the signature serving_default. Received: "
            f"{', '.join(model.signatures) or 'none'}."
        )
    serve = model.signatures["serving_default"]
    z_name, label_name = _inputs(folder, serve)

    def generate(z, labels):
        arguments = {z_name: z}
        if label_name is not None:
            dtype = serve.structured_input_signature[1][label_name].dtype
            arguments[label_name] = tf.cast(labels, dtype)
        (batch,) = serve(**arguments).values()
        return images.from_pixels(batch) if batch.dtype == tf.uint8 else batch

    generate.z_dim = serve.structured_input_signature[1][z_name].shape[-1]
    (output,) = serve.structured_outputs.values()
    generate.output_shape = output.shape
    generate.keep_alive = model  # Its variables are deleted with the object.
    if label_name is None:
        return generate, 0
    return generate, _num_classes(folder, num_classes)


def _inputs(folder, serve):
    """Returns the input names of z and of the labels (or `None`)."""
    specs = serve.structured_input_signature[1]
    floats = [n for n, spec in specs.items() if spec.dtype.is_floating]
    integers = [n for n, spec in specs.items() if spec.dtype.is_integer]
    shapes = [specs[n].shape for n in floats]
    has_z = [s.rank == 2 and s[-1] is not None for s in shapes] == [True]
    if not has_z or len(integers) > 1 or len(serve.structured_outputs) != 1:
        inputs = ", ".join(f"{n} {s.dtype.name} {s.shape}" for n, s in specs.items())
        raise BadInput(
            f"{folder}: serving_default must take z (N, z_dim) float, perhaps labels "
            f"(N,) int, and return one tensor. Received: inputs {inputs}; outputs "
            f"{', '.join(serve.structured_outputs)}."
        )
    return floats[0], integers[0] if integers else None


def _num_classes(folder, num_classes):
    path = folder / "export.json"
    if path.is_file():
        try:
            record = read_json(path, {"config": {"num_classes": int}})
        except BadInput as error:
            raise BadInput(f"{path} must have config.num_classes. {error}") from error
        return record["config"]["num_classes"]
    if not num_classes:
        raise BadInput(
            f"{folder} takes labels, and neither an export.json in it nor the "
            "reference tells the number of classes. Try a reference of data with "
            "labels."
        )
    return num_classes

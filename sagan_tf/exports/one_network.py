"""An export that is one network from z and labels to images: all but a SavedModel."""

import keras
import tensorflow as tf

from sagan_tf.exports import checks
from sagan_tf.exports.formats import FORMATS
from sagan_tf.networks.folding import fold_generator
from sagan_tf.networks.standard_layers import with_standard_layers
from sagan_tf.progress import without_notices


def write_network(generator, folder, name, num_classes=0):
    """Writes a generator in a format and compares it with itself in its own runtime.

    Args:
        generator: `keras.Model`, see `fold_generator`.
        folder: `pathlib.Path` of an empty folder.
        name: key of `FORMATS`.
        num_classes: int, 0 for an unconditional generator.

    Returns:
        The signatures, as `ServedModel.signatures` has them, and the differences, see
        `checks.compare_images`.

    Raises:
        BadInput: the export does not draw what the generator draws.
        OSError: it cannot be written.
    """
    module = FORMATS[name]
    standard = with_standard_layers(fold_generator(generator))
    # The name of an output, in the formats that have names, is its key.
    model = keras.Model(standard.inputs, {"images": standard.outputs[0]}, name="sagan")
    specs = [tf.TensorSpec(each.shape, each.dtype, each.name) for each in model.inputs]
    with without_notices():
        module.write(model, folder, specs)
        run = module.open_reader(folder)
    difference = checks.compare_images(generator, run, num_classes)
    signature = {
        "inputs": {spec.name: _tensor(spec) for spec in specs},
        "outputs": {"images": _tensor(standard.outputs[0])},
    }
    return {"images": signature}, difference


def _tensor(spec):
    return {
        "dtype": keras.backend.standardize_dtype(spec.dtype),
        "shape": [*spec.shape],
    }

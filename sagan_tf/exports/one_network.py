"""Exports one network from z and labels to images: all formats but SavedModel."""

import keras
import tensorflow as tf

from sagan_tf.exports import checks
from sagan_tf.exports.formats import FORMATS, WEB
from sagan_tf.networks.attention_scores import attention_layers
from sagan_tf.networks.folding import fold_generator
from sagan_tf.networks.standard_layers import attention_map, with_standard_layers
from sagan_tf.progress import without_notices


def write_network(generator, folder, name, num_classes=0):
    """Writes a generator in a format, and compares both in the format's runtime.

    Args:
        generator: `keras.Model`, see `fold_generator`.
        folder: `pathlib.Path` of an empty folder.
        name: key of `FORMATS`.
        num_classes: int, 0 for an unconditional generator.

    Returns:
        The signatures, in the form of `ServedModel.signatures`, and the differences,
        see `checks.compare_images`.

    Raises:
        BadInput: the export does not draw what the generator draws.
        OSError: the export cannot be written.
    """
    module = FORMATS[name]
    folded = fold_generator(generator)
    standard = with_standard_layers(folded)
    # The key is the output's name, in formats that have names.
    outputs = {"images": standard.outputs[0]}
    if name == WEB:
        for layer in attention_layers(folded):
            outputs[layer.name] = attention_map(standard, layer)
    model = keras.Model(standard.inputs, outputs, name="sagan")
    specs = [tf.TensorSpec(each.shape, each.dtype, each.name) for each in model.inputs]
    with without_notices():
        module.write(model, folder, specs)
        run = module.open_reader(folder)
    difference = checks.compare_images(generator, run, num_classes)
    signature = {
        "inputs": {spec.name: _tensor(spec) for spec in specs},
        "outputs": {key: _tensor(output) for key, output in outputs.items()},
    }
    return {"images": signature}, difference


def _tensor(spec):
    return {
        "dtype": keras.backend.standardize_dtype(spec.dtype),
        "shape": [*spec.shape],
    }

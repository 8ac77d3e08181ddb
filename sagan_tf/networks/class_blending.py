"""Images between classes, from mixed gains and biases of batch normalization."""

import keras
import numpy as np
from keras import ops

from sagan_tf.errors import BadInput
from sagan_tf.layers import ConditionalBatchNorm, GeneratorBlock
from sagan_tf.networks.folding import Affine


def blend_classes(generator, shares):
    """Returns a generator whose classes are mixtures of another's.

        gamma'[m] = sum_c shares[m, c] gamma[c],   beta'[m] = sum_c shares[m, c] beta[c]

    in every conditional batch normalization. Nothing else in the generator depends on
    the class. A mixture of a single class gives that class's images, bit for bit. Where
    tables are spectrally normalized, the quotients are mixed, and the new generator has
    plain tables.

    Args:
        generator: functional `keras.Model` from `build_generator` or `fold_generator`,
            with classes. The new generator has copies of its weights.
        shares: `(M, num_classes)` float array. Shares of a mixture should sum to 1.

    Returns:
        Functional `keras.Model` with the generator's inputs; labels are in [0, M).

    Raises:
        BadInput: the generator has no classes, or another number of them.
    """
    shares = np.asarray(shares, np.float32)
    known = {layer.num_classes for layer in _looking_up(generator)}
    if shares.ndim != 2 or known != {shares.shape[1]}:
        raise BadInput(
            "Blending needs a generator with classes and a share of each class in each "
            f"mixture. Received: shares of shape {shares.shape}, "
            f"{max(known, default=0)} classes. Try shares of shape (mixtures, classes)."
        )
    blended = keras.models.clone_model(
        generator, clone_function=lambda layer: _with_classes(layer, len(shares))
    )
    old_layers, new_layers = _looking_up(generator), _looking_up(blended)
    for old, new in zip(old_layers, new_layers, strict=True):
        tables = _tables(old)
        for variable in new.variables:
            if variable.name in tables:
                variable.assign(shares @ tables[variable.name])
            else:
                variable.assign(getattr(old, variable.name))
    others = _outside(generator, old_layers), _outside(blended, new_layers)
    for old, new in zip(*others, strict=True):
        new.assign(old)
    return blended


def _with_classes(layer, count):
    """Returns a new layer like this one, with `count` classes if it has any."""
    config = layer.get_config()
    if config.get("num_classes"):
        config["num_classes"] = count
    if isinstance(layer, GeneratorBlock):
        config["normalize_tables"] = False
    return type(layer).from_config(config)


def _looking_up(generator):
    return [
        layer
        for layer in generator._flatten_layers()
        if isinstance(layer, (ConditionalBatchNorm, Affine)) and layer.num_classes
    ]


def _tables(layer):
    """Returns a layer's gains and biases by class, as used: dict of name to array."""
    if isinstance(layer, Affine):
        tables = {"scale": layer.scale, "shift": layer.shift}
    else:
        tables = dict(zip(("gamma", "beta"), layer.tables(), strict=True))
    return {name: ops.convert_to_numpy(table) for name, table in tables.items()}


def _outside(generator, layers):
    """Returns the generator's variables that belong to none of the layers."""
    inside = {id(variable) for layer in layers for variable in layer.variables}
    return [each for each in generator.variables if id(each) not in inside]

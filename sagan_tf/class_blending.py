"""Images between classes: the gains and biases of batch normalisation, mixed."""

import keras
import numpy as np

from sagan_tf.folding import Affine
from sagan_tf.layers import ConditionalBatchNorm

# The layers that look something up by class, and their tables.
_TABLES = {ConditionalBatchNorm: ("gamma", "beta"), Affine: ("scale", "shift")}


def blend_classes(generator, shares):
    """A generator whose classes are mixtures of another's.

        gamma'[m] = sum_c shares[m, c] gamma[c],   beta'[m] = sum_c shares[m, c] beta[c]

    in every conditional batch normalisation; nothing else in the generator knows of
    classes. A mixture that is one class alone makes that class's images, bit for bit.

    Args:
        generator: functional `keras.Model` from `build_generator` or `fold_generator`,
            with classes. It is not changed, nor are later changes of its weights seen.
        shares: `(M, num_classes)` float array. Shares of a mixture should sum to 1.

    Returns:
        Functional `keras.Model` with the generator's inputs; labels are in [0, M).

    Raises:
        ValueError: the generator has no classes, or another number of them.
    """
    shares = np.asarray(shares, np.float32)
    known = {layer.num_classes for layer in _looking_up(generator)}
    if shares.ndim != 2 or known != {shares.shape[1]}:
        raise ValueError(
            "Classes are blended in a generator with classes, each of which has a "
            f"share in each mixture. Received: shares of shape {shares.shape}, "
            f"{max(known, default=0)} classes. Try shares of shape (mixtures, classes)."
        )
    blended = keras.models.clone_model(
        generator, clone_function=lambda layer: _with_classes(layer, len(shares))
    )
    tables = {id(table) for table in _tables(generator)}
    for old, new in zip(generator.variables, blended.variables, strict=True):
        new.assign(shares @ old.numpy() if id(old) in tables else old)
    return blended


def _with_classes(layer, count):
    """A new layer of the same settings, with other classes if it has any."""
    config = layer.get_config()
    if config.get("num_classes"):
        config["num_classes"] = count
    return type(layer).from_config(config)


def _looking_up(generator):
    return [
        layer
        for layer in generator._flatten_layers()
        if isinstance(layer, tuple(_TABLES)) and layer.num_classes
    ]


def _tables(generator):
    for layer in _looking_up(generator):
        for name in _TABLES[type(layer)]:
            yield getattr(layer, name)

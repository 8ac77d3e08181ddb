"""Rebuilds a folded generator from Keras' own layers, so that Keras alone can load it.

Converters then see plain operations, too. Our attention has its own gradient, and parts
of it would appear in the graph of an ONNX or OpenVINO file as unwanted outputs.
"""

import keras
import numpy as np
from keras import ops

from sagan_tf.errors import BadInput
from sagan_tf.layers import ResidualBottleneck, SelfAttention
from sagan_tf.layers.resampling_convolutions import UpsamplingConvolution
from sagan_tf.networks.attention_scores import map_shape
from sagan_tf.networks.folding import (
    Affine,
    FoldedGeneratorBlock,
)

_LAST = {"data_format": "channels_last"}


def with_standard_layers(generator):
    """Returns a generator that computes the same with layers of Keras alone.

    Attention maps are whole, whatever `attention_chunk_size` is: at 64x64 the official
    one takes 16 MiB for each image.

    Args:
        generator: from `fold_generator`. The new model has copies of its weights.

    Returns:
        Functional `keras.Model` with the generator's inputs and the same output, to
        within 1e-5. It is not meant to be trained.

    Raises:
        BadInput: a layer is neither Keras' own nor one of `fold_generator`'s.
    """
    inputs = [
        keras.Input(each.shape[1:], dtype=each.dtype, name=each.name)
        for each in generator.inputs
    ]
    x, *labels = inputs
    for layer in generator.layers:
        if isinstance(layer, keras.layers.InputLayer):
            continue
        if isinstance(layer, FoldedGeneratorBlock):
            x = _block(layer, x, labels)
        else:
            x = _layer(layer)(layer, x)
    return keras.Model(inputs if labels else inputs[0], x, name=generator.name)


def attention_map(standard, layer):
    """Returns the map that `attention_scores.with_attention_scores` gives for a layer.

    Args:
        standard: from `with_standard_layers`.
        layer: the `SelfAttention` of the original generator.

    Returns:
        Symbolic tensor of `standard`: `(B, H, W, K, L)` float32.
    """
    _, scores = standard.get_layer(f"{layer.name}_map").output
    return keras.layers.Reshape(map_shape(layer), name=f"{layer.name}_scores")(scores)


def _layer(layer):
    """Returns the function that rebuilds a layer with one input."""
    for kind, rebuilt in (
        (Affine, _affine),
        (SelfAttention, _attention),
        (ResidualBottleneck, _bottleneck),
    ):
        if isinstance(layer, kind):
            return rebuilt
    if type(layer).__module__.split(".")[0] != "keras":
        raise BadInput(
            "with_standard_layers needs a generator from fold_generator. Received: "
            f"{layer.name} ({type(layer).__name__})."
        )
    return _copy


def _copy(layer, x, parent="", factor=None):
    """Calls a new layer like this one on x.

    Args:
        layer: a layer of Keras.
        x: tensor.
        parent: str, prefix of the new name: names in a model must differ.
        factor: number that multiplies its only weight, a kernel; or `None`.
    """
    config = {**layer.get_config(), "name": parent + layer.name}
    weights = layer.get_weights()
    if factor is not None:
        weights = [weights[0] * ops.convert_to_numpy(factor)]
    return _called(type(layer).from_config(config), x, weights)


def _called(layer, x, weights):
    """Calls a new layer on x and gives it weights."""
    x = layer(x)
    layer.set_weights(weights)
    return x


def _affine(layer, x, labels=(), parent=""):
    """Rebuilds an `Affine` as tables of gains and biases, or as batch normalization."""
    name = parent + layer.name
    scale, shift = layer.get_weights()
    if not labels:
        normalization = keras.layers.BatchNormalization(
            epsilon=0.0, trainable=False, name=name
        )
        zeros, ones = np.zeros_like(shift), np.ones_like(scale)
        return _called(normalization, x, [scale, shift, zeros, ones])
    for kind, table, joined in (
        ("scale", scale, keras.layers.Multiply),
        ("shift", shift, keras.layers.Add),
    ):
        rows = keras.layers.Embedding(*table.shape, name=f"{name}_{kind}")
        row = _called(rows, *labels, [table])
        row = keras.layers.Reshape((1, 1, table.shape[1]), name=f"{name}_{kind}_row")(
            row
        )
        x = joined(name=f"{name}_with_{kind}")([x, row])
    return x


def _relu(x, name):
    return keras.layers.ReLU(name=name)(x)


def _up(x, name):
    return keras.layers.UpSampling2D(2, name=name, **_LAST)(x)


def _block(block, x, labels):
    """Rebuilds a `FoldedGeneratorBlock`."""
    parent = f"{block.name}_"
    h = _affine(block.batch_norm_1, x, labels, parent)
    h = _upsampling_convolution(
        block.convolution_1, _relu(h, f"{parent}relu_1"), parent
    )
    if block.num_classes is not None:
        h = _affine(block.batch_norm_2, h, labels, parent)
    h = _copy(block.convolution_2, _relu(h, f"{parent}relu_2"), parent)
    shortcut = _up(_copy(block.shortcut, x, parent), f"{parent}shortcut_up")
    return keras.layers.Add(name=block.name)([h, shortcut])


def _upsampling_convolution(layer, x, parent):
    """Rebuilds a `FoldedUpsamplingConvolution`."""
    name, weights = parent + layer.name, layer.part.get_weights()
    if isinstance(layer.part, UpsamplingConvolution):
        x = _up(x, f"{name}_up")
        convolution = keras.layers.Conv2D(
            layer.filters, 3, padding="same", name=name, **_LAST
        )
        return _called(convolution, x, weights)
    convolution = keras.layers.Conv2DTranspose(layer.filters, 3, 2, name=name, **_LAST)
    x = _called(convolution, x, weights)
    return keras.layers.AveragePooling2D(2, 1, name=f"{name}_box", **_LAST)(x)


def _attention(layer, x):
    """Rebuilds a `SelfAttention`: gamma is a factor of its last kernel."""
    parent, rows = f"{layer.name}_", []
    # Not of the values' kernel if max pooling follows: gamma may be negative.
    last = layer.output_convolution or layer.value
    for convolution in (layer.query, layer.value, layer.key):
        factor = layer.gamma if convolution is last else None
        each, name = _copy(convolution, x, parent, factor), parent + convolution.name
        if layer.variant == "official" and convolution is not layer.query:
            each = keras.layers.MaxPooling2D(2, 2, name=f"{name}_pool", **_LAST)(each)
        shape = (-1, each.shape[-1])
        rows.append(keras.layers.Reshape(shape, name=f"{name}_rows")(each))
    # The map itself is an output of this layer too, see `attention_map`.
    output, _ = keras.layers.Attention(name=f"{parent}map")(
        rows, return_attention_scores=True
    )
    shape = (*x.shape[1:3], output.shape[-1])
    output = keras.layers.Reshape(shape, name=f"{parent}image")(output)
    if last is not layer.value:
        output = _copy(last, output, parent, layer.gamma)
    return keras.layers.Add(name=layer.name)([x, output])


def _bottleneck(layer, x):
    """Rebuilds a `ResidualBottleneck`: gamma is a factor of the last kernel."""
    y, parent, gammas = x, f"{layer.name}_", (None, None, layer.gamma)
    convolutions = (layer.convolution_1, layer.convolution_2, layer.convolution_3)
    for number, (convolution, gamma) in enumerate(zip(convolutions, gammas), 1):
        y = _copy(convolution, _relu(y, f"{parent}relu_{number}"), parent, gamma)
    return keras.layers.Add(name=layer.name)([x, y])

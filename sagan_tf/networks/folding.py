"""A generator for inference, with all constant parts computed in advance."""

import keras
import numpy as np
from keras import ops

from sagan_tf.errors import BadInput
from sagan_tf.layers import ConditionalBatchNorm, GeneratorBlock
from sagan_tf.layers.checks import check_labels
from sagan_tf.layers.resampling_convolutions import (
    UpsamplingConvolution,
    box_filter,
    is_strided,
    turned,
    upsample,
    upsampled_shape,
)
from sagan_tf.layers.spectral_normalization import SpectralNormalization


@keras.saving.register_keras_serializable(package="sagan_tf")
class Affine(keras.layers.Layer):
    """Batch norm in inference: a gain and a bias per channel, optionally per class.

        y = scale[label] * x + shift[label],
        scale = gamma / sqrt(variance + epsilon),   shift = beta - mean * scale

    Args:
        num_classes: int, or `None` for one scale and shift for all.

    Call arguments, Returns, Raises: see `ConditionalBatchNorm`; `training` has no
        effect.
    """

    def __init__(self, num_classes=None, **kwargs):
        super().__init__(**kwargs)
        self.num_classes = num_classes or None

    def build(self, inputs_shape, labels_shape=None):
        classes = () if self.num_classes is None else (self.num_classes,)
        shape = (*classes, inputs_shape[-1])
        self.scale = self.add_weight(shape=shape, initializer="ones", name="scale")
        self.shift = self.add_weight(shape=shape, initializer="zeros", name="shift")

    def call(self, inputs, labels=None, training=False):
        labels = check_labels(self, labels)
        scale = ops.convert_to_tensor(self.scale)
        shift = ops.convert_to_tensor(self.shift)
        if labels is not None:
            scale = ops.take(scale, labels, axis=0)[:, None, None, :]
            shift = ops.take(shift, labels, axis=0)[:, None, None, :]
        return inputs * scale + shift

    def compute_output_shape(self, inputs_shape, labels_shape=None):
        return inputs_shape

    def get_config(self):
        return {**super().get_config(), "num_classes": self.num_classes}


@keras.saving.register_keras_serializable(package="sagan_tf")
class FoldedUpsamplingConvolution(keras.layers.Layer):
    """An `UpsamplingConvolution` that stores its kernel already `turned`.

    Args, Call arguments, Returns: see `UpsamplingConvolution`.
    """

    def __init__(self, filters, **kwargs):
        super().__init__(**kwargs)
        self.filters = filters

    def build(self, input_shape):
        options = {"data_format": "channels_last", "dtype": self.dtype_policy}
        if is_strided(input_shape[1]):
            # The bias is the same everywhere, so the box filter does not change it.
            self.part = keras.layers.Conv2DTranspose(self.filters, 3, 2, **options)
        else:
            self.part = UpsamplingConvolution(self.filters, **options)
        self.part.build(input_shape)

    def call(self, inputs):
        x = self.part(inputs)
        return box_filter(x) if is_strided(inputs.shape[1]) else x

    def take_over(self, kernel, bias):
        """Sets the weights from those of an `UpsamplingConvolution`."""
        if isinstance(self.part, keras.layers.Conv2DTranspose):
            kernel = turned(kernel)
        self.part.set_weights([kernel, bias])

    def compute_output_shape(self, input_shape):
        return upsampled_shape(input_shape, self.filters)

    def get_config(self):
        return {**super().get_config(), "filters": self.filters}


@keras.saving.register_keras_serializable(package="sagan_tf")
class FoldedGeneratorBlock(GeneratorBlock):
    """A `GeneratorBlock` for inference alone.

    Each batch normalization is an `Affine`. With a single class, the second one is
    part of the weights of the convolution before it instead.

    Args:
        filters, num_classes: see `GeneratorBlock`.

    Call arguments, Returns, Raises: see `GeneratorBlock`.
    """

    def call(self, inputs, labels=None, training=False):
        x = self.convolution_1(ops.relu(self.batch_norm_1(inputs, labels)))
        if self.num_classes is not None:
            x = self.batch_norm_2(x, labels)
        return self.convolution_2(ops.relu(x)) + upsample(self.shortcut(inputs))

    def convolution(
        self, filters, kernel_size, name, use_bias=True, kind=keras.layers.Conv2D
    ):
        """Makes a convolution as in `GeneratorBlock`, with its kernel ready for use."""
        if kind is not UpsamplingConvolution:
            return super().convolution(filters, kernel_size, name, use_bias, kind)
        return FoldedUpsamplingConvolution(filters, dtype=self.dtype_policy, name=name)

    def _batch_norm(self, name):
        if name == "batch_norm_2" and self.num_classes is None:
            return keras.layers.Identity(name=name)  # The convolution includes it.
        return Affine(self.num_classes, dtype=self.dtype_policy, name=name)


def fold_generator(generator, label=None):
    """Returns a generator for inference with the same images in fewer operations.

    Weights are `W / sigma`, without power iteration. Batch normalization is a gain and
    a bias. With a single class (an unconditional generator, or a given `label`) the
    second batch normalization of each block is part of the convolution before it.

    Args:
        generator: from `build_generator`. The new generator has copies of its weights.
        label: int, the class of every image, or `None`.

    Returns:
        Functional `keras.Model` with the generator's inputs, or with z alone if `label`
        is given. It equals `generator(..., training=False)` to within 1e-5, and is not
        meant to be trained.

    Raises:
        BadInput: `label` is not a class of the generator, or the generator is not a
            chain of layers, without others in them, as `build_generator` makes it.
    """
    _check_is_chain(generator)
    blocks = (each for each in generator.layers if isinstance(each, GeneratorBlock))
    classes = next((each.num_classes for each in blocks), None)
    if label is not None and not 0 <= label < (classes or 0):
        allowed = f"in [0, {classes})" if classes else "None for this generator"
        raise BadInput(f"label must be {allowed}. Received: label={label}.")
    inputs = [
        keras.Input(each.shape[1:], dtype=each.dtype, name=each.name)
        for each in (generator.inputs if label is None else generator.inputs[:1])
    ]
    x, *labels = inputs
    for layer in generator.layers:
        if isinstance(layer, GeneratorBlock):
            x = _folded_block(layer, x, labels, label)
        elif isinstance(layer, ConditionalBatchNorm):
            affine = Affine(dtype=layer.dtype_policy, name=layer.name)
            x = affine(x)
            affine.set_weights(_scale_and_shift(layer, None))
        elif not isinstance(layer, keras.layers.InputLayer):
            plain, weights = (
                without_spectral_normalization(layer),
                folded_weights(layer),
            )
            x = plain(x)
            if len(weights) != len(plain.weights):
                raise _not_foldable(layer)
            plain.set_weights(weights)
    return keras.Model(inputs if labels else inputs[0], x, name=generator.name)


def _check_is_chain(generator):
    if not getattr(generator, "inputs", None):
        raise _not_foldable(generator)
    x, *labels = generator.inputs
    for layer in generator.layers:
        if isinstance(layer, keras.layers.InputLayer):
            continue
        given = keras.tree.flatten(layer.input)
        takes_labels = isinstance(layer, GeneratorBlock) and len(given) > 1
        if given[0] is not x or given[1:] != (labels if takes_labels else []):
            raise _not_foldable(layer)
        x = layer.output
    if x is not generator.outputs[0]:
        raise _not_foldable(generator)


def _not_foldable(layer):
    return BadInput(
        "fold_generator needs a network like those of build_generator: a chain of "
        f"layers without normalized layers inside them. Received: {layer.name} "
        f"({type(layer).__name__}). Try the generator as it is."
    )


def _folded_block(block, x, labels, label):
    """Calls a new block with the same weights on x."""
    num_classes = block.num_classes if labels else None
    folded = FoldedGeneratorBlock(
        block.filters,
        num_classes,
        spectral_normalization=False,
        dtype=block.dtype_policy,
        name=block.name,
    )
    x = folded(x, *labels)
    for name in ("convolution_2", "shortcut"):
        getattr(folded, name).set_weights(folded_weights(getattr(block, name)))
    folded.batch_norm_1.set_weights(_scale_and_shift(block.batch_norm_1, label))
    scale, shift = _scale_and_shift(block.batch_norm_2, label)
    kernel, bias = folded_weights(block.convolution_1)
    if num_classes is not None:
        folded.batch_norm_2.set_weights([scale, shift])
    else:
        # The kernel is (3, 3, c_in, c_out): the scale belongs to its last axis.
        kernel, bias = kernel * scale, bias * scale + shift
    folded.convolution_1.take_over(kernel, bias)
    return x


def _scale_and_shift(batch_norm, label):
    """Returns the arrays of an `Affine`, for one class if `label` is given."""
    statistics = (batch_norm.moving_mean, batch_norm.moving_variance)
    gamma, beta, mean, variance = (
        ops.convert_to_numpy(values) for values in (*batch_norm.tables(), *statistics)
    )
    if label is not None:
        gamma, beta = gamma[label], beta[label]
    scale = gamma / np.sqrt(variance + batch_norm.epsilon)
    return scale, beta - mean * scale


def without_spectral_normalization(layer):
    """Returns a new, unbuilt layer like this one, without normalized weights."""
    if isinstance(layer, SpectralNormalization):
        layer = layer.layer
    config = layer.get_config()
    if "spectral_normalization" in config:
        config["spectral_normalization"] = False
    return layer.__class__.from_config(config)


def folded_weights(layer):
    """Returns the weights that a copy of a layer or model without spectral norm needs.

    Args:
        layer: built `keras.layers.Layer`.

    Returns:
        List in the order of `layer.weights`: `W / sigma` for each normalized weight, no
        `u`, all others as they are.
    """
    values = {id(variable): variable for variable in layer.weights}
    for part in layer._flatten_layers():
        if isinstance(part, SpectralNormalization):
            values[id(part.weight)] = part.normalized_weight()
            del values[id(part.u)]
    return list(values.values())

"""The generator and the discriminator: channel tables and attention placement.

At 128 pixels these are the official networks. The official code has no other size; the
tables for 32, 64 and 256 pixels are those of BigGAN (arXiv 1809.11096, in the form of
its authors' PyTorch code), which also has the official widths at 128 pixels.
"""

import numbers

import keras
from keras import ops

from sagan_tf.errors import BadInput
from sagan_tf.layers import (
    AuxiliaryClassifierHead,
    ConditionalBatchNorm,
    DiscriminatorBlock,
    DiscriminatorOptimizedBlock,
    GeneratorBlock,
    ProjectionHead,
    ResidualBottleneck,
    SelfAttention,
)
from sagan_tf.layers.spectrally_normalized_layer import normalized

# Widths in multiples of `channels`: first that of the 4x4 map from the linear layer,
# then one for each block. Every block doubles height and width.
GENERATOR_WIDTHS = {
    32: (4, 4, 4, 4),
    64: (16, 16, 8, 4, 2),
    128: (16, 16, 8, 4, 2, 1),
    256: (16, 16, 8, 8, 4, 2, 1),
}

# (width, downsample) of each block; the first is the `DiscriminatorOptimizedBlock`.
DISCRIMINATOR_BLOCKS = {
    resolution: tuple((width, n < halving) for n, width in enumerate(widths))
    for resolution, halving, widths in (
        (32, 2, (4, 4, 4, 4)),
        (64, 4, (1, 2, 4, 8, 16)),
        (128, 5, (1, 2, 4, 8, 16, 16)),
        (256, 6, (1, 2, 4, 8, 8, 16, 16)),
    )
}

RESOLUTIONS = tuple(GENERATOR_WIDTHS)


def _arguments(settings, initializer):
    """The arguments of one `SpectrallyNormalizedLayer`, with its own initializer."""
    return {**settings, "kernel_initializer": _initializer(initializer)}


def _initializer(name):
    if name == "normal_0.02":
        return keras.initializers.RandomNormal(stddev=0.02)
    return keras.initializers.get(name)


def _attention(size, variant, chunk_size, arguments):
    """Returns the attention layer of a size x size feature map, or its replacement."""
    # As in TF-GAN, sigma is not clamped here.
    arguments = {**arguments, "clamp_sigma": False}
    if variant == "residual":
        return ResidualBottleneck(name=f"residual_{size}x{size}", **arguments)
    return SelfAttention(
        variant, chunk_size, name=f"attention_{size}x{size}", **arguments
    )


def _sizes(attention_resolution):
    """Returns an int, or a sequence of ints, as a tuple."""
    if isinstance(attention_resolution, (tuple, list)):
        return tuple(attention_resolution)
    return (attention_resolution,)


def _check(resolution, attention_resolution, divisor, num_classes, sizes):
    is_whole = isinstance(resolution, numbers.Integral)
    if not is_whole or resolution not in RESOLUTIONS:
        raise BadInput(
            f"resolution must be one of {RESOLUTIONS}. Received: {resolution!r}."
        )
    if sizes["image_channels"] not in (1, 3):
        raise BadInput(
            "image_channels must be 1 (gray) or 3 (RGB). Received: "
            f"{sizes['image_channels']!r}. Try 3."
        )
    largest = resolution // divisor
    possible = [2**k for k in range(3, 9) if 2**k <= largest]
    wrong = [size for size in attention_resolution if size not in possible]
    if wrong:
        raise BadInput(
            f"attention_resolution must be among {possible} at {resolution} pixels. "
            f"Received: {tuple(attention_resolution)}. Try {(min(32, largest),)}, "
            "or () for no attention."
        )
    for name, size in {**sizes, "num_classes": num_classes or 0}.items():
        least = 0 if name == "num_classes" else 1
        is_int = isinstance(size, int) and not isinstance(size, bool)
        if not is_int or size < least:
            raise BadInput(
                f"{name} must be an int of at least {least}. Received: {size!r}. Try "
                f"{64 * least}."
            )


def _full_precision():
    """Returns the dtype of the variables, for the last, sensitive operations."""
    return keras.config.dtype_policy().variable_dtype


def build_generator(
    resolution=128,
    z_dim=128,
    num_classes=1000,
    channels=64,
    image_channels=3,
    attention_resolution=(32,),
    attention_variant="official",
    attention_chunk_size=None,
    spectral_norm=True,
    power_iterations=1,
    stop_gradient=False,
    clamp_sigma=False,
    initializer="glorot_uniform",
    batch_norm_momentum=0.999,
    final_batch_norm_momentum=0.9999,
    batch_norm_epsilon=1e-5,
    batch_norm_debias=True,
    cross_replica_batch_norm=False,
    normalize_tables=False,
    name="generator",
):
    """Builds the generator.

    Its layers: linear to 4x4, residual blocks that each double the size, attention
    after the blocks whose output has a resolution in `attention_resolution`, batch
    normalization, ReLU, 3x3 convolution and tanh (both in float32, even under mixed
    precision). Keras' global dtype policy applies.

    Args:
        resolution: int, 32, 64, 128 (official) or 256 pixels.
        z_dim: int, length of z. Official: 128.
        num_classes: int; 0 or `None` for an unconditional generator.
        channels: int, multiplier of the widths. Official: 64.
        image_channels: int, 1 or 3.
        attention_resolution: int or ints among 8, 16, ... resolution; `()` for none.
            Official: `(32,)`.
        attention_variant, attention_chunk_size: see `SelfAttention`; the variant
            `"residual"` uses a `ResidualBottleneck` instead.
        spectral_norm: bool, whether convolutions and linear layers are normalized.
        power_iterations, stop_gradient: see `SpectralNormalization`.
        clamp_sigma: see `SpectralNormalization`; it has no effect inside attention.
        initializer: `"glorot_uniform"` (official), `"orthogonal"`, `"normal_0.02"`, or
            another name that Keras knows.
        batch_norm_momentum: float, decay of the blocks' moving statistics.
        final_batch_norm_momentum: float, the same for the last batch normalization.
        batch_norm_epsilon: float.
        batch_norm_debias: bool, whether moving statistics are corrected for their
            initial values, see `ConditionalBatchNorm`. Official: no.
        cross_replica_batch_norm: bool, whether statistics are taken over all replicas.
        normalize_tables: bool, whether the blocks' tables of gains and biases are
            spectrally normalized: `SpectralConditionalBatchNorm`. Official: no.
        name: name of the model.

    Returns:
        Functional `keras.Model`. Inputs `[z (B, z_dim) float32, labels (B,) int32]`, or
        z alone when unconditional; output images `(B, R, R, image_channels)` float32 in
        [-1, 1].

    Raises:
        BadInput: impossible resolution, attention resolution or sizes.

    Reference: self-attention-gan `generator.py`: `generator_test`
    """
    attention_resolution = _sizes(attention_resolution)
    _check(
        resolution,
        attention_resolution,
        1,
        num_classes,
        {"channels": channels, "z_dim": z_dim, "image_channels": image_channels},
    )
    settings = {
        "spectral_normalization": spectral_norm,
        "power_iterations": power_iterations,
        "stop_gradient": stop_gradient,
        "clamp_sigma": clamp_sigma,
    }
    z = keras.Input((z_dim,), name="z")
    labels = [keras.Input((), dtype="int32", name="labels")] if num_classes else []
    first, *widths = (channels * width for width in GENERATOR_WIDTHS[resolution])
    linear = keras.layers.Dense(
        4 * 4 * first, kernel_initializer=_initializer(initializer), name="linear"
    )
    x = normalized(linear, **settings)(z)
    x = keras.layers.Reshape((4, 4, first), name="reshape")(x)
    size = 4
    for width in widths:
        size *= 2
        x = GeneratorBlock(
            width,
            num_classes or None,
            momentum=batch_norm_momentum,
            epsilon=batch_norm_epsilon,
            debias=batch_norm_debias,
            synchronized=cross_replica_batch_norm,
            normalize_tables=normalize_tables,
            name=f"block_{size}x{size}",
            **_arguments(settings, initializer),
        )(x, *labels)
        if size in attention_resolution:
            arguments = _arguments(settings, initializer)
            x = _attention(size, attention_variant, attention_chunk_size, arguments)(x)
    # The official code asks for an epsilon of 1e-5, which TensorFlow 1's fused batch
    # normalization raises to 1.001e-5. This layer does too, to give the same numbers.
    x = ConditionalBatchNorm(
        momentum=final_batch_norm_momentum,
        epsilon=max(batch_norm_epsilon, 1.001e-5),
        synchronized=cross_replica_batch_norm,
        debias=batch_norm_debias,
        unbiased_moving_variance=True,
        name="batch_norm",
    )(x)
    x = keras.layers.ReLU(name="relu")(x)
    convolution = keras.layers.Conv2D(
        image_channels,
        3,
        padding="same",
        data_format="channels_last",
        kernel_initializer=_initializer(initializer),
        dtype=_full_precision(),
        name="image_convolution",
    )
    x = normalized(convolution, **settings)(x)
    images = keras.layers.Activation("tanh", dtype=_full_precision(), name="tanh")(x)
    return keras.Model([z, *labels] if labels else z, images, name=name)


def build_discriminator(
    resolution=128,
    num_classes=1000,
    channels=64,
    image_channels=3,
    attention_resolution=(32,),
    attention_variant="official",
    attention_chunk_size=None,
    spectral_norm=True,
    power_iterations=1,
    stop_gradient=False,
    clamp_sigma=False,
    initializer="glorot_uniform",
    head="projection",
    name="discriminator",
):
    """Builds the discriminator.

    Its layers: residual blocks, attention after the first block whose output has a
    resolution in `attention_resolution`, ReLU, sum over locations, `ProjectionHead`
    (both in float32, even under mixed precision). Keras' global dtype policy applies.

    Args:
        attention_resolution: int or ints among 8, 16, ... resolution / 2; `()` for
            none. Official: `(32,)`.
        head: `"projection"` (official), or `"auxiliary_classifier"` for AC-GAN.
        name: name of the model. For all other arguments see `build_generator`.

    Returns:
        Functional `keras.Model`. Inputs `[images (B, R, R, image_channels) float32 in
        [-1, 1], labels (B,) int32]`, or images alone when unconditional or with an
        auxiliary classifier; output logits `(B, 1)` float32, or with an auxiliary
        classifier `(B, 1 + num_classes)`, the logit before the class logits.

    Raises:
        BadInput: impossible resolution, attention resolution or sizes; unknown head.

    Reference: self-attention-gan `discriminator.py`: `discriminator_test`
    """
    attention_resolution = _sizes(attention_resolution)
    _check(
        resolution,
        attention_resolution,
        2,
        num_classes,
        {"channels": channels, "image_channels": image_channels},
    )
    settings = {
        "spectral_normalization": spectral_norm,
        "power_iterations": power_iterations,
        "stop_gradient": stop_gradient,
        "clamp_sigma": clamp_sigma,
    }
    images = keras.Input((resolution, resolution, image_channels), name="images")
    takes_labels = num_classes and head == "projection"
    labels = [keras.Input((), dtype="int32", name="labels")] if takes_labels else []
    x, size = images, resolution
    for index, (width, downsample) in enumerate(DISCRIMINATOR_BLOCKS[resolution]):
        size //= 2 if downsample else 1
        options = {"name": f"block_{index + 1}", **_arguments(settings, initializer)}
        if index == 0:
            x = DiscriminatorOptimizedBlock(channels * width, **options)(x)
        else:
            x = DiscriminatorBlock(channels * width, downsample, **options)(x)
        if downsample and size in attention_resolution:
            arguments = _arguments(settings, initializer)
            x = _attention(size, attention_variant, attention_chunk_size, arguments)(x)
    x = keras.layers.ReLU(name="relu")(x)
    features = ops.sum(ops.cast(x, _full_precision()), axis=(1, 2))
    arguments = _arguments(settings, initializer)
    logits = _head(head, num_classes, arguments)(features, *labels)
    return keras.Model([images, *labels] if labels else images, logits, name=name)


def _head(kind, num_classes, arguments):
    options = {"dtype": _full_precision(), **arguments}
    if kind == "projection":
        return ProjectionHead(num_classes or None, name="projection_head", **options)
    if kind == "auxiliary_classifier":
        return AuxiliaryClassifierHead(
            num_classes, name="auxiliary_classifier_head", **options
        )
    raise BadInput(
        f"head must be projection or auxiliary_classifier. Received: {kind!r}."
    )

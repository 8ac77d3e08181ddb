"""Floating-point operations of networks and training steps, by formula.

The formula counts *products* only, at 2 FLOPs per multiply-add: convolutions, dense
layers and attention's two products. It leaves out normalization, activations, pooling
and Adam, together about 1 % of the official training step. It describes the official
code (the generator's shortcuts convolve after the upsampling, the discriminator's
before the pooling), so it stays the same yardstick when our layers compute less.
`counted_flops` counts what a traced function executes.
"""

import dataclasses
import math

import keras

from sagan_tf import layers
from sagan_tf.errors import BadInput


@dataclasses.dataclass(frozen=True)
class Product:
    """One product of a forward pass, for one image.

    Attributes:
        flops: int.
        values: int, numbers that are read and written, without those of the kernel and
            of an attention map, which fused code need not write.
        kernel: shape of the weights; `()` for a product of two intermediate results.
        size: int, height of the map that a convolution is applied to; 1 without a map.
        on_input: bool, whether the product is applied to the network's input.
    """

    flops: int
    values: int
    kernel: tuple[int, ...]
    size: int = 1
    on_input: bool = False

    def gradients(self, weights=True, to_input=False):
        """Returns the number of products of this size in the gradient: int.

        `weights` and `to_input` say whether the weights and the network's input need a
        gradient.
        """
        if not self.kernel:
            return 2
        return int(weights) + int(to_input or not self.on_input)


def products(network):
    """Returns the products of one image's forward pass: list of `Product`.

    Args:
        network: functional `keras.Model` of this package's layers, `Dense` and
            `Conv2D` of stride 1.

    Raises:
        BadInput: another kind of layer has weights.
    """
    inputs = {id(tensor) for tensor in network.inputs}
    everything = []
    for layer in network.layers:
        if not isinstance(layer, keras.layers.InputLayer):
            tensor = keras.tree.flatten(layer.input)[0]
            everything += _products_of(layer, tensor.shape, id(tensor) in inputs)
    return everything


def forward_flops(network):
    """Returns the FLOPs of one image's forward pass: int. Errors: see `products`."""
    return sum(product.flops for product in products(network))


def step_products(generator, discriminator, discriminator_steps=1):
    """Returns what one training step computes for each image of the batch.

    The gradient into a layer's input costs as much as its forward pass, and so does the
    gradient of its weights. A product of two results, as in attention, takes two such
    gradients. G and D are the forward passes, first_G and first_D their products that
    are applied to z and to images, and n is the number of discriminator steps:

        generator step       G + (2 G - first_G) + D + D's input gradients
        discriminator steps  n (G + 2 (3 D - first_D))

    Together this is about (3 + n) G + (2 + 6 n) D. The generator's step needs
    no gradients of D's weights. A discriminator's step takes real and fake images, and
    no gradients of G.

    Args:
        generator, discriminator: functional `keras.Model`.
        discriminator_steps: int, n.

    Returns:
        Two lists of (`Product`, times): the generator's step and the discriminator's.
    """
    of_generator, of_discriminator = products(generator), products(discriminator)
    generator_step = [(p, 1 + p.gradients()) for p in of_generator]
    generator_step += [
        (p, 1 + p.gradients(weights=False, to_input=True)) for p in of_discriminator
    ]
    discriminator_step = [(p, discriminator_steps) for p in of_generator]
    discriminator_step += [
        (p, 2 * discriminator_steps * (1 + p.gradients())) for p in of_discriminator
    ]
    return generator_step, discriminator_step


def training_step_flops(
    generator,
    discriminator,
    batch_size,
    discriminator_steps=1,
    gradient_accumulation_steps=1,
):
    """Calculates the FLOPs of one training step by the formula of `step_products`.

    Args:
        generator, discriminator: functional `keras.Model`.
        batch_size: int, images of one update.
        discriminator_steps: int, see `SAGAN`.
        gradient_accumulation_steps: int, see `SAGAN`. Spectral normalization is
            computed this often. (Each replica computes it: multiply by their number.)

    Returns:
        Dict of "generator_step", "discriminator_step" and "spectral_norm" to int.
    """
    steps = step_products(generator, discriminator, discriminator_steps)
    of_generator, of_discriminator = (
        batch_size * sum(product.flops * times for product, times in pairs)
        for pairs in steps
    )
    g_forward, g_gradient = power_iteration_flops(generator)
    d_forward, d_gradient = power_iteration_flops(discriminator)
    one_pass = g_forward + g_gradient + d_forward
    one_pass += discriminator_steps * (g_forward + d_forward + d_gradient)
    return {
        "generator_step": of_generator,
        "discriminator_step": of_discriminator,
        "spectral_norm": gradient_accumulation_steps * one_pass,
    }


def power_iteration_flops(network):
    """Returns the FLOPs of spectral normalization in one pass, for any batch size.

    For a weight of N values, an iteration takes two products, `u M^T` and `v M`: 4 N.
    The gradient takes 6 N for the first iteration (u is a constant there) and 8 N for
    each further one; with `stop_gradient` it takes 2 N in all.

    Args:
        network: `keras.Model`.

    Returns:
        FLOPs of the forward pass and FLOPs of the gradient: two ints.
    """
    forward = gradient = 0
    for layer in network._flatten_layers():
        if isinstance(layer, layers.SpectralNormalization):
            size = math.prod(layer.weight.shape)
            forward += 4 * size * layer.power_iterations
            through_iterations = 6 + 8 * (layer.power_iterations - 1)
            gradient += (2 if layer.stop_gradient else through_iterations) * size
    return forward, gradient


def _products_of(layer, shape, on_input):
    """The products of one layer with an input of this shape: list."""
    plain = layer.layer if isinstance(layer, layers.SpectralNormalization) else layer
    height, width = shape[1:3] if len(shape) == 4 else (1, 1)
    if isinstance(plain, keras.layers.Dense):
        return [_dense(_kernel(layer), on_input)]
    if isinstance(plain, keras.layers.Conv2D) and plain.strides == (1, 1):
        return [_convolution(layer, *layer.output.shape[1:3], on_input)]
    if isinstance(layer, layers.GeneratorBlock):
        return _block(layer, 2 * height, 2 * width, on_input)
    if isinstance(layer, layers.DiscriminatorBlock):
        return _block(layer, height, width, on_input)
    if isinstance(layer, layers.DiscriminatorOptimizedBlock):
        return _block(layer, height, width, on_input, shortcut_scale=2)
    if isinstance(layer, layers.SelfAttention):
        return _attention(layer, height, width, on_input)
    if isinstance(layer, layers.ProjectionHead):
        linear = _dense((shape[-1], 1), on_input)
        return [linear] if layer.num_classes is None else [linear, linear]
    if isinstance(layer, layers.AuxiliaryClassifierHead):
        kernels = _kernel(layer.linear), _kernel(layer.classifier)
        return [_dense(kernel, on_input) for kernel in kernels]
    if isinstance(layer, layers.ResidualBottleneck):
        return [
            _convolution(layer.convolution_1, height, width, on_input),
            _convolution(layer.convolution_2, height, width),
            _convolution(layer.convolution_3, height, width),
        ]
    if layer.trainable_variables and not isinstance(layer, layers.ConditionalBatchNorm):
        raise BadInput(
            "The formulas are for this package's layers, Dense and Conv2D (stride 1). "
            f"Received: {layer.name}, a {type(layer).__name__}. Try counted_flops on a "
            "traced function."
        )
    return []


def _block(layer, height, width, on_input, shortcut_scale=1):
    everything = [
        _convolution(layer.convolution_1, height, width, on_input),
        _convolution(layer.convolution_2, height, width),
    ]
    if layer.shortcut is not None:
        height, width = height // shortcut_scale, width // shortcut_scale
        everything.append(_convolution(layer.shortcut, height, width, on_input))
    return everything


def _attention(layer, height, width, on_input):
    queries, keys = layer.map_size(height, width)
    everything = [
        _convolution(convolution, height, width, on_input)
        for convolution in (layer.query, layer.key, layer.value)
    ]
    # The attention map from queries and keys; then its product with the values.
    for channels in (_kernel(layer.key)[-1], _kernel(layer.value)[-1]):
        flops, values = 2 * queries * keys * channels, (queries + keys) * channels
        everything.append(Product(flops, values, ()))
    if layer.output_convolution is not None:
        everything.append(_convolution(layer.output_convolution, height, width))
    return everything


def _dense(kernel, on_input):
    return Product(2 * math.prod(kernel), sum(kernel), kernel, on_input=on_input)


def _convolution(layer, height, width, on_input=False):
    kernel = _kernel(layer)
    flops = 2 * height * width * math.prod(kernel)
    values = height * width * (kernel[-2] + kernel[-1])
    return Product(flops, values, kernel, height, on_input)


def _kernel(layer):
    plain = layer.layer if isinstance(layer, layers.SpectralNormalization) else layer
    return tuple(plain.kernel.shape)

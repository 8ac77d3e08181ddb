"""Floating-point operations: of networks and steps by formula, of functions as counted.

By formula, *products* count alone: convolutions, dense layers, the products of queries
and keys and of beta and values, at 2 FLOPs a multiply-add. Normalisation, activations,
pooling and Adam are left out: together they are about 1 % of the official training
step. The formula is about the architecture as the official code has it (shortcuts of
the generator convolve after the upsampling, those of the discriminator before the
pooling), whatever the layers really do: it is the yardstick that stays. What a traced
function executes is what `counted_flops` says.
"""

import collections
import dataclasses
import logging
import math

import keras
import tensorflow as tf

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
    SpectralNormalization,
)

# TensorFlow's operations that do what the formula counts.
PRODUCT_OPERATIONS = (
    *("Conv2D", "Conv2DBackpropInput", "Conv2DBackpropFilter"),
    *("MatMul", "BatchMatMulV2", "BatchMatMulV3"),
)


@dataclasses.dataclass(frozen=True)
class Product:
    """One product of a forward pass, for one image.

    Attributes:
        name: str, layer and part.
        flops: int.
        values: int, numbers that are read and written, without the kernel's and without
            an attention map, which fused code need not write.
        kernel: shape of the weights; `()` for a product of two intermediate results.
        size: int, side of the map on which a convolution stands; 1 without a map.
        on_input: bool, whether it is applied to the network's input.
    """

    name: str
    flops: int
    values: int
    kernel: tuple[int, ...]
    size: int = 1
    on_input: bool = False

    def gradients(self, weights=True, to_input=False):
        """How many products of this size the gradient takes.

        Args:
            weights: bool, whether the weights' gradient is wanted.
            to_input: bool, whether the gradient goes on into the network's input.
        """
        if not self.kernel:
            return 2
        return int(weights) + int(to_input or not self.on_input)


def products(network):
    """The products of one image's forward pass through a network.

    Args:
        network: functional `keras.Model` of this package's layers, `Dense` and
            `Conv2D` of stride 1.

    Returns:
        List of `Product`.

    Raises:
        BadInput: a layer with weights is of another kind.
    """
    inputs = {id(tensor) for tensor in network.inputs}
    found = []
    for layer in network.layers:
        if isinstance(layer, keras.layers.InputLayer):
            continue
        tensors = tf.nest.flatten(layer.input)
        on_input = id(tensors[0]) in inputs
        for part, product in _of_layer(layer, tensors[0].shape):
            # In a block the second convolution stands on the result of the first.
            inner = part in ("convolution_2", "convolution_3", "output")
            found.append(
                dataclasses.replace(
                    product,
                    name=f"{layer.name}/{part}",
                    on_input=on_input and not inner,
                )
            )
    return found


def forward_flops(network):
    """FLOPs of one image's forward pass: int. See `products` for errors."""
    return sum(product.flops for product in products(network))


def step_products(generator, discriminator, discriminator_steps=1):
    """What one training step computes for each image of the batch.

    With G and D a forward pass of one image (the gradient into a layer's input and the
    gradient of its weights each cost as much as its forward pass; those of a product
    of two results, as in attention, twice), n discriminator steps, and first_G,
    first_D what is applied to z and to the images:

        generator step       G + (2 G - first_G) + D + D's input gradients
        discriminator steps  n (G + 2 (3 D - first_D))

    about (3 + n) G + (2 + 6 n) D: the generator's step needs no gradient of D's
    weights, the discriminator's sees real and fake images and none of G's gradients.

    Args:
        generator, discriminator: functional `keras.Model`.
        discriminator_steps: int, n.

    Returns:
        Two lists of (`Product`, times): of the generator's step and of the
        discriminator's.
    """
    of_generator, of_discriminator = products(generator), products(discriminator)
    in_generator_step = [(each, 1 + each.gradients()) for each in of_generator]
    in_generator_step += [
        (each, 1 + each.gradients(weights=False, to_input=True))
        for each in of_discriminator
    ]
    in_discriminator_step = [(each, discriminator_steps) for each in of_generator]
    in_discriminator_step += [
        (each, 2 * discriminator_steps * (1 + each.gradients()))
        for each in of_discriminator
    ]
    return in_generator_step, in_discriminator_step


def training_step_flops(
    generator,
    discriminator,
    batch_size,
    discriminator_steps=1,
    gradient_accumulation_steps=1,
):
    """FLOPs of one training step, by the formula of `step_products`.

    Args:
        generator, discriminator: functional `keras.Model`.
        batch_size: int, images of one update.
        discriminator_steps: int, see `SAGAN`.
        gradient_accumulation_steps: int, see `SAGAN`: changes only how often spectral
            normalisation is computed. (Every replica computes it, too: multiply.)

    Returns:
        Dict of "generator_step", "discriminator_step" and "spectral_norm" to int.
    """
    of_generator, of_discriminator = step_products(
        generator, discriminator, discriminator_steps
    )
    normalizing = [power_iteration_flops(n) for n in (generator, discriminator)]
    (g_forward, g_gradient), (d_forward, d_gradient) = normalizing
    one_pass = g_forward + g_gradient + d_forward
    one_pass += discriminator_steps * (g_forward + d_forward + d_gradient)
    return {
        "generator_step": batch_size * sum(p.flops * n for p, n in of_generator),
        "discriminator_step": batch_size
        * sum(p.flops * n for p, n in of_discriminator),
        "spectral_norm": gradient_accumulation_steps * one_pass,
    }


def power_iteration_flops(network):
    """FLOPs of spectral normalisation for one pass of a network, of any batch size.

    An iteration of a weight of N values is two products, `u M^T` and `v M`: 4 N. Their
    gradients are 6 N for the first iteration (u is a constant there), 8 N for each
    further one; 2 N in all with `stop_gradient`.

    Args:
        network: `keras.Model`.

    Returns:
        FLOPs of the forward pass and FLOPs of the gradient: two ints.
    """
    forward = gradient = 0
    for layer in network._flatten_layers():
        if isinstance(layer, SpectralNormalization):
            size = math.prod(layer.weight.shape)
            forward += 4 * size * layer.power_iterations
            once = 6 + 8 * (layer.power_iterations - 1)
            gradient += (2 if layer.stop_gradient else once) * size
    return forward, gradient


def traced_step(model, batch_size, jit_compile=False):
    """Traces a training step; runs nothing.

    Args:
        model: compiled `SAGAN`.
        batch_size: int, images of one discriminator step.
        jit_compile: bool, whether XLA shall compile it when it is called.

    Returns:
        `tf.types.experimental.ConcreteFunction` of images float32 (and labels int32),
        `discriminator_steps` batches of them.
    """
    count = batch_size * model.discriminator_steps
    shape = model.discriminator.inputs[0].shape
    data = [tf.TensorSpec((count, *shape[1:]), tf.float32)]
    if model.num_classes is not None:
        data.append(tf.TensorSpec((count,), tf.int32))
    step = tf.function(lambda *batch: model.train_step(batch), jit_compile=jit_compile)
    return step.get_concrete_function(*data)


def counted_flops(function):
    """FLOPs of a traced function, as TensorFlow's own profiler counts them.

    Operations that nothing needs are left out: TensorFlow does not run them. (The
    gradient of a convolution always writes down both gradients, wanted or not.)

    Args:
        function: `tf.types.experimental.ConcreteFunction`, of known shapes.

    Returns:
        Dict of operation type to FLOPs; and the set of types of operations that
        contain other operations (loops, branches), into which the profiler does not
        see.
    """
    graph = function.graph
    executed = _executed(graph)
    counted = collections.Counter()
    todo = [_profile(graph)]
    while todo:
        node = todo.pop()
        todo += node.children
        if node.float_ops and node.name in executed:
            operation = executed[node.name]
            counted[operation.type] += _batch_product(operation) or node.float_ops
    opaque = {
        operation.type
        for operation in executed.values()
        if any(attribute.HasField("func") for attribute in _attributes(operation))
    }
    return dict(counted), opaque


def product_flops(counted):
    """The part of `counted_flops` that the formulas count, too: int."""
    return sum(counted.get(name, 0) for name in PRODUCT_OPERATIONS)


def step_count(model, batch_size):
    """FLOPs of the products of a training step, as TensorFlow counts them.

    Args:
        model, batch_size: see `traced_step`.

    Returns:
        int; `None` if the step has loops or branches, whose inside is not counted.
    """
    counted, opaque = counted_flops(traced_step(model, batch_size))
    return None if opaque else product_flops(counted)


def _of_layer(layer, shape):
    """Pairs of (part, `Product`) of one layer with an input of this shape."""
    plain = layer.layer if isinstance(layer, SpectralNormalization) else layer
    if isinstance(plain, keras.layers.Dense):
        return [("kernel", _dense(tuple(plain.kernel.shape)))]
    if isinstance(plain, keras.layers.Conv2D) and plain.strides == (1, 1):
        return [("kernel", _convolution(plain, *layer.output.shape[1:3]))]
    if isinstance(layer, GeneratorBlock):
        return _block(layer, 2 * shape[1], 2 * shape[2])
    if isinstance(layer, DiscriminatorBlock):
        return _block(layer, *shape[1:3])
    if isinstance(layer, DiscriminatorOptimizedBlock):
        return _block(layer, *shape[1:3], shortcut_scale=2)
    if isinstance(layer, SelfAttention):
        return _attention(layer, *shape[1:3])
    if isinstance(layer, ProjectionHead):
        names = ["linear"] + ["embedding"] * (layer.num_classes is not None)
        return [(name, _dense((shape[-1], 1))) for name in names]
    if isinstance(layer, AuxiliaryClassifierHead):
        parts = ("linear", "classifier")
        return [(name, _dense(_kernel(getattr(layer, name)))) for name in parts]
    if isinstance(layer, ResidualBottleneck):
        names = ("convolution_1", "convolution_2", "convolution_3")
        return [
            (name, _convolution(getattr(layer, name), *shape[1:3])) for name in names
        ]
    if layer.trainable_variables and not isinstance(layer, ConditionalBatchNorm):
        raise BadInput(
            "The FLOPs of this package's layers, Dense and Conv2D (stride 1) are "
            f"known. Received: {layer.name}, a {type(layer).__name__}. Try "
            "counted_flops on a traced function."
        )
    return []


def _block(layer, height, width, shortcut_scale=1):
    parts = [
        (name, _convolution(getattr(layer, name), height, width))
        for name in ("convolution_1", "convolution_2")
    ]
    if layer.shortcut is not None:
        height, width = height // shortcut_scale, width // shortcut_scale
        parts.append(("shortcut", _convolution(layer.shortcut, height, width)))
    return parts


def _attention(layer, height, width):
    locations = height * width
    _, keys = layer.map_size(height, width)
    narrow, wide = _kernel(layer.key)[-1], _kernel(layer.value)[-1]
    parts = [
        (name, _convolution(getattr(layer, name), height, width))
        for name in ("query", "key", "value")
    ]
    for name, channels in (("scores", narrow), ("values", wide)):
        flops = 2 * locations * keys * channels
        values = (locations + keys) * channels
        parts.append((name, Product(name, flops, values, ())))
    if layer.output_convolution is not None:
        convolution = _convolution(layer.output_convolution, height, width)
        parts.append(("output", convolution))
    return parts


def _dense(kernel):
    return Product("", 2 * math.prod(kernel), sum(kernel), kernel)


def _convolution(layer, height, width):
    kernel = _kernel(layer)
    flops = 2 * height * width * math.prod(kernel)
    values = height * width * (kernel[-2] + kernel[-1])
    return Product("", flops, values, kernel, size=height)


def _kernel(layer):
    plain = layer.layer if isinstance(layer, SpectralNormalization) else layer
    return tuple(plain.kernel.shape)


def _executed(graph):
    """The operations of a function that its results or side effects need, by name."""
    todo = [tensor.op for tensor in graph.outputs] + list(graph.control_outputs)
    executed = {}
    while todo:
        operation = todo.pop()
        if operation.name not in executed:
            executed[operation.name] = operation
            todo += [tensor.op for tensor in operation.inputs]
            todo += operation.control_inputs
    return executed


def _batch_product(operation):
    """FLOPs of a batched product: the profiler overlooks that a factor is transposed.

    It looks for `transpose_a`, which these operations call `adj_x`.
    """
    if not operation.type.startswith("BatchMatMul"):
        return 0
    left = operation.inputs[0].shape
    inner = left[-2] if operation.get_attr("adj_x") else left[-1]
    return 2 * operation.outputs[0].shape.num_elements() * inner


def _profile(graph):
    """The profiler's tree of nodes. It calls functions that TensorFlow 1 had."""
    builder = tf.compat.v1.profiler.ProfileOptionBuilder
    options = builder(builder.float_operation()).with_empty_output().build()
    logger = tf.get_logger()
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        return tf.compat.v1.profiler.profile(graph, cmd="scope", options=options)
    finally:
        logger.setLevel(level)


def _attributes(operation):
    return operation.node_def.attr.values()

"""Counts the FLOPs of traced functions with TensorFlow's own profiler."""

import collections

import tensorflow as tf

from sagan_tf.progress import without_notices

# The formulas also calculate the FLOPs of these operations and their gradients.
_PRODUCTS = ("Conv2D", "MatMul", "BatchMatMul")


def traced_step(model, batch_size, jit_compile=False):
    """Traces a training step without running it.

    Args:
        model: compiled `SAGAN`.
        batch_size: int, images of one discriminator step.
        jit_compile: bool, whether XLA compiles the step when it is called.

    Returns:
        `tf.types.experimental.ConcreteFunction` of float32 images (and int32 labels),
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
    """Counts the FLOPs of a traced function by operation.

    Operations without any use are left out, because TensorFlow does not run them.
    (The gradient of a convolution always contains both gradients.)

    Args:
        function: `tf.types.experimental.ConcreteFunction`, of known shapes.

    Returns:
        Dict of operation type to FLOPs, and the set of operation types that contain
        other operations (loops, branches), whose content is not counted.
    """
    executed = _executed(function.graph)
    counted = collections.Counter()
    nodes = [_profile(function.graph)]
    while nodes:
        node = nodes.pop()
        nodes += node.children
        if node.float_ops and node.name in executed:
            operation = executed[node.name]
            counted[operation.type] += _batch_product(operation) or node.float_ops
    opaque = {
        operation.type
        for operation in executed.values()
        if any(value.HasField("func") for value in operation.node_def.attr.values())
    }
    return dict(counted), opaque


def product_flops(counted):
    """Sums the FLOPs of `counted_flops` that the formulas also calculate: int."""
    return sum(flops for name, flops in counted.items() if name.startswith(_PRODUCTS))


def step_count(model, batch_size):
    """Counts the FLOPs of a step's products: int, `None` with loops or branches.

    Args:
        model, batch_size: see `traced_step`.
    """
    counted, opaque = counted_flops(traced_step(model, batch_size))
    return None if opaque else product_flops(counted)


def _executed(graph):
    """The operations that a function's results or side effects need, by name."""
    waiting = [tensor.op for tensor in graph.outputs] + list(graph.control_outputs)
    executed = {}
    while waiting:
        operation = waiting.pop()
        if operation.name not in executed:
            executed[operation.name] = operation
            waiting += [tensor.op for tensor in operation.inputs]
            waiting += operation.control_inputs
    return executed


def _batch_product(operation):
    """Returns the FLOPs of a batched product, 0 for other operations.

    The profiler overlooks transposed factors here: it looks for the attribute
    `transpose_a`, but these operations call it `adj_x`.
    """
    if not operation.type.startswith("BatchMatMul"):
        return 0
    left = operation.inputs[0].shape
    inner = left[-2] if operation.get_attr("adj_x") else left[-1]
    return 2 * operation.outputs[0].shape.num_elements() * inner


def _profile(graph):
    """The root of the profiler's tree, without its warnings about TensorFlow 1."""
    builder = tf.compat.v1.profiler.ProfileOptionBuilder
    options = builder(builder.float_operation()).with_empty_output().build()
    with without_notices():
        return tf.compat.v1.profiler.profile(graph, cmd="scope", options=options)

"""Tables of a network's layers and of the memory that training needs."""

import math

import tensorflow as tf

from sagan_tf.layers import SelfAttention

# Operations whose output shares its input's memory.
_WITHOUT_MEMORY = ("ExpandDims", "Identity", "Reshape", "Squeeze", "StopGradient")


def network_table(network):
    """Returns a table of the output and the trainable parameters of each layer."""
    lines = [f"{network.name.capitalize():<24}{'output':<20}{'parameters':>14}"]
    for layer in network.layers:
        count = count_values(layer.trainable_variables)
        shape = " x ".join(str(size) for size in layer.output.shape[1:]) or "-"
        lines.append(f"  {layer.name:<22}{shape:<20}{count:>14,}")
    total = count_values(network.trainable_variables)
    lines.append(f"  {'in all':<42}{total:>14,}")
    return "\n".join(lines)


def count_values(variables):
    """Returns the number of values in a list of variables."""
    return sum(math.prod(variable.shape) for variable in variables)


def memory_estimate(generator, discriminator, batch_size, has_ema):
    """Estimates the memory that a training step needs on each device.

    weights     : every variable of both networks, and of the moving average
    optimizers  : two values per trainable parameter (Adam)
    gradients   : one value per trainable parameter of the larger network
    activations : max(G(B) + D(B), D(2 B)), B the images of one pass: the generator's
                  step keeps the results of both networks, the discriminator's step
                  those of D for real and fake images. G(B) and D(B) count every result
                  that depends on the batch. TensorFlow frees some of them earlier, but
                  needs working space for convolutions.

    Args:
        generator, discriminator: functional `keras.Model`.
        batch_size: int, B on one replica.
        has_ema: bool, whether there is a moving average of the generator.

    Returns:
        Dict of these names to bytes.
    """
    networks = (generator, discriminator)
    all_values = [count_values(network.variables) for network in networks]
    trained = [count_values(network.trainable_variables) for network in networks]
    generator_bytes, discriminator_bytes = (activation_bytes(n) for n in networks)
    return {
        "weights": 4 * (sum(all_values) + has_ema * all_values[0]),
        "optimizers": 4 * 2 * sum(trained),
        "gradients": 4 * max(trained),
        "activations": batch_size
        * max(generator_bytes + discriminator_bytes, 2 * discriminator_bytes),
    }


def activation_bytes(network):
    """Returns the bytes of all intermediate results for one image in training."""
    inputs = [
        tf.TensorSpec((None, *each.shape[1:]), each.dtype) for each in network.inputs
    ]

    @tf.function
    def forward(*tensors):
        return network(list(tensors) if len(tensors) > 1 else tensors[0], training=True)

    total = 0
    for operation in forward.get_concrete_function(*inputs).graph.get_operations():
        if operation.type in _WITHOUT_MEMORY:
            continue
        for output in operation.outputs:
            shape = output.shape
            # Only results that depend on the batch have an unknown first dimension.
            if shape.rank and shape[0] is None and shape[1:].is_fully_defined():
                total += math.prod(shape[1:]) * output.dtype.size
    return total


def attention_maps(network):
    """Returns the sizes of the attention maps (beta) of a network.

    Args:
        network: functional `keras.Model`.

    Returns:
        List of (layer name, queries, keys, queries in a chunk or `None` for all). A map
        of one image has queries x keys float32 values. A training step holds four such
        maps at the same time.
    """
    maps = []
    for layer in network.layers:
        if isinstance(layer, SelfAttention):
            _, height, width, _ = layer.output.shape
            chunk_size = layer.chunk_size_for(height, width)
            maps.append((layer.name, *layer.map_size(height, width), chunk_size))
    return maps


def memory_table(estimate):
    """Returns a `memory_estimate` as text."""
    parts = {**estimate, "in all": sum(estimate.values())}
    lines = [f"  {name:<42}{size / 2**20:>10,.0f} MiB" for name, size in parts.items()]
    return "\n".join(["Memory on each device (estimate)", *lines])

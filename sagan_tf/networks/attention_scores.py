"""The attention maps of a network, in addition to its output."""

import dataclasses

import keras
import numpy as np
from keras import ops

from sagan_tf.errors import BadInput
from sagan_tf.layers import SelfAttention


@dataclasses.dataclass(frozen=True)
class AttentionMap:
    """What one attention layer looks at in one image.

    Attributes:
        network, layer: str, their names.
        gamma: float, the factor of the attention output in eq. 3.
        scores: beta of eq. 1, `(H, W, K, L)` float32 array, see
            `with_attention_scores`.
    """

    network: str
    layer: str
    gamma: float
    scores: np.ndarray

    @property
    def has_effect(self):
        """Whether the layer changes its input. It does not while gamma is 0."""
        return self.gamma != 0


def attention_layers(network):
    """Returns the `SelfAttention` layers of a network, from its input to its output."""
    return [layer for layer in network.layers if isinstance(layer, SelfAttention)]


def with_attention_scores(network):
    """Returns a model with the same weights that also returns its attention maps.

    Args:
        network: functional `keras.Model` from `build_generator`, `build_discriminator`
            or `fold_generator`. It is not changed.

    Returns:
        Functional `keras.Model` with the network's inputs, for inference. Its outputs
        are a dict. `"output"` is the network's output. Under the name of each attention
        layer is beta of eq. 1, `(B, H, W, K, L)` float32: the share that the query at
        row H and column W takes from the key at row K and column L. Shares sum to 1
        over the keys. K, L are H, W, or half of them in the official variant, which
        pools keys. A layer computed in parts (`chunk_size`) also gives its whole map.

    Reference: Zhang et al., arXiv 1805.08318, equation 1
    """
    outputs = {"output": network.output}
    for layer in attention_layers(network):
        outputs[layer.name] = _AttentionMap(layer)(layer.input)
    return keras.Model(network.inputs, outputs, name=network.name)


def attention_maps_of(network, inputs):
    """Computes the outputs of a network and its attention maps, image by image.

    Images are computed one at a time, on demand: a map at 64x64 has 16 MiB.

    Args:
        network: see `with_attention_scores`.
        inputs: the network's inputs as arrays or tensors: z or images, or a list of
            these and labels.

    Returns:
        Iterator of (output, maps): the output for one image, float32 array (an image
        `(R, R, C)` of a generator, a logit `(1,)` of a discriminator), and a list of
        `AttentionMap`, from the network's input to its output.

    Raises:
        BadInput: the network has no attention, or takes other inputs.
    """
    layers = attention_layers(network)
    if not layers:
        raise BadInput(
            f"{network.name} has no attention layer to look at. Try a network with an "
            "attention_resolution."
        )
    arrays = list(inputs) if isinstance(inputs, (list, tuple)) else [inputs]
    counts = {len(array) for array in arrays}
    if len(arrays) != len(network.inputs) or len(counts) != 1:
        names = ", ".join(tensor.name for tensor in network.inputs)
        raise BadInput(
            f"{network.name} takes {names}, of the same length. Received: "
            f"{len(arrays)} array(s) of length {sorted(counts)}."
        )
    return _maps_of_each(network, layers, arrays)


def map_shape(layer):
    """Returns height and width of a layer's queries, then of its keys: four ints."""
    return layer.map_shape(*layer.output.shape[1:3])


def _maps_of_each(network, layers, arrays):
    model = with_attention_scores(network)
    gammas = [float(ops.convert_to_numpy(layer.gamma)) for layer in layers]
    for index in range(len(arrays[0])):
        one = [
            ops.convert_to_tensor(array[index : index + 1], tensor.dtype)
            for array, tensor in zip(arrays, network.inputs)
        ]
        outputs = {
            name: ops.convert_to_numpy(values)[0].astype(np.float32, copy=False)
            for name, values in model(one, training=False).items()
        }
        maps = [
            AttentionMap(network.name, layer.name, gamma, outputs[layer.name])
            for layer, gamma in zip(layers, gammas)
        ]
        yield outputs["output"], maps


class _AttentionMap(keras.layers.Layer):
    """Beta alone: in a functional model, all calls of a layer have the same outputs."""

    def __init__(self, attention):
        super().__init__(name=f"{attention.name}_map", dtype="float32")
        self.attention = attention
        self.map_shape = map_shape(attention)

    def call(self, inputs):
        _, scores = self.attention(inputs, return_attention_scores=True, training=False)
        return ops.reshape(scores, (-1, *self.map_shape))

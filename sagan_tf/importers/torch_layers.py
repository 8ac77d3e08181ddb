"""The layers of a PyTorch network and where the values of ours come from.

A layer is known by the name before its tensors: `blocks.0.0.conv1` of
`blocks.0.0.conv1.weight`. The names after it show its style of spectral normalization,
see `sigma.py`. BigGAN-PyTorch's `sv0` is the last sigma, for its log.
"""

import dataclasses
from collections.abc import Callable

import numpy as np

from sagan_tf.errors import BadInput
from sagan_tf.importers.sigma import ITERATED, PLAIN, STORED
from sagan_tf.importers.translation import Weight


def _same(values):
    return values


def _convolution(weight):
    # PyTorch's kernels are (c_out, c_in, kh, kw), Keras' (kh, kw, c_in, c_out).
    return np.transpose(weight, (2, 3, 1, 0))


def _map_last(outputs):
    """Outputs (C * 4 * 4, ...), channels first, as (4 * 4 * C, ...)."""
    maps = np.reshape(outputs, (-1, 4, 4, *np.shape(outputs)[1:]))
    return np.moveaxis(maps, 0, 2).reshape(np.shape(outputs))


@dataclasses.dataclass(frozen=True)
class Layout:
    """How the values of a kind of layer are arranged here.

    Args:
        weight: function of PyTorch's weight, first axis the outputs, that returns ours.
        outputs: function of an array, first axis the outputs, that puts them in our
            order.
    """

    weight: Callable
    outputs: Callable = _same


CONVOLUTION = Layout(_convolution)
LINEAR = Layout(np.transpose)
# Classes are an embedding's outputs: u has a value for each.
EMBEDDING = Layout(_same)
# The generator's first layer, whose outputs become a 4x4 map.
LINEAR_TO_MAP = Layout(lambda weight: _map_last(weight).T, _map_last)
# Of networks that draw blue, green, red: the last convolution, and the first ones.
TO_BGR = Layout(
    lambda weight: _convolution(weight)[..., ::-1], lambda outputs: outputs[::-1]
)
FROM_BGR = Layout(lambda weight: _convolution(weight)[:, :, ::-1])


@dataclasses.dataclass(frozen=True)
class Layer:
    """A convolution, linear layer or embedding of a PyTorch network.

    Args:
        source: str, the name before its tensors.
        layout: `Layout`.
    """

    source: str
    layout: Layout = CONVOLUTION

    def style(self, tensors):
        """The `Style` that the names of its tensors show."""
        for style in (STORED, ITERATED):
            vectors = [part for part in style.tensors if part != "weight"]
            if any(f"{self.source}.{part}" in tensors for part in vectors):
                return style
        return PLAIN

    def names(self, tensors):
        """Names of the weight and the vectors of its spectral normalization: tuple."""
        return tuple(f"{self.source}.{part}" for part in self.style(tensors).tensors)

    def is_there(self, tensors):
        """Whether the checkpoint has this layer."""
        return any(name in tensors for name in self.names(tensors))

    def effective(self, tensors, plus=0):
        """`Weight` of what the layer multiplies with at inference: W / sigma + plus."""
        style = self.style(tensors)

        def convert(*arrays):
            return self.layout.weight(style.effective(*arrays)) + plus

        return Weight(self.names(tensors), convert)

    def our_u(self, tensors):
        """Our `u`: `(1, outputs)` array, or `None` if there is none."""
        arrays = [tensors[name] for name in self.names(tensors)]
        u = self.style(tensors).our_u(*arrays)
        return None if u is None else self.layout.outputs(np.ravel(u))[None]


class Layers:
    """The layers of one network, as a function from our variables' names to `Weight`.

    Either all of them are spectrally normalized here or none is. All are if all are in
    the source, and each has a `u` from which our sigma is that of the source.
    Otherwise, the weights are the source's W / sigma.

    Args:
        tensors: dict of name to array.
        layers: dict of the path of our layer, "block_8x8/convolution_1", to `Layer`.
        weights: dict of our variable's name to `Weight`, of all other variables.
        normalized: bool, `False` if there must be no spectral normalization.

    Raises:
        BadInput: a layer has lost its u.
    """

    def __init__(self, tensors, layers, weights, normalized=True):
        self._tensors = tensors
        self._layers = layers
        self.weights = weights
        self._check_iterated()
        self._u = {}
        if normalized:
            self._u = {path: self._find_u(layer) for path, layer in layers.items()}
        self.without_u = [
            layers[path].source for path, u in self._u.items() if u is None
        ]
        self.normalized = normalized and not self.without_u

    @property
    def source_is_normalized(self):
        """Whether a layer is spectrally normalized in the source."""
        layers = self._layers.values()
        return any(layer.style(self._tensors) is not PLAIN for layer in layers)

    def folded(self):
        """The same layers without spectral normalization."""
        return Layers(self._tensors, self._layers, self.weights, normalized=False)

    def __call__(self, name):
        if name in self.weights:
            return self.weights[name]
        path, _, variable = name.rpartition("/")
        layer = self._layers[path]
        if variable == "bias":
            return Weight(f"{layer.source}.bias", layer.layout.outputs)
        if variable == "u":
            return Weight(layer.names(self._tensors), lambda *_: self._u[path])
        if self.normalized:
            return Weight(layer.names(self._tensors)[0], layer.layout.weight)
        return layer.effective(self._tensors)

    def _check_iterated(self):
        """If one layer has a `u0`, all without another spectral norm need one."""
        styles = {
            layer.source: layer.style(self._tensors) for layer in self._layers.values()
        }
        for source, style in styles.items():
            is_plain = style is PLAIN and f"{source}.weight" in self._tensors
            if is_plain and ITERATED in styles.values():
                raise BadInput(
                    "A layer beside others with u0 must have it too. Received: "
                    f"{source}.weight without {source}.u0. Nothing was written."
                )

    def _find_u(self, layer):
        try:
            return layer.our_u(self._tensors)
        except (KeyError, ValueError, IndexError):
            # A tensor is missing or has another shape: `translation.py` names it,
            # because no variable has the shape of this.
            return np.empty(0)

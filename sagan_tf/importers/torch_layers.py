"""The layers of a PyTorch network, and how our variables get their values from them.

The name of a layer is the prefix of its tensors: `blocks.0.0.conv1` in
`blocks.0.0.conv1.weight`. The names after it show its style of spectral normalization,
see `sigma.py`. BigGAN-PyTorch's `sv0` is the last sigma, for its log.

PyTorch's kernels are (c_out, c_in, kh, kw), those of Keras (kh, kw, c_in, c_out).
Linear layers are (out, in) and (in, out). The first layer's outputs are (C, 4, 4) and
(4, 4, C).
"""

import dataclasses
from collections.abc import Callable

import numpy as np

from sagan_tf.errors import BadInput
from sagan_tf.importers.sigma import ITERATED, PLAIN, STORED, our_u, source_sigma
from sagan_tf.importers.translation import Weight, shape_of


def _convolution(weight):
    return np.transpose(weight, (2, 3, 1, 0))


def _map_last(outputs):
    """Reorders outputs (C * 4 * 4, ...), channels first, to (4 * 4 * C, ...)."""
    maps = np.reshape(outputs, (-1, 4, 4, *np.shape(outputs)[1:]))
    return np.moveaxis(maps, 0, 2).reshape(np.shape(outputs))


@dataclasses.dataclass(frozen=True)
class Layout:
    """How our layers arrange the values of a kind of layer.

    Args:
        weight: function from PyTorch's weight, first axis the outputs, to ours.
        outputs: function that reorders an array, first axis the outputs, to our order.
    """

    weight: Callable
    outputs: Callable = np.asarray


CONVOLUTION = Layout(_convolution)
LINEAR = Layout(np.transpose)
# The outputs of an embedding are the classes: u has a value for each.
EMBEDDING = Layout(np.asarray)
# The generator's first layer, whose outputs become a 4x4 map.
LINEAR_TO_MAP = Layout(lambda weight: _map_last(weight).T, _map_last)
# For networks with blue, green, red: the last convolution, and the first ones.
TO_BGR = Layout(
    lambda weight: _convolution(weight)[..., ::-1], lambda outputs: outputs[::-1]
)
FROM_BGR = Layout(lambda weight: _convolution(weight)[:, :, ::-1])


class Layer:
    """A convolution, linear layer or embedding of a PyTorch network.

    Args:
        tensors: dict of name to array.
        source: str, the prefix of its tensors' names.
        layout: `Layout`.

    Attributes:
        style: `STORED`, `ITERATED` or `PLAIN`, according to its tensors' names.
        names: tuple of str, its weight and its spectral normalization's vectors.
        is_there: bool, True if the checkpoint has this layer.
    """

    def __init__(self, tensors, source, layout=CONVOLUTION):
        self.source, self.layout, self._tensors = source, layout, tensors
        self.style = PLAIN
        for style in (ITERATED, STORED):
            if any(f"{source}.{vector}" in tensors for vector in style[1:]):
                self.style = style
        self.names = tuple(f"{source}.{part}" for part in self.style)
        self.is_there = any(name in tensors for name in self.names)

    def shape(self, rank, what):
        """Returns the weight's shape, see `shape_of`."""
        return shape_of(self._tensors, self.names[0], rank, what)

    def effective(self, plus=0):
        """Returns the `Weight` that the layer uses at inference: W / sigma + plus."""

        def convert(weight, *vectors):
            divided = np.float64(weight) / source_sigma(weight, *vectors)
            return self.layout.weight(divided) + plus

        return Weight(*self.names, convert=convert)

    def our_u(self):
        """Returns our `u`, a `(1, outputs)` array, or `None` if there is none."""
        try:
            u = our_u(*(self._tensors[name] for name in self.names))
            return None if u is None else self.layout.outputs(np.ravel(u))[None]
        except (KeyError, ValueError, IndexError):
            # A tensor is missing or has another shape. No variable has the shape of
            # this empty array, so `translation.py` names the tensor.
            return np.empty(0)


class Layers:
    """The layers of one network, as a function from our variables' names to `Weight`.

    Either all our layers are spectrally normalized or none is. All are if the source
    normalizes all, and each has a `u` for which our sigma is the source's sigma.
    Otherwise, the weights are the source's W / sigma.

    Args:
        parts: dict of the path of our layer, "block_8x8/convolution_1", to `Layer`. It
            also has the names of all other variables with their `Weight`.

    Attributes:
        parts: the same dict.
        normalized: bool, True if our layers are spectrally normalized; may be set to
            False.
        without_u: list of str, the source's names of layers without such a `u`.
        source_is_normalized: bool, True if the source normalizes any layer.

    Raises:
        BadInput: a layer has lost its u.
    """

    def __init__(self, parts):
        self.parts = parts
        layers = {path: p for path, p in parts.items() if isinstance(p, Layer)}
        styles = [layer.style for layer in layers.values()]
        for layer in layers.values():
            if ITERATED in styles and layer.style is PLAIN and layer.is_there:
                raise BadInput(
                    "If some layers have a u0, all must have one. Received: "
                    f"{layer.source}.weight without {layer.source}.u0. Nothing was "
                    "written."
                )
        self._u = {path: layer.our_u() for path, layer in layers.items()}
        self.without_u = [
            layers[path].source for path, u in self._u.items() if u is None
        ]
        self.normalized = not self.without_u
        self.source_is_normalized = any(style is not PLAIN for style in styles)

    def __call__(self, name):
        if name in self.parts:
            return self.parts[name]
        path, _, variable = name.rpartition("/")
        layer = self.parts[path]
        if variable == "bias":
            return Weight(f"{layer.source}.bias", convert=layer.layout.outputs)
        if variable == "u":
            return Weight(*layer.names, convert=lambda *_: self._u[path])
        if self.normalized:
            return Weight(layer.names[0], convert=layer.layout.weight)
        return layer.effective()

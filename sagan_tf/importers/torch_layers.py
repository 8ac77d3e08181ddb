"""The layers of a PyTorch network and where the values of ours come from.

A layer is known by the name before its tensors: `blocks.0.0.conv1` of
`blocks.0.0.conv1.weight`. The names after it show its style of spectral normalization,
see `sigma.py`. BigGAN-PyTorch's `sv0` is the last sigma, for its log.

PyTorch's kernels are (c_out, c_in, kh, kw), Keras' (kh, kw, c_in, c_out); linear layers
(out, in) and (in, out); the first layer's outputs (C, 4, 4) and (4, 4, C).
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
    outputs: Callable = np.asarray


CONVOLUTION = Layout(_convolution)
LINEAR = Layout(np.transpose)
# Classes are an embedding's outputs: u has a value for each.
EMBEDDING = Layout(np.asarray)
# The generator's first layer, whose outputs become a 4x4 map.
LINEAR_TO_MAP = Layout(lambda weight: _map_last(weight).T, _map_last)
# Of networks that draw blue, green, red: the last convolution, and the first ones.
TO_BGR = Layout(
    lambda weight: _convolution(weight)[..., ::-1], lambda outputs: outputs[::-1]
)
FROM_BGR = Layout(lambda weight: _convolution(weight)[:, :, ::-1])


class Layer:
    """A convolution, linear layer or embedding of a PyTorch network.

    Args:
        tensors: dict of name to array.
        source: str, the name before its tensors.
        layout: `Layout`.

    Attributes:
        style: `STORED`, `ITERATED` or `PLAIN`, as the names of its tensors show.
        names: tuple of str, its weight and the vectors of its spectral normalization.
        is_there: bool, whether the checkpoint has this layer.
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
        """The weight's shape, see `shape_of`."""
        return shape_of(self._tensors, self.names[0], rank, what)

    def effective(self, plus=0):
        """`Weight` of what the layer multiplies with at inference: W / sigma + plus."""

        def convert(weight, *vectors):
            divided = np.float64(weight) / source_sigma(weight, *vectors)
            return self.layout.weight(divided) + plus

        return Weight(*self.names, convert=convert)

    def our_u(self):
        """Our `u`: `(1, outputs)` array, or `None` if there is none."""
        try:
            u = our_u(*(self._tensors[name] for name in self.names))
            return None if u is None else self.layout.outputs(np.ravel(u))[None]
        except (KeyError, ValueError, IndexError):
            # A tensor is missing or has another shape: `translation.py` names it,
            # because no variable has the shape of this.
            return np.empty(0)


class Layers:
    """The layers of one network, as a function from our variables' names to `Weight`.

    Either all of them are spectrally normalized here or none is. All are if all are in
    the source, and each has a `u` from which our sigma is that of the source.
    Otherwise, the weights are the source's W / sigma.

    Args:
        parts: dict of the path of our layer, "block_8x8/convolution_1", to `Layer`, and
            of the names of all other variables to `Weight`.

    Attributes:
        parts: the same dict.
        normalized: bool, whether they are spectrally normalized here; may be set to
            False.
        without_u: list of str, the source's names of the layers without such a `u`.
        source_is_normalized: bool, whether any layer is normalized in the source.

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
                    "A layer beside others with u0 must have it too. Received: "
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

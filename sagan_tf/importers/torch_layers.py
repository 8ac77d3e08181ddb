"""The layers of a PyTorch network and where the values of ours come from.

A layer is known by the name before its tensors: `blocks.0.0.conv1` of
`blocks.0.0.conv1.weight`. Spectral normalisation shows in the names:

| tensors | whose | sigma at inference |
| --- | --- | --- |
| `weight` | no spectral normalisation | |
| `weight`, `u0` (and `sv0`, for its log) | BigGAN-PyTorch | one power iteration |
| `weight_orig`, `weight_u`, `weight_v` | `torch.nn.utils.spectral_norm` | u^T W v |
"""

import dataclasses
import functools
from collections.abc import Callable

import numpy as np

from sagan_tf.errors import BadInput
from sagan_tf.importers.sigma import iterated_sigma, matching_u, stored_sigma
from sagan_tf.importers.translation import Weight

# The tensors of a weight, by kind of spectral normalisation.
_STYLES = (("weight_orig", "weight_u", "weight_v"), ("weight", "u0"), ("weight",))


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
    """How the values of a kind of layer lie here, given how they lie in PyTorch.

    Args:
        weight: function of the weight, first axis the outputs, that returns ours.
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

    def names(self, tensors):
        """Names of the weight and what belongs to its spectral norm: 1, 2 or 3 str."""
        stored, iterated, plain = (
            tuple(f"{self.source}.{part}" for part in parts) for parts in _STYLES
        )
        if any(name in tensors for name in stored):
            return stored
        return iterated if iterated[1] in tensors else plain

    def is_there(self, tensors):
        """Whether the checkpoint has this layer."""
        return any(name in tensors for name in self.names(tensors))

    def is_normalized(self, tensors):
        """Whether its weight is spectrally normalised."""
        return len(self.names(tensors)) > 1

    def effective(self, tensors, plus=0):
        """`Weight` of what the layer multiplies with at inference: W / sigma + plus."""

        def convert(*arrays):
            return self.layout.weight(_effective(*arrays)) + plus

        return Weight(self.names(tensors), convert)

    def unnormalized(self, tensors):
        """`Weight` of W."""
        return Weight(self.names(tensors)[0], self.layout.weight)

    def bias(self):
        """`Weight` of the bias."""
        return Weight(f"{self.source}.bias", self.layout.outputs)


def _effective(weight, u=None, v=None):
    """W / sigma as the source computes it at inference: array like the weight."""
    if u is None:
        return weight
    sigma = iterated_sigma(weight, u) if v is None else stored_sigma(weight, u, v)
    return np.asarray(weight, np.float64) / sigma


class Layers:
    """The layers of one network, as a function from our variables' names to `Weight`.

    They are all spectrally normalised here, or none is: then the weights are the
    source's W / sigma. They are if they all are in the source, and if for each there is
    a `u` with which our sigma is that of the source.

    Args:
        tensors: dict of name to array.
        layers: dict of the path of our layer, "block_8x8/convolution_1", to `Layer`.
        weights: dict of our variable's name to `Weight`, of all other variables.
        normalized: bool, `False` if there must be no spectral normalisation.

    Raises:
        BadInput: a layer has lost its u.
    """

    def __init__(self, tensors, layers, weights, normalized=True):
        self._tensors = tensors
        self._layers = layers
        self._weights = weights
        self._check_iterated()
        self._u = {
            path: functools.cache(functools.partial(self._find_u, layer))
            for path, layer in layers.items()
        }
        self.without_u = self._without_u() if normalized else []
        self.normalized = normalized and not self.without_u

    @property
    def source_is_normalized(self):
        """Whether a layer is spectrally normalised in the source."""
        return any(each.is_normalized(self._tensors) for each in self._layers.values())

    def folded(self):
        """The same layers without spectral normalisation."""
        return Layers(self._tensors, self._layers, self._weights, normalized=False)

    def __call__(self, name):
        if name in self._weights:
            return self._weights[name]
        path, _, variable = name.rpartition("/")
        layer = self._layers[path]
        if variable == "bias":
            return layer.bias()
        if variable == "u":
            return Weight(layer.names(self._tensors), lambda *_: self._u[path]())
        if self.normalized:
            return layer.unnormalized(self._tensors)
        return layer.effective(self._tensors)

    def _check_iterated(self):
        """Where layers have a `u0`, all that have no other spectral norm have one."""
        names = [layer.names(self._tensors) for layer in self._layers.values()]
        lost = [
            weight for weight, *rest in names if not rest and weight in self._tensors
        ]
        if lost and any(len(each) == 2 for each in names):
            source = lost[0].removesuffix(".weight")
            raise BadInput(
                f"A layer beside others with u0 must have it too. Received: {lost[0]} "
                f"without {source}.u0. Nothing was written."
            )

    def _without_u(self):
        """Names of the layers for which there is no `u` of ours."""
        return [
            layer.source
            for path, layer in self._layers.items()
            if layer.is_there(self._tensors) and not self._has_u(path)
        ]

    def _has_u(self, path):
        try:
            return self._u[path]() is not None
        except (ValueError, KeyError):
            # A shape is wrong or a tensor is missing, about which others complain.
            return True

    def _find_u(self, layer):
        """Our `u`, (1, outputs), or `None` if there is none."""
        if not layer.is_normalized(self._tensors):
            return None
        weight, u, *v = (self._tensors[name] for name in layer.names(self._tensors))
        if v:
            u = matching_u(weight, u, stored_sigma(weight, u, *v))
        return None if u is None else layer.layout.outputs(np.ravel(u))[None]

"""Checkpoints of TF-GAN's example, `self_attention_estimator`.

The networks are the official ones under other names, with two differences in the
spectral norm:

* u stands on the other side. With M the weight as a matrix (inputs, outputs), a column
  u (inputs, 1) is stored, and v = M^T u / |M^T u|, sigma = |M v|. The row u
  (1, outputs) from which our layer comes to the same sigma is computed.
* outside of the attention, weights are divided by max(1, sigma). With sigma at 1 or
  above that is W / sigma. Below, our layer cannot have it: then the network is
  translated without spectral norm, its kernels W / max(1, sigma).
"""

import functools

import numpy as np

from sagan_tf.importers import official_tf1, tf1_files
from sagan_tf.importers.sigma import iterated_sigma, matching_u
from sagan_tf.importers.translation import Translation, Weight

FORMAT = tf1_files
DESCRIPTION = "TF-GAN's example (tensorflow_gan/examples/self_attention_estimator)"
OPTIONS = ()

_PREFIXES = {"g": "Generator/generator", "d": "Discriminator/discriminator"}
# Official names of scopes and variables -> those of the example.
_ATTENTION = {"g_non_local": "g_ops", "d_non_local": "d_ops"}
_VARIABLES = {
    "w": "kernel",
    "Matrix": "kernel",
    "biases": "bias",
    "mean": "moving_mean",
    "var": "moving_variance",
}

_LABELS = "labels are those of TFDS's imagenet2012 (0 to 999), as in the example."
_FOLDED = (
    "spectral norm is left out of the {networks}: the source divides by max(1, sigma), "
    "and sigma is below 1 in {layers}. Kernels are W / max(1, sigma), so that pictures "
    "are the source's, but training on would be training without spectral norm."
)


def recognizes(names):
    """Whether these are names of the example's variables."""
    prefixes = tuple(f"{prefix}/" for prefix in _PREFIXES.values())
    return any(name.startswith(prefixes) for name in names)


def translate(tensors, given):
    """See `importers.SOURCES`. Nothing has to be given."""
    del given
    fields = official_tf1.infer_fields(tensors, _name, table_rank=4)
    fields["batch_norm_epsilon"] = 1e-3
    settings = {"batch_norm_momentum": 0.999, "final_batch_norm_momentum": 0.999}
    networks = {
        network: _Network(tensors, official_tf1.official_paths(network, *sizes))
        for network, sizes in official_tf1.networks_of(fields).items()
    }
    translation = Translation(fields, networks, settings, notes=[_LABELS])
    official_tf1.complete(translation, tensors)
    _fold(translation)
    return translation


def _fold(translation):
    """Takes the spectral norm from networks in which ours is not the source's."""
    networks = translation.networks
    without = {name: each.weights_without_u() for name, each in networks.items()}
    if not any(without.values()):
        return
    # There are no runs with spectral norm in the generator alone.
    folded = list(networks) if without.get("discriminator") else ["generator"]
    for name in folded:
        networks[name].is_folded = True
    translation.fields["spectral_norm"] = (
        "none" if "discriminator" in folded else "discriminator"
    )
    layers = [layer for found in without.values() for layer in found]
    more = f" and {len(layers) - 3} more" if len(layers) > 3 else ""
    translation.notes.append(
        _FOLDED.format(
            networks=" and the ".join(folded), layers=", ".join(layers[:3]) + more
        )
    )


class _Network:
    """The variables of one network, as a function of our name to `Weight`.

    Args:
        tensors: dict of name to array.
        paths: dict of our name to official scope and path.

    Attributes:
        is_folded: bool, whether kernels are W / max(1, sigma), and there is no u.
    """

    def __init__(self, tensors, paths):
        self._paths = paths
        self.is_folded = False
        self._u = {}  # By the name of the weight; None if there is none.
        for ours in paths:
            layer, _, variable = ours.rpartition("/")
            if variable == "u":
                weight, u = self._spectral_norm(layer)
                if _fits(tensors.get(weight), tensors.get(u), weight):
                    self._u[weight] = _our_u(weight, tensors[weight], tensors[u])

    def __call__(self, ours):
        layer, _, variable = ours.rpartition("/")
        scope, path = self._paths[ours]
        name = _name(scope, path)
        if variable == "u":
            names = self._spectral_norm(layer)
            return Weight(names, lambda *_: self._u.get(names[0]))
        if self.is_folded and variable in ("kernel", "embeddings"):
            return Weight(self._spectral_norm(layer), functools.partial(_divided, name))
        if variable in ("gamma", "beta") and scope not in _ATTENTION:
            return Weight(name, _row if scope == "g_bn" else _table)
        return Weight(name)

    def weights_without_u(self):
        """Names of the weights that no u of ours divides as the source does."""
        return [name for name, u in self._u.items() if u is None]

    def _spectral_norm(self, layer):
        """Names of a layer's weight and of its u."""
        kind = "kernel" if f"{layer}/kernel" in self._paths else "embeddings"
        weight = _name(*self._paths[f"{layer}/{kind}"])
        scope = weight.rpartition("/")[0]
        if kind == "kernel":
            # The example's scope is the weight's whole name, inside its own scope.
            scope = f"{scope}/{weight}"
        return weight, f"{scope}/spectral_normalize/spectral_norm/spectral_norm_u"


def _name(scope, path):
    """The example's name of a variable that has an official scope and path."""
    *parts, variable = path.split("/")
    if scope in _ATTENTION:
        variable = "weights" if variable == "w" else variable
    elif variable in ("w", "biases"):
        parts.append([scope, *parts][-1])  # tf.layers repeats the name.
    elif variable in ("Matrix", "bias"):
        parts.append("dense")
    names = [_PREFIXES[scope[0]], _ATTENTION.get(scope, scope), *parts]
    return "/".join([*names, _VARIABLES.get(variable, variable)])


def _is_clamped(name):
    """Whether a weight is divided by max(1, sigma), not by sigma."""
    return not any(f"/{scope}/" in name for scope in _ATTENTION.values())


def _matrix(name, weight):
    """A weight as (inputs, outputs), of which the example takes sigma."""
    if name.endswith("embedding_map"):
        return np.transpose(weight)
    return np.reshape(weight, (-1, np.shape(weight)[-1]))


def _fits(weight, u, name):
    """Whether a weight and its u are there, and are of one size."""
    if weight is None or u is None or np.ndim(weight) < 2:
        return False
    return np.shape(u) == (_matrix(name, weight).shape[0], 1)


def _our_u(name, weight, u):
    """The u from which we divide as the source does, (1, outputs), or `None`."""
    matrix = _matrix(name, np.float64(weight))
    # The same formula as ours, with inputs and outputs changed over.
    sigma = iterated_sigma(matrix, u)
    if sigma < 1 and _is_clamped(name):
        return None
    return matching_u(matrix.T, (matrix.T @ np.float64(u)).T, sigma)


def _divided(name, weight, u):
    """W / sigma, or W / max(1, sigma)."""
    sigma = iterated_sigma(_matrix(name, weight), u)
    return np.float64(weight) / (max(1.0, sigma) if _is_clamped(name) else sigma)


def _table(weight):
    """(classes, 1, 1, C) to (classes, C)."""
    return weight[:, 0, 0]


def _row(weight):
    """(1, 1, 1, C) to (C,)."""
    return weight[0, 0, 0]

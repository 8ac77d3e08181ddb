"""Checkpoints of TF-GAN's example, `self_attention_estimator`.

The networks are the official ones under other names, with two differences in the
spectral norm:

* u stands on the other side. With M the weight as a matrix (inputs, outputs), a column
  u (inputs, 1) is stored, and v = M^T u / |M^T u|, sigma = |M v|. The row u
  (1, outputs) from which our layer comes to the same sigma is computed.
* outside of the attention, weights are divided by max(1, sigma): `spectral_norm_clamp`.
"""

import functools

import numpy as np

from sagan_tf.errors import BadInput
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
# From a u of this length, ours comes to a sigma that is next to nothing. In training it
# grows to 1 in a few steps.
_NEXT_TO_NOTHING = 1e-20


def recognizes(names):
    """Whether these are names of the example's variables."""
    prefixes = tuple(f"{prefix}/" for prefix in _PREFIXES.values())
    return any(name.startswith(prefixes) for name in names)


def translate(tensors, given):
    """See `importers.SOURCES`. Nothing has to be given."""
    del given
    fields = official_tf1.infer_fields(tensors, _name, table_rank=4)
    fields |= {"batch_norm_epsilon": 1e-3, "spectral_norm_clamp": True}
    settings = {
        "batch_norm_momentum": 0.999,
        "final_batch_norm_momentum": 0.999,
        "spectral_norm_stop_gradient": True,
    }
    networks = {
        network: _source(official_tf1.official_paths(network, *sizes))
        for network, sizes in official_tf1.networks_of(fields).items()
    }
    translation = Translation(fields, networks, settings, notes=[_LABELS])
    official_tf1.complete(translation, tensors)
    return translation


def _source(paths):
    """The function of our variable's name to its `Weight`.

    Args:
        paths: dict of our name to official scope and path.
    """

    def weight(ours):
        layer, _, variable = ours.rpartition("/")
        if variable == "u":
            kind = "kernel" if f"{layer}/kernel" in paths else "embeddings"
            name = _name(*paths[f"{layer}/{kind}"])
            return Weight((name, _name_of_u(name)), functools.partial(_our_u, name))
        scope, path = paths[ours]
        if variable in ("gamma", "beta") and scope not in _ATTENTION:
            return Weight(_name(scope, path), _row if scope == "g_bn" else _table)
        return Weight(_name(scope, path))

    return weight


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


def _name_of_u(weight):
    """The example's name of the u that belongs to a weight."""
    scope, _, variable = weight.rpartition("/")
    if variable != "embedding_map":
        # The example's scope is the weight's whole name, inside its own scope.
        scope = f"{scope}/{weight}"
    return f"{scope}/spectral_normalize/spectral_norm/spectral_norm_u"


def _is_clamped(name):
    """Whether a weight is divided by max(1, sigma), not by sigma."""
    return not any(f"/{scope}/" in name for scope in _ATTENTION.values())


def _matrix(name, weight):
    """A weight as (inputs, outputs), of which the example takes sigma."""
    if name.endswith("embedding_map"):
        return np.transpose(weight)
    return np.reshape(weight, (-1, np.shape(weight)[-1]))


def _our_u(name, weight, u):
    """The u from which we divide as the source does: (1, outputs)."""
    matrix = _matrix(name, np.float64(weight))
    if np.shape(u) != (matrix.shape[0], 1):
        raise BadInput(f"u must be of shape {(matrix.shape[0], 1)}.")
    # The same formula as ours, with inputs and outputs changed over.
    sigma = iterated_sigma(matrix, u)
    found = matching_u(matrix.T, (matrix.T @ np.float64(u)).T, sigma)
    if found is None:
        # The source's sigma is 0: it keeps the weight, or divides it by 0.
        value = _NEXT_TO_NOTHING if _is_clamped(name) else np.nan
        found = np.full((1, matrix.shape[1]), value)
    return found


def _table(weight):
    """(classes, 1, 1, C) to (classes, C)."""
    return weight[:, 0, 0]


def _row(weight):
    """(1, 1, 1, C) to (C,)."""
    return weight[0, 0, 0]

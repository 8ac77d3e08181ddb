"""Checkpoints of TF-GAN's example, `self_attention_estimator`.

The networks are the official ones with other names. Spectral normalization differs in
two ways:

* u is on the other side. With M the weight as a matrix (inputs, outputs), a column u
  (inputs, 1) is stored, v = M^T u / |M^T u| and sigma = |M v|. We compute the row u
  (1, outputs) from which our layer has the same sigma.
* Outside attention, weights are divided by max(1, sigma): `spectral_norm_clamp`.
"""

import functools

import numpy as np

from sagan_tf.errors import BadInput
from sagan_tf.importers import official_tf1
from sagan_tf.importers.sigma import iterated_sigma, matching_u
from sagan_tf.importers.translation import Weight

DESCRIPTION = "TF-GAN's example (tensorflow_gan/examples/self_attention_estimator)"
OPTIONS = ()
TELLING = r"(Generator/generator|Discriminator/discriminator)/.*"

_PREFIXES = {"g": "Generator/generator", "d": "Discriminator/discriminator"}
# Official scopes -> the example's scopes.
_ATTENTION = {"g_non_local": "g_ops", "d_non_local": "d_ops"}
# Official names of variables for which the example has our name.
_OURS = ("w", "Matrix", "biases", "mean", "var")

_LABELS = "labels are those of TFDS's imagenet2012 (0 to 999), as in the example."
# A u of this length makes our sigma almost 0. In training, the length grows to 1 in a
# few steps.
_ALMOST_ZERO = 1e-20


def translate(tensors, given):
    """See `importers.SOURCES`. Needs no flag."""
    del given
    fields = {"batch_norm_epsilon": 1e-3, "spectral_norm_clamp": True}
    settings = {
        "batch_norm_momentum": 0.999,
        "final_batch_norm_momentum": 0.999,
        "spectral_norm_stop_gradient": True,
    }
    return official_tf1.translation(
        tensors, _name, _weight, fields, settings, [_LABELS], table_rank=4
    )


def _weight(paths, ours):
    """Returns the `Weight` of our variable; for `paths` see `official_paths`."""
    layer, _, variable = ours.rpartition("/")
    if variable == "u":
        kind = "kernel" if f"{layer}/kernel" in paths else "embeddings"
        name = _name(*paths[f"{layer}/{kind}"])
        convert = functools.partial(_our_u, name)
        return Weight(name, _name_of_u(name), convert=convert)
    scope, path = paths[ours]
    if variable not in ("gamma", "beta") or scope in _ATTENTION:
        return Weight(_name(scope, path))
    # (1, 1, 1, C) to (C,), or (classes, 1, 1, C) to (classes, C).
    cut = (0, 0, 0) if scope == "g_bn" else (slice(None), 0, 0)
    return Weight(_name(scope, path), convert=lambda values: values[cut])


def _name(scope, path):
    """Returns the example's name for the variable at an official scope and path."""
    *parts, variable = path.split("/")
    name = official_tf1.our_name(variable) if variable in _OURS else variable
    if scope in _ATTENTION:
        name = "weights" if variable == "w" else name
    elif variable in ("w", "biases"):
        parts.append([scope, *parts][-1])  # tf.layers repeats the name.
    elif variable in ("Matrix", "bias"):
        parts.append("dense")
    return "/".join([_PREFIXES[scope[0]], _ATTENTION.get(scope, scope), *parts, name])


def _name_of_u(weight):
    """Returns the example's name for the u of a weight."""
    scope, _, variable = weight.rpartition("/")
    if variable != "embedding_map":
        # The example nests the weight's whole name inside the weight's scope.
        scope = f"{scope}/{weight}"
    return f"{scope}/spectral_normalize/spectral_norm/spectral_norm_u"


def _our_u(name, weight, u):
    """Returns the u, (1, outputs), for which we divide as the source does."""
    weight = np.float64(weight)
    is_embedding = name.endswith("embedding_map")
    matrix = weight.T if is_embedding else weight.reshape(-1, weight.shape[-1])
    if np.shape(u) != (matrix.shape[0], 1):
        raise BadInput(f"u must be of shape {(matrix.shape[0], 1)}.")
    # The same formula as ours, with inputs and outputs exchanged.
    sigma = iterated_sigma(matrix, u)
    ours = matching_u(matrix.T, (matrix.T @ np.float64(u)).T, sigma)
    if ours is None:
        # The source's sigma is 0: attention divides by 0, other layers by 1.
        is_attention = any(f"/{scope}/" in name for scope in _ATTENTION.values())
        value = np.nan if is_attention else _ALMOST_ZERO
        ours = np.full((1, matrix.shape[1]), value)
    return ours

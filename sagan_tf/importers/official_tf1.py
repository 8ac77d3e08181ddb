"""Checkpoints of the official code, brain-research/self-attention-gan (TensorFlow 1.5).

Its variables are named `model/g_...` and `model/d_...`. Its kernels and `u` have our
layout. The moving statistics of its blocks have shape (1, 1, 1, C).
"""

import functools

import numpy as np

from sagan_tf.errors import BadInput
from sagan_tf.importers.translation import Translation, Weight, shape_of

DESCRIPTION = "the official code (brain-research/self-attention-gan)"
OPTIONS = ()
TELLING = r"model/[gd]_.*/(w|Matrix)"

# Height of the output of each block. The official networks have one size.
_GENERATOR_SIZES = {f"g_block{i}": 4 * 2**i for i in range(1, 6)}
_DISCRIMINATOR_SIZES = {
    "d_optimized_block1": 64,
    **{f"d_block{i}": 128 // 2**i for i in range(2, 6)},
    "d_block6": 4,
}

# Official names of layers, their parts and variables -> ours, where they differ.
_OURS = {
    **{scope: f"block_{size}x{size}" for scope, size in _GENERATOR_SIZES.items()},
    **{scope: f"block_{scope[-1]}" for scope in _DISCRIMINATOR_SIZES},
    "g_snh0": "linear",
    "g_bn": "batch_norm",
    "g_snconv_last": "image_convolution",
    "d_sn_linear": "projection_head/linear",
    "d_embedding": "projection_head/embedding",
    "cbn_0": "batch_norm_1",
    "cbn_1": "batch_norm_2",
    "snconv1": "convolution_1",
    "snconv2": "convolution_2",
    "snconv3": "shortcut",
    "sn_conv1": "convolution_1",
    "sn_conv2": "convolution_2",
    "sn_conv3": "shortcut",
    "sn_conv_theta": "query",
    "sn_conv_phi": "key",
    "sn_conv_g": "value",
    "sn_conv_attn": "output",
    "w": "kernel",
    "Matrix": "kernel",
    "embedding_map": "embeddings",
    "biases": "bias",
    "sigma_ratio": "gamma",
    "mean": "moving_mean",
    "var": "moving_variance",
}

# The variables of each kind of layer.
_LINEAR, _CONVOLUTION = ("Matrix", "u", "bias"), ("w", "u", "biases")
_CLASS_BATCH_NORM = ("gamma", "beta", "mean", "var")
_GENERATOR_BLOCK = [f"cbn_{i}/{v}" for i in (0, 1) for v in _CLASS_BATCH_NORM]
_GENERATOR_BLOCK += [f"snconv{i}/{v}" for i in (1, 2, 3) for v in _CONVOLUTION]
_DISCRIMINATOR_BLOCK = [f"sn_conv{i}/{v}" for i in (1, 2, 3) for v in _CONVOLUTION]
_ATTENTION = ["sigma_ratio"]
_ATTENTION += [
    f"sn_conv_{part}/{v}" for part in ("theta", "phi", "g", "attn") for v in ("w", "u")
]
_GENERATOR = {
    "g_snh0": _LINEAR,
    **{scope: _GENERATOR_BLOCK for scope in _GENERATOR_SIZES},
    "g_non_local": _ATTENTION,
    "g_bn": ("gamma", "beta", "moving_mean", "moving_variance"),
    "g_snconv_last": _CONVOLUTION,
}
_DISCRIMINATOR = {
    **{scope: _DISCRIMINATOR_BLOCK for scope in _DISCRIMINATOR_SIZES},
    "d_non_local": _ATTENTION,
    "d_sn_linear": _LINEAR,
    "d_embedding": ("embedding_map", "u"),
}

# Unnecessary tensors, and what they are.
_NOT_NEEDED = {
    r".*/Adam(_1)?": "moments of Adam",
    r"(.*/)?beta[12]_power(_\d+)?": "powers of Adam's betas",
    r"global_step|[gd]_step|dummy_global_step_\w+": "counters of steps",
}

_NOTES = (
    "labels are those of its training records; the official program adds nothing to "
    "them. If they count from 1, like ImageNet's usual labels, label k is class k of 1 "
    "to 1000, and training never used label 0.",
    "u does not change at inference here. In the official program, the generator's u "
    "changes at each call; our images are those of its first call.",
)


def our_name(path, size=None):
    """Returns our name of a layer or variable of the official networks.

    Args:
        path: str, the official one: `"g_block3/snconv1/w"`, `"cbn_0"`, `"d_non_local"`.
        size: int, height of the feature map that this network's attention reads;
            no path tells it.

    Returns:
        str, `"block_32x32/convolution_1/kernel"`.
    """
    attention = f"attention_{size}x{size}"
    ours = {**_OURS, "g_non_local": attention, "d_non_local": attention}
    return "/".join(ours.get(part, part) for part in path.split("/"))


def official_paths(network, size=None):
    """Returns where the official code keeps our variables.

    Args:
        network: `"generator"` or `"discriminator"`.
        size: see `our_name`.

    Returns:
        Dict of our variable's name to its official scope and the path inside that:
        `"block_8x8/shortcut/bias"` to `("g_block1", "snconv3/biases")`. Every
        block has a shortcut.
    """
    scopes = _GENERATOR if network == "generator" else _DISCRIMINATOR
    return {
        our_name(f"{scope}/{path}", size): (scope, path)
        for scope, paths in scopes.items()
        for path in paths
    }


def translate(tensors, given):
    """See `importers.SOURCES`. Needs no flag."""
    del given
    fields = {"batch_norm_epsilon": 1e-5}
    return translation(tensors, _name, _weight, fields, {}, _NOTES)


def translation(tensors, name_of, weight, fields, settings, notes, table_rank=2):
    """Makes the `Translation` for the official code or for TF-GAN's example.

    Args:
        tensors: dict of name to array.
        name_of: function from an official scope and path to the name of a tensor.
        weight: function from `official_paths` and our variable's name to its `Weight`.
        fields, settings, notes: see `Translation`; the fields that shapes cannot tell.
        table_rank: int, number of axes of the conditional batch norms' tables.

    Returns:
        `Translation`.

    Raises:
        BadInput: a tensor that tells a size is missing, or its shape is impossible.
    """
    fields = {**_fields(tensors, name_of, table_rank), **fields}
    sizes = {"generator": fields["attention_resolution"]}
    if "discriminator_channels" in fields:
        sizes["discriminator"] = fields["discriminator_attention_resolution"]
    networks = {
        network: functools.partial(weight, official_paths(network, *size))
        for network, size in sizes.items()
    }
    if fields["num_classes"] == 1000:
        settings = {**settings, "dataset": "tfds:imagenet2012"}
    step = int(np.max(tensors.get("global_step", 0)))
    result = Translation(fields, networks, settings, step=step, notes=list(notes))
    result.ignore(tensors, _NOT_NEEDED)
    return result


def _name(scope, path):
    """Returns the official name of a variable."""
    return f"model/{scope}/{path}"


def _weight(paths, ours):
    """Returns the `Weight` of our variable; for `paths` see `official_paths`."""
    scope, path = paths[ours]
    # (1, 1, 1, C) to (C,).
    cut = (0, 0, 0) if path.endswith(("/mean", "/var")) else ...
    return Weight(_name(scope, path), convert=lambda values: values[cut])


def _fields(tensors, name_of, table_rank):
    """Reads fields from shapes, also the discriminator's if there is one."""

    def shape(scope, path, rank, what):
        return shape_of(tensors, name_of(scope, path), rank, what)

    def attention(scope, blocks, path):
        if not any(name_of(scope, inner) in tensors for inner in _ATTENTION):
            return ()
        # The queries' kernel is (1, 1, C, C // 8).
        wanted = shape(scope, "sn_conv_theta/w", 4, "where the attention is")[2]
        kernels = {b: np.shape(tensors.get(name_of(b, path), ())) for b in blocks}
        widths = {b: kernel[-1] for b, kernel in kernels.items() if len(kernel) == 4}
        attended = [blocks[block] for block, width in widths.items() if width == wanted]
        if len(attended) != 1:
            raise BadInput(
                "The attention must have the channels of one block. Received: "
                f"{name_of(scope, 'sn_conv_theta/w')} of {wanted} channels, blocks of "
                f"{list(widths.values())}. Nothing was written."
            )
        return tuple(attended)

    *_, width, image_channels = shape("g_snconv_last", "w", 4, "the channels")
    fields = {
        "resolution": 128,
        "image_channels": image_channels,
        "num_classes": shape("g_block1", "cbn_0/gamma", table_rank, "the classes")[0],
        "z_dim": shape("g_snh0", "Matrix", 2, "the length of z")[0],
        "generator_channels": width,
        "attention_resolution": attention("g_non_local", _GENERATOR_SIZES, "snconv2/w"),
        "attention_variant": "official",
        "spectral_norm": "both",
        "power_iterations": 1,
    }
    paths = official_paths("discriminator").values()
    if any(name_of(*path) in tensors for path in paths):
        width = shape("d_optimized_block1", "sn_conv1/w", 4, "its channels")[-1]
        fields["discriminator_channels"] = width
        fields["discriminator_attention_resolution"] = attention(
            "d_non_local", _DISCRIMINATOR_SIZES, "sn_conv2/w"
        )
    return fields

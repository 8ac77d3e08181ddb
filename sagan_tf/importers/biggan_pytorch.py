"""Checkpoints of ajbrock/BigGAN-PyTorch, trained as a SAGAN.

That is what its script launch_SAGAN_bs128x2_ema.sh trains: z goes into the first layer
alone, and batch normalisation looks up a gain and a bias for each class.

| there | here |
| --- | --- |
| kernels (c_out, c_in, kh, kw), linear (out, in) | (kh, kw, c_in, c_out), (in, out) |
| the first layer's outputs as (C, 4, 4) | as (4, 4, C) |
| gain e of a class, multiplied as 1 + e | gamma = 1 + e |
| theta, phi, g, o of attention | query, key, value, output |
| u0, iterated once at inference too | u |
"""

import numpy as np

from sagan_tf.errors import BadInput
from sagan_tf.importers import torch_files
from sagan_tf.importers.torch_networks import (
    Names,
    discriminator,
    generator,
    plain_batch_norm,
    translation,
)
from sagan_tf.importers.translation import Weight, shape_of

FORMAT = torch_files
OPTIONS = ()
DESCRIPTION = "BigGAN-PyTorch (ajbrock/BigGAN-PyTorch)"

_CONVOLUTIONS = {
    "convolution_1": ".conv1",
    "convolution_2": ".conv2",
    "shortcut": ".conv_sc",
}
_ATTENTION = {
    "query": ".theta",
    "key": ".phi",
    "value": ".g",
    "output": ".o",
    "gamma": ".gamma",
}
_NETWORKS = {"G": "generator", "G_ema": "ema_generator", "D": "discriminator"}

# `layers.bn` has it, whatever --BN_eps is; and the script's --BN_eps.
_LAST_EPSILON = 1e-5

# Tensors that only other settings than the script's leave.
_OTHER_SETTINGS = {
    "shared.weight": "--G_shared (BigGAN's shared embedding of classes)",
    "blocks.0.0.bn1.bn.running_mean": "--cross_replica (it adds the gain)",
    "blocks.0.0.bn1.bn.stored_mean": "--mybn (batch normalization of its own)",
    "linear.u1": "--num_G_SVs above 1",
    "blocks.0.0.conv3.weight": "--model=BigGANdeep",
}


def recognizes(names):
    """Whether these are names of networks of BigGAN-PyTorch."""
    telling = ("G/output_layer.2.weight", "G_ema/output_layer.2.weight")
    return any(name in names for name in (*telling, "D/embed.weight"))


def translate(tensors, given):
    """See `importers.SOURCES`.

    Args:
        tensors: dict of name to array, from `torch_files.read`.
        given: dict; `batch_norm_epsilon`, which no tensor tells, is 1e-5 by default, as
            in the script.

    Returns:
        `Translation`.

    Raises:
        BadInput: it was trained with settings that make other networks than ours.
    """
    _check_settings(tensors)
    epsilon = given.get("batch_norm_epsilon", _LAST_EPSILON)
    found = {}
    for role in [role for role in _NETWORKS if _has(tensors, role)]:
        if role == "D":
            found["discriminator"] = discriminator(tensors, _discriminator_names())
        else:
            fields, layers = generator(tensors, _generator_names(role, epsilon))
            fields["num_classes"], _ = shape_of(
                tensors, f"{role}/blocks.0.0.bn1.gain.weight", 2, "num_classes"
            )
            found[_NETWORKS[role]] = fields, layers
    made = translation(found, epsilon)
    if "ema_generator" in made.networks:
        made.fields["ema_decay"] = 0.9999
        made.settings["ema_start_step"] = 2000
    made.ignore(tensors, r".*\.sv0", "the last sigma, for a log")
    return made


def _has(tensors, role):
    return any(name.startswith(f"{role}/") for name in tensors)


def _check_settings(tensors):
    for role in _NETWORKS:
        for name, setting in _OTHER_SETTINGS.items():
            if f"{role}/{name}" in tensors:
                raise BadInput(
                    "The checkpoint must be of the settings of BigGAN-PyTorch's SAGAN "
                    f"script. Received: {role}/{name}, which comes from {setting}. "
                    "Our networks have no such layer; nothing was written."
                )


def _generator_names(role, epsilon):
    return Names(
        blocks=rf"{role}/blocks\.\d+\.\d+",
        convolutions=_CONVOLUTIONS,
        attention=_ATTENTION,
        linear=f"{role}/linear",
        image_convolution=f"{role}/output_layer.2",
        batch_norm=_last_batch_norm(f"{role}/output_layer.0", epsilon),
        block_batch_norm=_batch_norm,
        block_batch_norms={"batch_norm_1": ".bn1", "batch_norm_2": ".bn2"},
    )


def _discriminator_names():
    return Names(
        blocks=r"D/blocks\.\d+\.\d+",
        convolutions=_CONVOLUTIONS,
        attention=_ATTENTION,
        linear="D/linear",
        embedding="D/embed",
    )


def _batch_norm(source):
    return {
        "gamma": Weight(f"{source}.gain.weight", lambda e: 1 + e),
        "beta": Weight(f"{source}.bias.weight"),
        "moving_mean": Weight(f"{source}.stored_mean"),
        "moving_variance": Weight(f"{source}.stored_var"),
    }


def _last_batch_norm(source, epsilon):
    """The generator's last one, whose epsilon no setting changes there.

    Here it is at least the blocks'. The gain makes up for it: exact at inference.
    """

    def gamma(gain, variance):
        return gain * np.sqrt((variance + epsilon) / (variance + _LAST_EPSILON))

    weights = plain_batch_norm(source, "gain", "stored_mean", "stored_var")
    names = f"{source}.gain", f"{source}.stored_var"
    return {**weights, "gamma": Weight(names, gamma)}

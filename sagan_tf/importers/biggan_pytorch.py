"""Checkpoints of ajbrock/BigGAN-PyTorch, trained as a SAGAN.

Its script launch_SAGAN_bs128x2_ema.sh trains such networks: only the first layer reads
z, and batch normalization looks up a gain and a bias for each class.

| there | here |
| --- | --- |
| gain e of a class, multiplied as 1 + e | gamma = 1 + e |
| theta, phi, g, o of attention | query, key, value, output |
| u0, with one iteration at inference too | u |
"""

import numpy as np

from sagan_tf.errors import BadInput
from sagan_tf.importers import torch_networks
from sagan_tf.importers.translation import Weight

OPTIONS = ()
DESCRIPTION = "BigGAN-PyTorch (ajbrock/BigGAN-PyTorch)"
TELLING = r"G(_ema)?/output_layer\.2\.weight|D/embed\.weight"

_NAMES = torch_networks.Names(
    prefixes={"generator": "G/", "ema_generator": "G_ema/", "discriminator": "D/"},
    blocks=r"blocks\.\d+\.\d+",
    convolutions=(".conv1", ".conv2", ".conv_sc"),
    attention=(".theta", ".phi", ".g", ".o", ".gamma"),
    linear="linear",
    image_convolution="output_layer.2",
    image_norm="output_layer.0",
    norms=(".bn1", ".bn2"),
    class_tables=(".gain", ".bias"),
    last_linear="linear",
    embedding="embed",
    statistics="stored_",
)

# The epsilon of `layers.bn`, whatever --BN_eps is, and the script's --BN_eps.
_LAST_EPSILON = 1e-5

# Tensors that exist only with settings different from the script's.
_OTHER_SETTINGS = {
    "shared.weight": "--G_shared (BigGAN's shared embedding of classes)",
    "blocks.0.0.bn1.bn.running_mean": "--cross_replica (it adds the gain)",
    "blocks.0.0.bn1.bn.stored_mean": "--mybn (batch normalization of its own)",
    "linear.u1": "--num_G_SVs above 1",
    "blocks.0.0.conv3.weight": "--model=BigGANdeep",
}


def translate(tensors, given):
    """See `importers.SOURCES`.

    `batch_norm_epsilon`, which no tensor tells, is 1e-5 by default, as in the script.

    Raises:
        BadInput: it was trained with settings whose networks differ from ours.
    """
    for prefix in _NAMES.prefixes.values():
        for name, setting in _OTHER_SETTINGS.items():
            if f"{prefix}{name}" in tensors:
                raise BadInput(
                    "The checkpoint must have the settings of BigGAN-PyTorch's SAGAN "
                    f"script. Received: {prefix}{name}, which comes from {setting}. "
                    "Our networks have no such layer; nothing was written."
                )
    epsilon = given.get("batch_norm_epsilon", _LAST_EPSILON)
    result = torch_networks.translate(tensors, _NAMES, epsilon, 0.9999, 2000)

    # In BigGAN-PyTorch, no setting changes the last epsilon. Here it is the blocks'
    # epsilon. The gain compensates for this, exactly at inference.
    def gamma(gain, variance):
        return gain * np.sqrt((variance + epsilon) / (variance + _LAST_EPSILON))

    for layers in result.networks.values():
        if "batch_norm/gamma" in layers.parts:
            last = layers.parts["batch_norm/beta"].names[0].removesuffix(".bias")
            names = f"{last}.gain", f"{last}.stored_var"
            layers.parts["batch_norm/gamma"] = Weight(*names, convert=gamma)
    return result

"""Checkpoints of open-mmlab/mmgeneration, of its SAGAN configs (SNGANGenerator).

| there | here |
| --- | --- |
| images blue, green, red | red, green, blue |
| kernels (c_out, c_in, kh, kw), linear (out, in) | (kh, kw, c_in, c_out), (in, out) |
| the first layer's outputs as (C, 4, 4) | as (4, 4, C) |
| gain of a class, as 1 + e (or e, with some initial values) | gamma |
| it and the bias divided by their sigma, in most configs | stored divided |
| theta, phi, g, o of attention | query, key, value, output |
| sigma = u^T W v of stored vectors, or one iteration | u for which ours is the same |

The config, which `tools/train.py` keeps in the checkpoint, has what no tensor tells:
epsilon of batch normalization, whether ReLU is in place, whether gains are 1 + e.
"""

import dataclasses
import re

from sagan_tf.importers import torch_networks
from sagan_tf.importers.mmgeneration_config import Settings, read_settings
from sagan_tf.importers.torch_layers import CONVOLUTION, FROM_BGR, TO_BGR

OPTIONS = ("image_order",)
DESCRIPTION = "mmgeneration (open-mmlab/mmgeneration)"
TELLING = r"generator(_ema)?\.noise2feat\.bias|discriminator\.decision\.bias"

_NAMES = torch_networks.Names(
    prefixes={
        "generator": "generator.",
        "ema_generator": "generator_ema.",
        "discriminator": "discriminator.",
    },
    blocks=r"(from_rgb|conv_blocks\.\d+)",
    convolutions=(".conv_1.conv", ".conv_2.conv", ".shortcut.conv"),
    attention=(".theta.conv", ".phi.conv", ".g.conv", ".o.conv", ".gamma"),
    linear="noise2feat",
    image_convolution="to_rgb.conv",
    image_norm="to_rgb.bn",
    norms=(".norm_1", ".norm_2"),
    class_tables=(".weight_embedding", ".bias_embedding"),
    last_linear="decision",
    embedding="proj_y",
    plain_norm=".norm",
    class_norm=".norm",
)


def translate(tensors, given):
    """See `importers.SOURCES`.

    Args:
        tensors: dict of name to array, from `torch_files.read`.
        given: dict; `batch_norm_epsilon` wins over the checkpoint's config, and
            `image_order` is bgr by default, rgb for checkpoints that mmgeneration
            converted from StudioGAN.

    Returns:
        `Translation`, without a discriminator if that has ReLU in place.

    Raises:
        BadInput: its networks are others than ours.
    """
    settings, notes = _settings(tensors)
    is_bgr = given.get("image_order", "bgr") == "bgr"
    names = dataclasses.replace(
        _NAMES,
        from_image=FROM_BGR if is_bgr else CONVOLUTION,
        to_image=TO_BGR if is_bgr else CONVOLUTION,
        gains_from_one=settings.gains_from_one,
    )
    result = torch_networks.translate(
        tensors,
        names,
        given.get("batch_norm_epsilon", settings.epsilon),
        settings.ema_decay,
        settings.ema_start_step,
        settings.relu_in_place,
    )
    result.notes += notes
    return result


def _settings(tensors):
    """`Settings`, and a list of notes about what had to be assumed."""
    if "meta.config" in tensors:
        return read_settings(str(tensors["meta.config"])), []
    # Of its configs, the one without spectral norm on the tables of classes is the one
    # with BigGAN-PyTorch's settings.
    tables = {name for name in tensors if ".weight_embedding." in name}
    is_normalized = any(re.search(r"\.(weight_orig|u0)$", name) for name in tables)
    settings = Settings(epsilon=1e-5 if tables and not is_normalized else 1e-4)
    note = (
        "the checkpoint has no config. Assumed, as in mmgeneration's own: "
        f"--batch_norm_epsilon={settings.epsilon}, gains as 1 + e, no ReLU in place "
        "in the discriminator."
    )
    return settings, [note]

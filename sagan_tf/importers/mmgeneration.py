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

What no tensor tells stands in the config, which `tools/train.py` keeps in the
checkpoint: epsilon of batch normalisation, whether ReLU is in place, whether gains are
1 + e.
"""

import re

from sagan_tf.importers import torch_files
from sagan_tf.importers.mmgeneration_config import Settings, read_settings
from sagan_tf.importers.torch_layers import (
    CONVOLUTION,
    EMBEDDING,
    FROM_BGR,
    TO_BGR,
    Layer,
)
from sagan_tf.importers.torch_networks import (
    Names,
    discriminator,
    generator,
    plain_batch_norm,
    translation,
)
from sagan_tf.importers.translation import Weight, shape_of

FORMAT = torch_files
OPTIONS = ("image_order",)
DESCRIPTION = "mmgeneration (open-mmlab/mmgeneration)"

_CONVOLUTIONS = {
    "convolution_1": ".conv_1.conv",
    "convolution_2": ".conv_2.conv",
    "shortcut": ".shortcut.conv",
}
_ATTENTION = {
    "query": ".theta.conv",
    "key": ".phi.conv",
    "value": ".g.conv",
    "output": ".o.conv",
    "gamma": ".gamma",
}
_NETWORKS = {"generator": "generator", "generator_ema": "ema_generator"}
_IN_PLACE = "the discriminator, whose ReLU in place makes it another function"


def recognizes(names):
    """Whether these are names of SAGAN networks of mmgeneration."""
    telling = [f"{prefix}.noise2feat.bias" for prefix in _NETWORKS]
    return any(name in names for name in (*telling, "discriminator.decision.bias"))


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
    found = {}
    for prefix, network in _NETWORKS.items():
        if _has(tensors, prefix):
            found[network] = _generator(tensors, prefix, settings, is_bgr)
    if _has(tensors, "discriminator") and not settings.relu_in_place:
        found["discriminator"] = discriminator(tensors, _discriminator_names(is_bgr))
    made = translation(found, given.get("batch_norm_epsilon", settings.epsilon))
    made.notes += notes
    made.step = int(tensors.get("meta.iter", 0))
    if "ema_generator" in made.networks:
        made.fields["ema_decay"] = settings.ema_decay
        made.settings["ema_start_step"] = settings.ema_start_step
    made.ignore(tensors, r"meta\..*", "the config, and the number of iterations")
    made.ignore(tensors, r".*\.num_batches_tracked", "counters of batches")
    made.ignore(tensors, r".*\.sv0", "the last sigma, for a log")
    if settings.relu_in_place:
        made.ignore(tensors, r"discriminator\..*", _IN_PLACE)
        made.notes.append(f"left out: {_IN_PLACE} (shortcuts see relu(x), ours see x).")
    return made


def _has(tensors, prefix):
    return any(name.startswith(f"{prefix}.") for name in tensors)


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


def _generator(tensors, prefix, settings, is_bgr):
    table = Layer(f"{prefix}.conv_blocks.0.norm_1.weight_embedding", EMBEDDING)
    is_conditional = table.is_there(tensors)

    def batch_norm(source):
        if not is_conditional:
            return plain_batch_norm(f"{source}.norm")
        return _conditional(tensors, source, settings.gains_from_one)

    names = Names(
        blocks=rf"{prefix}\.conv_blocks\.\d+",
        convolutions=_CONVOLUTIONS,
        attention=_ATTENTION,
        linear=f"{prefix}.noise2feat",
        image_convolution=f"{prefix}.to_rgb.conv",
        batch_norm=plain_batch_norm(f"{prefix}.to_rgb.bn"),
        block_batch_norm=batch_norm,
        block_batch_norms={"batch_norm_1": ".norm_1", "batch_norm_2": ".norm_2"},
        to_image=TO_BGR if is_bgr else CONVOLUTION,
    )
    fields, layers = generator(tensors, names)
    fields["num_classes"] = 0
    if is_conditional:
        fields["num_classes"], _ = shape_of(
            tensors, table.names(tensors)[0], 2, "num_classes"
        )
    return fields, layers


def _conditional(tensors, source, gains_from_one):
    gain, bias = (
        Layer(f"{source}.{name}_embedding", EMBEDDING) for name in ("weight", "bias")
    )
    return {
        "gamma": gain.effective(tensors, plus=int(gains_from_one)),
        "beta": bias.effective(tensors),
        "moving_mean": Weight(f"{source}.norm.running_mean"),
        "moving_variance": Weight(f"{source}.norm.running_var"),
    }


def _discriminator_names(is_bgr):
    return Names(
        blocks=r"discriminator\.(from_rgb|conv_blocks\.\d+)",
        convolutions=_CONVOLUTIONS,
        attention=_ATTENTION,
        linear="discriminator.decision",
        embedding="discriminator.proj_y",
        from_image=FROM_BGR if is_bgr else CONVOLUTION,
    )

"""Checkpoints of POSTECH-CVLab/PyTorch-StudioGAN, of its SAGAN configs.

Generators of 32, 128 and 256 pixels are translated. Its tables for 64 and 512 pixels
are not ours. Its discriminators are left out: their blocks apply ReLU in place, so that
the shortcut sees relu(x), where ours sees x.

| there | here |
| --- | --- |
| kernels (c_out, c_in, kh, kw), linear (out, in) | (kh, kw, c_in, c_out), (in, out) |
| the first layer's outputs as (C, 4, 4) | as (4, 4, C) |
| gain e and bias of classes as linear layers (C, classes) | (classes, C) |
| those divided by their sigma, and gain as 1 + e | gamma = 1 + e / sigma, beta |
| conv2d0, conv2d1, conv2d2 | shortcut, convolution_1, convolution_2 |
| sigma = u^T W v of stored vectors | u for which ours is the same |
| epsilon 1e-4 of batch normalisation | the same |
"""

from sagan_tf.importers import torch_files
from sagan_tf.importers.torch_layers import LINEAR, Layer
from sagan_tf.importers.torch_networks import (
    Names,
    generator,
    plain_batch_norm,
    translation,
)
from sagan_tf.importers.translation import Weight, shape_of

FORMAT = torch_files
OPTIONS = ()
DESCRIPTION = "PyTorch-StudioGAN (POSTECH-CVLab/PyTorch-StudioGAN)"

_NETWORKS = {"G": "generator", "G_ema": "ema_generator"}
_NO_DISCRIMINATOR = (
    "StudioGAN's discriminator, whose ReLU in place makes it another function"
)


def recognizes(names):
    """Whether these are names of networks of StudioGAN."""
    return any(
        name in names
        for name in ("G/conv2d5.bias", "G_ema/conv2d5.bias", "D/linear1.bias")
    )


def translate(tensors, given):
    """See `importers.SOURCES`.

    Args:
        tensors: dict of name to array, from `torch_files.read`.
        given: dict; `batch_norm_epsilon` is StudioGAN's 1e-4 by default.

    Returns:
        `Translation`, without a discriminator.

    Raises:
        BadInput: its networks are others than ours.
    """
    found = {}
    for role, network in _NETWORKS.items():
        if any(name.startswith(f"{role}/") for name in tensors):
            found[network] = _generator(tensors, role)
    made = translation(found, given.get("batch_norm_epsilon", 1e-4))
    if "ema_generator" in made.networks:
        made.fields["ema_decay"] = 0.9999
    made.step = int(tensors.get("meta.iter", 0))
    made.ignore(tensors, r"meta\.iter", "the number of iterations")
    made.ignore(tensors, r".*\.num_batches_tracked", "counters of batches")
    made.ignore(tensors, r"D/.*", _NO_DISCRIMINATOR)
    if any(name.startswith("D/") for name in tensors):
        made.notes.append(
            f"left out: {_NO_DISCRIMINATOR} (shortcuts see relu(x), ours see x)."
        )
    return made


def _generator(tensors, role):
    blocks = rf"{role}/blocks\.\d+\.0"
    table = Layer(f"{role}/blocks.0.0.bn1.gain", LINEAR)
    is_conditional = table.is_there(tensors)
    names = Names(
        blocks=blocks,
        convolutions={
            "convolution_1": ".conv2d1",
            "convolution_2": ".conv2d2",
            "shortcut": ".conv2d0",
        },
        attention={
            "query": ".conv1x1_theta",
            "key": ".conv1x1_phi",
            "value": ".conv1x1_g",
            "output": ".conv1x1_attn",
            "gamma": ".sigma",
        },
        linear=f"{role}/linear0",
        image_convolution=f"{role}/conv2d5",
        batch_norm=plain_batch_norm(f"{role}/bn4"),
        block_batch_norm=lambda source: (
            _conditional(tensors, source)
            if is_conditional
            else plain_batch_norm(source)
        ),
        block_batch_norms={"batch_norm_1": ".bn1", "batch_norm_2": ".bn2"},
    )
    fields, layers = generator(tensors, names)
    fields["num_classes"] = 0
    if is_conditional:
        _, fields["num_classes"] = shape_of(
            tensors, table.names(tensors)[0], 2, "num_classes"
        )
    return fields, layers


def _conditional(tensors, source):
    return {
        "gamma": Layer(f"{source}.gain", LINEAR).effective(tensors, plus=1),
        "beta": Layer(f"{source}.bias", LINEAR).effective(tensors),
        "moving_mean": Weight(f"{source}.bn.running_mean"),
        "moving_variance": Weight(f"{source}.bn.running_var"),
    }

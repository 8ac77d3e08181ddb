"""Checkpoints of POSTECH-CVLab/PyTorch-StudioGAN's SAGAN configs.

Generators of 32, 128 and 256 pixels are translated. The width tables for 64 and 512
pixels differ from ours. Discriminators are left out: their blocks apply ReLU in place,
so their shortcut sees relu(x) and ours sees x.

| there | here |
| --- | --- |
| gain e and bias of classes as linear layers (C, classes) | (classes, C) |
| both divided by their sigma, and gain as 1 + e | gamma = 1 + e / sigma, beta |
| conv2d0, conv2d1, conv2d2 | shortcut, convolution_1, convolution_2 |
| sigma = u^T W v of stored vectors | u for which ours is the same |
| epsilon 1e-4 of batch normalization | the same |
"""

from sagan_tf.importers.torch_layers import LINEAR
from sagan_tf.importers.torch_networks import Names
from sagan_tf.importers.torch_networks import translate as translate_networks

OPTIONS = ()
DESCRIPTION = "PyTorch-StudioGAN (POSTECH-CVLab/PyTorch-StudioGAN)"
TELLING = r"G(_ema)?/conv2d5\.bias|D/linear1\.bias"

_NAMES = Names(
    prefixes={"generator": "G/", "ema_generator": "G_ema/", "discriminator": "D/"},
    blocks=r"blocks\.\d+\.0",
    convolutions=(".conv2d1", ".conv2d2", ".conv2d0"),
    attention=(
        *(f".conv1x1_{part}" for part in ("theta", "phi", "g", "attn")),
        ".sigma",
    ),
    linear="linear0",
    image_convolution="conv2d5",
    image_norm="bn4",
    norms=(".bn1", ".bn2"),
    class_norm=".bn",
    class_tables=(".gain", ".bias"),
    table_layout=LINEAR,
)


def translate(tensors, given):
    """See `importers.SOURCES`. Omits the discriminator.

    `batch_norm_epsilon` is StudioGAN's 1e-4 by default.

    Raises:
        BadInput: the networks differ from ours.
    """
    epsilon = given.get("batch_norm_epsilon", 1e-4)
    return translate_networks(tensors, _NAMES, epsilon, 0.9999, relu_in_place=True)

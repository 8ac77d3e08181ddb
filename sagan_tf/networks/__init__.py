"""The networks and their losses: `keras.ops` only, so they run on any Keras backend."""

from sagan_tf.networks.builders import build_discriminator, build_generator
from sagan_tf.networks.folding import fold_generator

__all__ = ["build_discriminator", "build_generator", "fold_generator"]

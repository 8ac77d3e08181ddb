"""SAGAN as a Keras model, and everything that its training step is made of."""

from sagan_tf.model.sagan import SAGAN

__all__ = ["SAGAN"]

"""Conditional batch normalization whose tables are spectrally normalized."""

import keras

from sagan_tf.errors import BadInput
from sagan_tf.layers.conditional_batch_norm import ConditionalBatchNorm
from sagan_tf.layers.spectrally_normalized_layer import SpectrallyNormalizedLayer


@keras.saving.register_keras_serializable(package="sagan_tf")
class SpectralConditionalBatchNorm(SpectrallyNormalizedLayer, ConditionalBatchNorm):
    """`ConditionalBatchNorm` as in some reproductions, not as in the official code.

        gamma = 1 + E / sigma(E),   beta = F / sigma(F)

    with tables E, F `(num_classes, C)` in place of gamma and beta. Each table has
    spectral norm 1, so with many classes hardly any class can differ from the mean.
    The layer exists to measure this effect.

    Args:
        num_classes: int >= 1.
        momentum, epsilon, synchronized, unbiased_moving_variance, debias: see
            `ConditionalBatchNorm`.
        kwargs: see `SpectrallyNormalizedLayer`. `spectral_normalization=False` is for a
            folded copy, whose tables are the quotients. A table of zeros has no
            direction and cannot be normalized.

    Call arguments, Returns: see `ConditionalBatchNorm`; with `training=True` the `u` of
        both tables is updated.

    Raises:
        BadInput: there are no classes.

    Reference: PyTorch-StudioGAN `utils/ops.py`: `ConditionalBatchNorm2d`
    """

    def __init__(self, num_classes, **kwargs):
        super().__init__(num_classes=num_classes, **kwargs)
        if self.num_classes is None:
            raise BadInput(
                "SpectralConditionalBatchNorm needs classes. Received: "
                f"num_classes={num_classes}. Try ConditionalBatchNorm."
            )

    def _build_tables(self, channels):
        self.gain = self.table(self.num_classes, channels, "gain", self.variable_dtype)
        self.bias = self.table(self.num_classes, channels, "bias", self.variable_dtype)

    def tables(self):
        if self.spectral_normalization:
            return 1 + self.gain.normalized_weight(), self.bias.normalized_weight()
        return 1 + self.gain.embeddings, self.bias.embeddings + 0

    def _look_up(self, labels, training):
        gain = self.gain(labels, training=training)
        bias = self.bias(labels, training=training)
        return 1 + gain[:, None, None, :], bias[:, None, None, :]

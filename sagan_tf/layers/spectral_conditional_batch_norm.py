"""Conditional batch normalization whose tables are spectrally normalized."""

import keras

from sagan_tf.errors import BadInput
from sagan_tf.layers.conditional_batch_norm import ConditionalBatchNorm
from sagan_tf.layers.spectrally_normalized_layer import fresh, normalized


@keras.saving.register_keras_serializable(package="sagan_tf")
class SpectralConditionalBatchNorm(ConditionalBatchNorm):
    """`ConditionalBatchNorm` as in some reproductions, not as in the official code.

        gamma = 1 + E / sigma(E),   beta = F / sigma(F)

    with tables E, F `(num_classes, C)` in place of gamma and beta. Each table has
    spectral norm 1, so with many classes hardly any class can differ from the mean.
    The layer is here to measure what this does.

    Args:
        num_classes: int >= 1.
        momentum, epsilon, synchronized, unbiased_moving_variance: see
            `ConditionalBatchNorm`.
        spectral_normalization: bool; `False` is for a folded copy, whose tables are the
            quotients.
        power_iterations, stop_gradient: see `SpectralNormalization`.
        kernel_initializer: initializer of both tables. A table of zeros has no
            direction and cannot be normalized.

    Call arguments, Returns: see `ConditionalBatchNorm`; with `training=True` the `u` of
        both tables move.

    Raises:
        BadInput: there are no classes.

    Reference: PyTorch-StudioGAN `utils/ops.py`: `ConditionalBatchNorm2d`
    """

    def __init__(
        self,
        num_classes,
        spectral_normalization=True,
        power_iterations=1,
        stop_gradient=False,
        kernel_initializer="glorot_uniform",
        **kwargs,
    ):
        super().__init__(num_classes, **kwargs)
        if self.num_classes is None:
            raise BadInput(
                "SpectralConditionalBatchNorm needs classes. Received: "
                f"num_classes={num_classes}. Try ConditionalBatchNorm."
            )
        self.spectral_normalization = spectral_normalization
        self.power_iterations = power_iterations
        self.stop_gradient = stop_gradient
        self.kernel_initializer = keras.initializers.get(kernel_initializer)

    def _build_tables(self, channels):
        self.gain = self._table(channels, "gain")
        self.bias = self._table(channels, "bias")

    def _table(self, channels, name):
        table = normalized(
            keras.layers.Embedding(
                self.num_classes,
                channels,
                embeddings_initializer=fresh(self.kernel_initializer),
                dtype=self.variable_dtype,
                name=name,
            ),
            self.spectral_normalization,
            self.power_iterations,
            self.stop_gradient,
        )
        table.build((None,))
        return table

    def tables(self):
        if self.spectral_normalization:
            return 1 + self.gain.normalized_weight(), self.bias.normalized_weight()
        return 1 + self.gain.embeddings, self.bias.embeddings + 0

    def _look_up(self, labels, training):
        gain = self.gain(labels, training=training)
        bias = self.bias(labels, training=training)
        return 1 + gain[:, None, None, :], bias[:, None, None, :]

    def get_config(self):
        return {
            **super().get_config(),
            "spectral_normalization": self.spectral_normalization,
            "power_iterations": self.power_iterations,
            "stop_gradient": self.stop_gradient,
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
        }

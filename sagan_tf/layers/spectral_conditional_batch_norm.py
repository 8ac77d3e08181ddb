"""Conditional batch normalisation whose tables are spectrally normalised."""

import keras

from sagan_tf.errors import BadInput
from sagan_tf.layers.conditional_batch_norm import ConditionalBatchNorm
from sagan_tf.layers.spectral_normalization import SpectralNormalization


@keras.saving.register_keras_serializable(package="sagan_tf")
class SpectralConditionalBatchNorm(ConditionalBatchNorm):
    """`ConditionalBatchNorm` as some reproductions have it: not the official form.

        gamma = 1 + E / sigma(E),   beta = F / sigma(F)

    with tables E, F `(num_classes, C)` in place of gamma and beta. All classes together
    have a gain and a bias of spectral norm 1: with many classes, hardly any can differ
    from the mean. It is here so that what this does can be measured.

    Args:
        num_classes: int; this form has classes.
        momentum, epsilon, synchronized, unbiased_moving_variance: see
            `ConditionalBatchNorm`.
        spectral_normalization: bool; `False` is for a folded copy, whose tables are the
            quotients.
        power_iterations, stop_gradient: see `SpectralNormalization`.
        kernel_initializer: initializer of both tables. A table of zeros has no
            direction to be normalised to.

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
        initializer = self.kernel_initializer
        table = keras.layers.Embedding(
            self.num_classes,
            channels,
            # A copy: one object draws the same values at each use.
            embeddings_initializer=initializer.__class__.from_config(
                initializer.get_config()
            ),
            dtype=self.variable_dtype,
            name=name,
        )
        if self.spectral_normalization:
            table = SpectralNormalization(
                table, self.power_iterations, self.stop_gradient, name=name
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

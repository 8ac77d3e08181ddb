"""The base class of layers that are made of convolutions and matrices."""

import keras

from sagan_tf.layers.spectral_normalization import SpectralNormalization


def normalized(
    layer, spectral_normalization, power_iterations, stop_gradient, clamp_sigma=False
):
    """Wraps `layer` in `SpectralNormalization` if `spectral_normalization`."""
    if not spectral_normalization:
        return layer
    return SpectralNormalization(
        layer,
        power_iterations,
        stop_gradient,
        clamp_sigma=clamp_sigma,
        name=layer.name,
    )


class SpectrallyNormalizedLayer(keras.layers.Layer):
    """A layer that makes its parts with shared settings.

    Args:
        spectral_normalization: bool, whether the parts' weights are normalized.
        power_iterations, stop_gradient, clamp_sigma: see `SpectralNormalization`.
        kernel_initializer: initializer of every kernel and embedding. The official code
            uses Glorot uniform. With a seed n, the parts get n, n + 1, ...
    """

    def __init__(
        self,
        spectral_normalization=True,
        power_iterations=1,
        stop_gradient=False,
        clamp_sigma=False,
        kernel_initializer="glorot_uniform",
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.spectral_normalization = spectral_normalization
        self.power_iterations = power_iterations
        self.stop_gradient = stop_gradient
        self.clamp_sigma = clamp_sigma
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self._num_seeded = 0

    def convolution(
        self, filters, kernel_size, name, use_bias=True, kind=keras.layers.Conv2D
    ):
        """Makes a SAME convolution with stride 1, normalized if this layer is."""
        return self._normalized(
            kind(
                filters,
                kernel_size,
                padding="same",
                data_format="channels_last",
                use_bias=use_bias,
                kernel_initializer=self._initializer(),
                dtype=self.dtype_policy,
                name=name,
            )
        )

    def dense(self, units, name):
        """Makes a dense layer, normalized if this layer is."""
        return self._normalized(
            keras.layers.Dense(
                units,
                kernel_initializer=self._initializer(),
                dtype=self.dtype_policy,
                name=name,
            )
        )

    def table(self, classes, channels, name, dtype=None):
        """Makes a built embedding, one row per class, normalized if this layer is."""
        table = self._normalized(
            keras.layers.Embedding(
                classes,
                channels,
                embeddings_initializer=self._initializer(),
                dtype=dtype or self.dtype_policy,
                name=name,
            )
        )
        table.build((None,))
        return table

    def _normalized(self, layer):
        return normalized(
            layer,
            self.spectral_normalization,
            self.power_iterations,
            self.stop_gradient,
            self.clamp_sigma,
        )

    def _initializer(self):
        # One object, or one seed, would give the same values to each part.
        initializer = self.kernel_initializer
        if not isinstance(initializer, keras.initializers.Initializer):
            return initializer  # A function.
        config = initializer.get_config()
        if isinstance(config.get("seed"), dict):
            return initializer  # Its seed generator advances.
        if isinstance(config.get("seed"), int):
            config["seed"] += self._num_seeded
            self._num_seeded += 1
        return initializer.from_config(config)

    def get_config(self):
        return {
            **super().get_config(),
            "spectral_normalization": self.spectral_normalization,
            "power_iterations": self.power_iterations,
            "stop_gradient": self.stop_gradient,
            "clamp_sigma": self.clamp_sigma,
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
        }

"""The residual blocks of the generator and the discriminator."""

import keras
from keras import ops

from sagan_tf.layers.conditional_batch_norm import ConditionalBatchNorm
from sagan_tf.layers.resampling_convolutions import (
    PoolingConvolution,
    UpsamplingConvolution,
    downsample,
    downsampled_shape,
    upsample,
    upsampled_shape,
)
from sagan_tf.layers.spectral_conditional_batch_norm import SpectralConditionalBatchNorm
from sagan_tf.layers.spectrally_normalized_layer import SpectrallyNormalizedLayer


@keras.saving.register_keras_serializable(package="sagan_tf")
class GeneratorBlock(SpectrallyNormalizedLayer):
    """A residual block that doubles height and width.

        h = conv3x3(up(relu(cbn(x)))),   h = conv3x3(relu(cbn(h))),
        y = h + up(conv1x1(x))

    `up` repeats each pixel 2x2 times. The shortcut starts from the raw x.

    Differs from the official code only in the order of the sums. There, the shortcut
    repeats before it convolves, which gives the same result at four times the cost, and
    conv3x3(up(.)) is not joined as in `UpsamplingConvolution`.

    Args:
        filters: int, channels of the output.
        num_classes: int, or `None` for plain batch normalization.
        momentum, epsilon, synchronized, debias: see `ConditionalBatchNorm`.
        normalize_tables: bool, whether the tables of batch normalization are
            spectrally normalized too: `SpectralConditionalBatchNorm`. Official: no.
        kwargs: see `SpectrallyNormalizedLayer`.

    Call arguments:
        inputs: `(B, H, W, C)` float tensor.
        labels: `(B,)` int tensor; only with classes.
        training: bool, whether batch statistics are used, and `u` and the moving
            statistics are updated.

    Returns:
        `(B, 2H, 2W, filters)` tensor.

    Raises:
        BadInput: labels are missing although there are classes, or the reverse.

    Reference: self-attention-gan `generator.py`: `block`
    """

    def __init__(
        self,
        filters,
        num_classes=None,
        momentum=0.999,
        epsilon=1e-5,
        synchronized=False,
        normalize_tables=False,
        debias=False,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.filters = filters
        self.normalize_tables = normalize_tables
        self.num_classes = num_classes or None
        self.momentum = momentum
        self.epsilon = epsilon
        self.synchronized = synchronized
        self.debias = debias

    def build(self, inputs_shape, labels_shape=None):
        hidden_shape = (*inputs_shape[:-1], self.filters)
        self.batch_norm_1 = self._batch_norm("batch_norm_1")
        self.batch_norm_1.build(inputs_shape)
        self.convolution_1 = self.convolution(
            self.filters, 3, "convolution_1", kind=UpsamplingConvolution
        )
        self.convolution_1.build(inputs_shape)
        self.batch_norm_2 = self._batch_norm("batch_norm_2")
        self.batch_norm_2.build(hidden_shape)
        self.convolution_2 = self.convolution(self.filters, 3, "convolution_2")
        self.convolution_2.build(hidden_shape)
        self.shortcut = self.convolution(self.filters, 1, "shortcut")
        self.shortcut.build(inputs_shape)

    def call(self, inputs, labels=None, training=False):
        x = ops.relu(self.batch_norm_1(inputs, labels, training=training))
        x = self.convolution_1(x, training=training)
        x = ops.relu(self.batch_norm_2(x, labels, training=training))
        x = self.convolution_2(x, training=training)
        return x + upsample(self.shortcut(inputs, training=training))

    def _batch_norm(self, name):
        options = {
            "momentum": self.momentum,
            "epsilon": self.epsilon,
            "synchronized": self.synchronized,
            "debias": self.debias,
            "dtype": self.dtype_policy,
            "name": name,
        }
        if not self.normalize_tables:
            return ConditionalBatchNorm(self.num_classes, **options)
        return SpectralConditionalBatchNorm(
            self.num_classes,
            spectral_normalization=self.spectral_normalization,
            power_iterations=self.power_iterations,
            stop_gradient=self.stop_gradient,
            kernel_initializer=self._initializer(),
            **options,
        )

    def compute_output_shape(self, inputs_shape, labels_shape=None):
        return upsampled_shape(inputs_shape, self.filters)

    def get_config(self):
        return {
            **super().get_config(),
            "filters": self.filters,
            "num_classes": self.num_classes,
            "momentum": self.momentum,
            "epsilon": self.epsilon,
            "synchronized": self.synchronized,
            "normalize_tables": self.normalize_tables,
            "debias": self.debias,
        }


@keras.saving.register_keras_serializable(package="sagan_tf")
class DiscriminatorOptimizedBlock(SpectrallyNormalizedLayer):
    """The discriminator's first residual block, which sees the image.

        y = down(conv3x3(relu(conv3x3(x)))) + conv1x1(down(x))

    No activation comes before the first convolution, and the shortcut pools before it
    convolves. `down` is a 2x2 average pool.

    Args:
        filters: int, channels of the output.
        kwargs: see `SpectrallyNormalizedLayer`.

    Call arguments:
        inputs: `(B, H, W, C)` float tensor; here images.
        training: bool, whether `u` is updated.

    Returns:
        `(B, H // 2, W // 2, filters)` tensor.

    Reference: self-attention-gan `discriminator.py`: `optimized_block`
    """

    downsample = True
    _first_activation = staticmethod(lambda x: x)

    def __init__(self, filters, **kwargs):
        super().__init__(**kwargs)
        self.filters = filters

    def build(self, input_shape):
        self.convolution_1 = self.convolution(self.filters, 3, "convolution_1")
        self.convolution_1.build(input_shape)
        kind = PoolingConvolution if self.downsample else keras.layers.Conv2D
        self.convolution_2 = self.convolution(
            self.filters, 3, "convolution_2", kind=kind
        )
        self.convolution_2.build((*input_shape[:-1], self.filters))
        self.shortcut = None
        if self.downsample or input_shape[-1] != self.filters:
            self.shortcut = self.convolution(self.filters, 1, "shortcut")
            self.shortcut.build(input_shape)

    def call(self, inputs, training=False):
        x = self.convolution_1(self._first_activation(inputs), training=training)
        x = self.convolution_2(ops.relu(x), training=training)
        shortcut = downsample(inputs) if self.downsample else inputs
        if self.shortcut is not None:
            shortcut = self.shortcut(shortcut, training=training)
        return x + shortcut

    def compute_output_shape(self, input_shape):
        if self.downsample:
            return downsampled_shape(input_shape, self.filters)
        return (*input_shape[:-1], self.filters)

    def get_config(self):
        return {**super().get_config(), "filters": self.filters}


@keras.saving.register_keras_serializable(package="sagan_tf")
class DiscriminatorBlock(DiscriminatorOptimizedBlock):
    """A residual block of the discriminator.

        h = conv3x3(relu(conv3x3(relu(x)))),   y = down(h) + conv1x1(down(x))

    `down` is a 2x2 average pool, absent without `downsample`. The shortcut starts from
    the raw x; it is the identity when the block neither pools nor changes the number of
    channels.

    Differs from the official code only in the order of the sums. There, the shortcut
    convolves before it pools, which gives the same result at four times the cost, and
    down(conv3x3(.)) is not joined as in `PoolingConvolution`.

    Args:
        downsample: bool, whether height and width are halved.
        filters, kwargs: see `DiscriminatorOptimizedBlock`, also for the call arguments.

    Returns:
        `(B, H // 2, W // 2, filters)` tensor, or `(B, H, W, filters)` without
        `downsample`.

    Reference: self-attention-gan `discriminator.py`: `block`
    """

    _first_activation = staticmethod(ops.relu)

    def __init__(self, filters, downsample=True, **kwargs):
        super().__init__(filters, **kwargs)
        self.downsample = downsample

    def get_config(self):
        return {**super().get_config(), "downsample": self.downsample}

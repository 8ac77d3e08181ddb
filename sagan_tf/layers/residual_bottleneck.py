"""A residual block with as many parameters as attention: the paper's control."""

import functools

import keras
from keras import ops

from sagan_tf.layers.spectrally_normalized_layer import SpectrallyNormalizedLayer


@keras.saving.register_keras_serializable(package="sagan_tf")
class ResidualBottleneck(SpectrallyNormalizedLayer):
    """A control for self-attention: a residual block with as many parameters.

        y = x + gamma * conv1x1(relu(conv3x3(relu(conv1x1(relu(x))))))

    without biases; gamma is a trainable scalar that starts at 0, as in `SelfAttention`.
    The convolutions have a, b and C channels. a and b are chosen so that the number of
    parameters, C a + 9 a b + b C + 1, is nearest to the 1.25 C^2 + 1 of the official
    attention block: within 1 % from C = 24 on.

    The construction is ours. The paper (section 5.2) only mentions "residual blocks
    with the same number of parameters", and their code is not public.

    Args:
        kwargs: see `SpectrallyNormalizedLayer`.

    Call arguments:
        inputs: `(B, H, W, C)` float tensor.
        training: bool, whether `u` is updated.

    Returns:
        `(B, H, W, C)` tensor.

    Reference: Zhang et al., arXiv 1805.08318, section 5.2, table 1 ("Residual")
    """

    def build(self, input_shape):
        channels = input_shape[-1]
        first, second = bottleneck_widths(channels)
        self.convolution_1, self.convolution_2, self.convolution_3 = convolutions = [
            self.convolution(filters, size, f"convolution_{number}", use_bias=False)
            for number, filters, size in (
                (1, first, 1),
                (2, second, 3),
                (3, channels, 1),
            )
        ]
        for convolution, depth in zip(convolutions, (channels, first, second)):
            convolution.build((*input_shape[:-1], depth))
        self.gamma = self.add_weight(shape=(), initializer="zeros", name="gamma")

    def call(self, inputs, training=False):
        x = inputs
        for convolution in (self.convolution_1, self.convolution_2, self.convolution_3):
            x = convolution(ops.relu(x), training=training)
        return inputs + self.gamma * x

    def compute_output_shape(self, input_shape):
        return input_shape


@functools.cache
def bottleneck_widths(channels):
    """Returns the channels of the two inner feature maps of a `ResidualBottleneck`.

    Among the pairs nearest to 1.25 C^2 parameters, or within 1 % of it, this is the
    one whose widths differ least.
    """
    target = 5 * channels * channels / 4
    best = []
    for first in range(1, channels + 1):
        # C a + 9 a b + b C = target, solved for b.
        exact = (target - channels * first) / (9 * first + channels)
        for second in {max(int(exact), 1), int(exact) + 1}:
            parameters = channels * (first + second) + 9 * first * second
            error = abs(parameters - target) / target
            best.append((max(error, 0.0099), abs(first - second), first, second))
    return min(best)[2:]

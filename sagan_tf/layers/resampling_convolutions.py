"""Convolutions that are joined with the resampling before or after them.

Repeating and averaging pixels are box filters, which commute with convolutions. So the
convolution can stride over the smaller image, with a quarter of the multiplications.
The box filter costs next to nothing.
"""

import keras
from keras import ops

from sagan_tf.errors import BadInput

# Smaller images have fewer values than the kernel. Turning the kernel would cost more
# than the stride saves. Measured: docs/performance.md.
_SMALLEST_STRIDED_SIZE = 8


def downsample(x):
    """Averages 2x2 pixels: `(B, H, W, C)` to `(B, H // 2, W // 2, C)`."""
    return ops.average_pool(x, 2, 2, "valid", data_format="channels_last")


def upsample(x):
    """Repeats each pixel 2x2 times: `(B, H, W, C)` to `(B, 2H, 2W, C)`."""
    # The gradient of one broadcast over both axes would take three times as long.
    return _repeated(_repeated(x, 1), 2)


def _repeated(x, axis):
    """Computes `ops.repeat(x, 2, axis)` in 4 operations. TensorFlow would use 30."""
    shape, tiles = list(ops.shape(x)), [1] * (len(x.shape) + 1)
    tiles[axis + 1] = 2
    shape[axis] *= 2
    return ops.reshape(ops.tile(ops.expand_dims(x, axis + 1), tiles), shape)


def downsampled_shape(shape, channels):
    """`(B, H, W, C)` to `(B, H // 2, W // 2, channels)`; unknown sizes are `None`."""
    batch, *sizes, _ = shape
    return (batch, *(size and size // 2 for size in sizes), channels)


def upsampled_shape(shape, channels):
    """`(B, H, W, C)` to `(B, 2H, 2W, channels)`; unknown sizes are `None`."""
    batch, *sizes, _ = shape
    return (batch, *(size and 2 * size for size in sizes), channels)


def box_filter(x):
    """Averages all 2x2 neighbours: `(B, H, W, C)` to `(B, H - 1, W - 1, C)`."""
    return ops.average_pool(x, 2, 1, "valid", data_format="channels_last")


@ops.custom_gradient
def padded_box_filter(x):
    """Applies `box_filter` to x with a border of zeros, one pixel wide.

    Each value is in four means, so the gradient is the box filter of the gradient.
    TensorFlow's gradients of the pooling and the padding take three times as long.

    Args:
        x: `(B, H, W, C)` float tensor.

    Returns:
        `(B, H + 1, W + 1, C)` tensor.
    """

    def gradient(*args, upstream=None):
        # PyTorch's backend also passes the inputs, and names the gradient.
        return box_filter(args[0] if upstream is None else upstream)

    return box_filter(ops.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))), gradient


def is_strided(height):
    """Returns True if an `UpsamplingConvolution` strides over images of this height."""
    return height is None or height >= _SMALLEST_STRIDED_SIZE


def turned(kernel):
    """Returns the kernel of the transposed convolution in `UpsamplingConvolution`.

    Args:
        kernel: `(3, 3, c_in, c_out)` tensor.

    Returns:
        `(3, 3, c_out, c_in)` tensor.
    """
    # The box filter that follows averages four values, but their sum is needed.
    return 4 * ops.transpose(ops.flip(kernel, (0, 1)), (0, 1, 3, 2))


class _ResamplingConvolution(keras.layers.Conv2D):
    """A convolution with a 3x3 kernel, stride 1, SAME padding and channels last."""

    def __init__(self, filters, kernel_size=3, padding="same", **kwargs):
        super().__init__(filters, kernel_size, padding=padding, **kwargs)
        size = (self.kernel_size, self.strides, self.dilation_rate, self.groups)
        kind = (self.padding, self.data_format)
        if size != ((3, 3), (1, 1), (1, 1), 1) or kind != ("same", "channels_last"):
            raise BadInput(
                f"{self.__class__.__name__} must have a 3x3 kernel, stride 1, no "
                "dilation, one group, SAME padding and channels last. Received: "
                f"kernel_size, strides, dilation_rate, groups = {size}, padding, "
                f"data_format = {kind}."
            )


@keras.saving.register_keras_serializable(package="sagan_tf")
class UpsamplingConvolution(_ResamplingConvolution):
    """A 3x3 convolution of an image whose pixels are first repeated 2x2 times.

    Let z be the image with x at every second place and zeros between. `up(x)` sums 2x2
    neighbours of z, so

        conv(up(x)) = box_sum(conv(z)),

    and conv(z) is a transposed convolution of x with stride 2, which skips the zeros.
    The result equals `conv(upsample(x))` up to the order of the sums.

    Args:
        filters: int, channels of the output.
        kwargs: see `keras.layers.Conv2D`. The kernel must be 3x3, the stride 1, the
            padding SAME, and channels last.

    Call arguments:
        inputs: `(B, H, W, C)` float tensor.

    Returns:
        `(B, 2H, 2W, filters)` tensor.
    """

    def convolution_op(self, inputs, kernel):
        """Computes the linear part, without the bias."""
        if not is_strided(inputs.shape[1]):
            return super().convolution_op(upsample(inputs), kernel)
        spread = ops.conv_transpose(
            inputs, turned(kernel), 2, "valid", data_format="channels_last"
        )
        return box_filter(spread)

    def compute_output_shape(self, input_shape):
        return upsampled_shape(input_shape, self.filters)


@keras.saving.register_keras_serializable(package="sagan_tf")
class PoolingConvolution(_ResamplingConvolution):
    """A 3x3 convolution whose result is averaged over 2x2 pixels.

        down(conv(x)) = conv(box_mean(x)) at every second place,

    which is a convolution with stride 2. The result equals `downsample(conv(x))` up
    to the order of the sums.

    Args, Call arguments: see `UpsamplingConvolution`.

    Returns:
        `(B, H // 2, W // 2, filters)` tensor.
    """

    def convolution_op(self, inputs, kernel):
        """Computes the linear part, without the bias."""
        # SAME padding comes first: the box filter also sees the border's zeros.
        means = padded_box_filter(inputs)
        return ops.conv(means, kernel, 2, "valid", data_format="channels_last")

    def compute_output_shape(self, input_shape):
        return downsampled_shape(input_shape, self.filters)

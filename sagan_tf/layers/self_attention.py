"""Self-attention over the locations of a feature map."""

import keras
from keras import ops

from sagan_tf.errors import BadInput
from sagan_tf.layers.checks import check_map
from sagan_tf.layers.chunked_attention import (
    attend,
    attend_in_chunks,
    automatic_chunk_size,
    largest_divisor,
)
from sagan_tf.layers.spectrally_normalized_layer import SpectrallyNormalizedLayer

VARIANTS = ("official", "paper_v1", "paper_icml")


@keras.saving.register_keras_serializable(package="sagan_tf")
class SelfAttention(SpectrallyNormalizedLayer):
    """The SAGAN attention block.

    With f, g, h, v 1x1 convolutions without bias, and locations i (keys, values) and
    j (queries),

        beta_{j,i} = softmax_i(f(x_i)^T g(x_j)),   o_j = v(sum_i beta_{j,i} h(x_i)),
        y = gamma * o + x                       (ICML paper, equations 1, 2 and 3)

    without a 1/sqrt(d) scale. gamma is a trainable scalar that starts at 0 and is not
    normalized. f and g have C/8 channels (integer division, at least 1). The variants:

    | variant | h | v | keys and values |
    | --- | --- | --- | --- |
    | `official` | C/2 | C/2 -> C | max-pooled 2x2, stride 2 |
    | `paper_v1` (arXiv v1) | C | none | all locations |
    | `paper_icml` | C/8 | C/8 -> C | all locations |

    Names in the official code: `theta` = g (queries), `phi` = f (keys), `g` = h
    (values), `attn` = v, `sigma_ratio` = gamma. `official` has 1.25 C^2 + 1 parameters.

    The softmax is computed in float32, even under mixed precision.

    Args:
        variant: one of the above.
        chunk_size: int, number of queries whose part of beta is in memory at a time (or
            the next smaller number that divides H * W); 0 for all; `None` for the
            default of `chunk_size_for`. The result is the same up to rounding. Chunks
            do not support second derivatives.
        kwargs: see `SpectrallyNormalizedLayer`.

    Call arguments:
        inputs: `(B, H, W, C)` float tensor.
        return_attention_scores: bool, whether beta is returned as well.
        training: bool, whether `u` is updated.

    Returns:
        `(B, H, W, C)` tensor. With scores, a pair of this tensor and beta,
        `(B, H * W, N)`. Row j (row-major over H, W) sums to 1 over the N = H * W keys,
        or, in the official variant, N = (H // 2) * (W // 2) pooled keys.

    Raises:
        BadInput: unknown variant, negative `chunk_size`, or a map that is too small to
            be pooled.

    Reference:
        - Zhang et al., Self-Attention GANs, arXiv 1805.08318, section 3
        - self-attention-gan `non_local.py`: `sn_non_local_block_sim`
    """

    def __init__(self, variant="official", chunk_size=None, **kwargs):
        super().__init__(**kwargs)
        if variant not in VARIANTS:
            raise BadInput(
                f"variant must be one of {', '.join(VARIANTS)}. Received: {variant!r}."
            )
        if chunk_size is not None and chunk_size < 0:
            raise BadInput(
                "chunk_size must be at least 1, 0 for the whole map, or None for the "
                f"default. Received: {chunk_size}."
            )
        self.variant = variant
        self.chunk_size = chunk_size

    def build(self, input_shape):
        check_map(self, input_shape)
        if 0 in self.map_shape(*(size or 2 for size in input_shape[1:3])):
            raise BadInput(
                "The official attention pools keys and values 2x2, so height and width "
                f"must be at least 2. Received: {tuple(input_shape)}. Try "
                "variant='paper_icml'."
            )
        channels = input_shape[-1]
        narrow = max(channels // 8, 1)
        values = {
            "official": max(channels // 2, 1),
            "paper_v1": channels,
            "paper_icml": narrow,
        }[self.variant]
        self.query = self.convolution(narrow, 1, "query", use_bias=False)
        self.key = self.convolution(narrow, 1, "key", use_bias=False)
        self.value = self.convolution(values, 1, "value", use_bias=False)
        for convolution in (self.query, self.key, self.value):
            convolution.build(input_shape)
        self.output_convolution = None
        if self.variant != "paper_v1":
            self.output_convolution = self.convolution(
                channels, 1, "output", use_bias=False
            )
            self.output_convolution.build((*input_shape[:-1], values))
        self.gamma = self.add_weight(shape=(), initializer="zeros", name="gamma")

    def call(self, inputs, return_attention_scores=False, training=False):
        queries = self._flat(self.query(inputs, training=training))
        keys = self._flat(self._pooled(self.key(inputs, training=training)))
        values = self._flat(self._pooled(self.value(inputs, training=training)))
        size = self.chunk_size_for(*inputs.shape[1:3])
        if return_attention_scores:
            output, scores = attend(queries, keys, values)
        else:
            output = attend_in_chunks(queries, keys, values, size)
        shape = ops.shape(inputs)
        output = ops.reshape(output, (-1, shape[1], shape[2], values.shape[-1]))
        if self.output_convolution is not None:
            output = self.output_convolution(output, training=training)
        output = inputs + self.gamma * output
        return (output, scores) if return_attention_scores else output

    def map_shape(self, height, width):
        """Returns the heights and widths of queries and keys in a feature map: 4 ints.

        An unknown size, `None`, stays `None`.
        """
        stride = 2 if self.variant == "official" else 1
        return height, width, *(size and size // stride for size in (height, width))

    def map_size(self, height, width):
        """Returns the numbers of queries and keys in a feature map of this size.

        They are two ints, or both `None` for an unknown size.
        """
        if height is None or width is None:
            return None, None
        height, width, key_height, key_width = self.map_shape(height, width)
        return height * width, key_height * key_width

    def chunk_size_for(self, height, width):
        """Computes the number of queries in one chunk of a feature map of this size.

        By default, maps of up to 2^22 values per image (16 MiB in float32) stay whole,
        and larger ones are cut into parts of 2^20.

        Args:
            height, width: ints, or `None` when unknown.

        Returns:
            int, or `None` if the whole attention map is in memory.
        """
        queries, keys = self.map_size(height, width)
        if self.chunk_size == 0 or queries is None:
            return None
        if self.chunk_size is None:
            return automatic_chunk_size(queries, keys)
        size = largest_divisor(queries, self.chunk_size)
        return None if size == queries else size

    def _pooled(self, x):
        if self.variant != "official":
            return x
        return ops.max_pool(x, 2, 2, "valid", data_format="channels_last")

    def _flat(self, x):
        shape = ops.shape(x)
        return ops.reshape(x, (-1, shape[1] * shape[2], x.shape[-1]))

    def compute_output_shape(self, input_shape):
        return input_shape

    def compute_output_spec(
        self, inputs, return_attention_scores=False, training=False
    ):
        output = keras.KerasTensor(inputs.shape, self.compute_dtype)
        if not return_attention_scores:
            return output
        shape = (inputs.shape[0], *self.map_size(*inputs.shape[1:3]))
        dtype = keras.backend.result_type(self.compute_dtype, "float32")
        return output, keras.KerasTensor(shape, dtype)

    def get_config(self):
        return {
            **super().get_config(),
            "variant": self.variant,
            "chunk_size": self.chunk_size,
        }

"""The layers of SAGAN: `keras.ops` only, so they run on any Keras backend."""

from sagan_tf.layers.auxiliary_classifier_head import AuxiliaryClassifierHead
from sagan_tf.layers.conditional_batch_norm import ConditionalBatchNorm
from sagan_tf.layers.projection_head import ProjectionHead
from sagan_tf.layers.resampling_convolutions import (
    PoolingConvolution,
    UpsamplingConvolution,
)
from sagan_tf.layers.residual_blocks import (
    DiscriminatorBlock,
    DiscriminatorOptimizedBlock,
    GeneratorBlock,
)
from sagan_tf.layers.residual_bottleneck import ResidualBottleneck
from sagan_tf.layers.self_attention import SelfAttention
from sagan_tf.layers.spectral_conditional_batch_norm import SpectralConditionalBatchNorm
from sagan_tf.layers.spectral_normalization import SpectralNormalization

__all__ = [
    "AuxiliaryClassifierHead",
    "ConditionalBatchNorm",
    "DiscriminatorBlock",
    "DiscriminatorOptimizedBlock",
    "GeneratorBlock",
    "PoolingConvolution",
    "ProjectionHead",
    "ResidualBottleneck",
    "SelfAttention",
    "SpectralConditionalBatchNorm",
    "SpectralNormalization",
    "UpsamplingConvolution",
]

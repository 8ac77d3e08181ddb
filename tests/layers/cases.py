"""One case per row: a public layer, its arguments, and inputs that suit it.

Every argument differs from its default, so a missing entry of `get_config` shows.
Shapes are never square.
"""

import dataclasses

import keras
import numpy as np

from sagan_tf.layers import (
    AuxiliaryClassifierHead,
    ConditionalBatchNorm,
    DiscriminatorBlock,
    DiscriminatorOptimizedBlock,
    GeneratorBlock,
    PoolingConvolution,
    ProjectionHead,
    ResidualBottleneck,
    SelfAttention,
    SpectralConditionalBatchNorm,
    SpectralNormalization,
    UpsamplingConvolution,
)

SHARED = {
    "spectral_normalization": True,
    "power_iterations": 2,
    "stop_gradient": True,
    "clamp_sigma": True,
    "kernel_initializer": "he_normal",
}


@dataclasses.dataclass(frozen=True)
class Case:
    """A layer class, its arguments, and the shape of its input."""

    layer: type
    arguments: dict
    shape: tuple
    output_shape: tuple
    trainable: int
    non_trainable: int
    labels: bool = False
    integers: bool = False

    @property
    def id(self):
        detail = self.arguments.get("layer", self.arguments.get("variant", ""))
        suffix = getattr(detail, "name", detail)
        return "-".join(filter(None, [self.layer.__name__, suffix]))

    def build(self, dtype=None):
        """Makes a layer; rebuilds wrapped layers, so that cases share no weights."""
        arguments = dict(self.arguments)
        if "layer" in arguments:
            config = arguments["layer"].get_config()
            if dtype is not None:
                config["dtype"] = dtype
            arguments["layer"] = type(arguments["layer"]).from_config(config)
        return self.layer(dtype=dtype, **arguments)

    def inputs(self, seed=0, batch=None):
        random = np.random.default_rng(seed)
        shape = (batch or self.shape[0], *self.shape[1:])
        x = random.normal(size=shape).astype("float32")
        if self.integers:
            x = random.integers(0, 5, shape).astype("int32")
        x = keras.ops.convert_to_tensor(x)
        if not self.labels:
            return [x]
        labels = random.integers(0, 5, shape[0]).astype("int32")
        return [x, keras.ops.convert_to_tensor(labels)]


def normalized(layer, shape, output_shape, **more):
    arguments = {"power_iterations": 3, "stop_gradient": True, "epsilon": 1e-10}
    arguments["clamp_sigma"] = True
    return Case(
        SpectralNormalization,
        {"layer": layer, **arguments},
        shape,
        output_shape,
        trainable=1 if more.get("integers") else 2,
        non_trainable=1,
        **more,
    )


NORM = {"num_classes": 5, "momentum": 0.9, "epsilon": 1e-3}

CASES = [
    normalized(keras.layers.Dense(3, name="Dense"), (2, 5), (2, 3)),
    normalized(keras.layers.Conv2D(3, 3, name="Conv2D"), (2, 5, 6, 4), (2, 3, 4, 3)),
    normalized(
        keras.layers.Conv2DTranspose(3, 2, 2, name="Conv2DTranspose"),
        (2, 5, 6, 4),
        (2, 10, 12, 3),
    ),
    normalized(
        keras.layers.Embedding(5, 3, name="Embedding"), (4,), (4, 3), integers=True
    ),
    *(
        Case(
            SelfAttention,
            {"variant": variant, "chunk_size": chunk_size, **SHARED},
            (2, 4, 6, 16),
            (2, 4, 6, 16),
            trainable=convolutions + 1,
            non_trainable=convolutions,
        )
        for variant, convolutions, chunk_size in (
            ("official", 4, 8),
            ("paper_v1", 3, 6),
            ("paper_icml", 4, 0),
        )
    ),
    *(
        Case(
            layer,
            {"filters": 5, "use_bias": True, "kernel_initializer": "he_normal"},
            (2, 8, 10, 4),
            (2, *sizes, 5),
            trainable=2,
            non_trainable=0,
        )
        for layer, sizes in (
            (UpsamplingConvolution, (16, 20)),
            (PoolingConvolution, (4, 5)),
        )
    ),
    Case(
        ConditionalBatchNorm,
        {
            **NORM,
            "synchronized": False,
            "unbiased_moving_variance": True,
            "debias": True,
        },
        *((3, 4, 6, 7), (3, 4, 6, 7)),
        trainable=2,
        non_trainable=3,
        labels=True,
    ),
    Case(
        ProjectionHead,
        {"num_classes": 5, **SHARED},
        *((3, 7), (3, 1)),
        trainable=3,
        non_trainable=2,
        labels=True,
    ),
    Case(
        AuxiliaryClassifierHead,
        {"num_classes": 5, **SHARED},
        *((3, 7), (3, 6)),
        trainable=4,
        non_trainable=2,
    ),
    Case(
        ResidualBottleneck,
        SHARED,
        *((2, 4, 6, 16), (2, 4, 6, 16)),
        trainable=4,
        non_trainable=3,
    ),
    Case(
        SpectralConditionalBatchNorm,
        {
            **NORM,
            "synchronized": False,
            "unbiased_moving_variance": True,
            "debias": True,
            **SHARED,
        },
        *((3, 4, 6, 7), (3, 4, 6, 7)),
        trainable=2,
        non_trainable=5,
        labels=True,
    ),
    Case(
        GeneratorBlock,
        {"filters": 6, "synchronized": False, "debias": True, **NORM, **SHARED},
        *((3, 4, 6, 7), (3, 8, 12, 6)),
        trainable=10,
        non_trainable=9,
        labels=True,
    ),
    Case(
        GeneratorBlock,
        {
            "filters": 6,
            "synchronized": False,
            "normalize_tables": True,
            **NORM,
            **SHARED,
        },
        *((3, 4, 6, 7), (3, 8, 12, 6)),
        trainable=10,
        non_trainable=11,
        labels=True,
    ),
    Case(
        DiscriminatorBlock,
        {"filters": 6, "downsample": False, **SHARED},
        *((3, 4, 6, 7), (3, 4, 6, 6)),
        trainable=6,
        non_trainable=3,
    ),
    Case(
        DiscriminatorOptimizedBlock,
        {"filters": 6, **SHARED},
        *((3, 4, 6, 3), (3, 2, 3, 6)),
        trainable=6,
        non_trainable=3,
    ),
]

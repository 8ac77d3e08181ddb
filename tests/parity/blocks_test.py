"""Every recorded layer and block of the official code, in isolation."""

import json

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from sagan_tf.layers import (
    ConditionalBatchNorm,
    DiscriminatorBlock,
    DiscriminatorOptimizedBlock,
    GeneratorBlock,
    SelfAttention,
    SpectralNormalization,
)
from sagan_tf.layers.resampling_convolutions import downsample, upsample
from sagan_tf.networks.losses import LOSSES
from tests.parity.golden import FOLDER, assign, part, value, variable

RECORDING = np.load(FOLDER / "blocks.npz")
CASES = json.loads(str(RECORDING["meta"]))["cases"]


def sn_conv(filters, size, strides=1, **options):
    convolution = layers.Conv2D(filters, size, strides, padding="same")
    return SpectralNormalization(convolution, **options)


def sn_dense(units, **options):
    return SpectralNormalization(layers.Dense(units), **options)


def sn_embedding(classes, dim, **options):
    return SpectralNormalization(layers.Embedding(classes, dim), **options)


def final_batch_norm():
    return ConditionalBatchNorm(
        momentum=0.9999, epsilon=1.001e-5, unbiased_moving_variance=True
    )


# The cases that end in _train or _infer share the entry without the ending.
LAYERS = {
    "snconv2d_k3s1": lambda: sn_conv(7, 3),
    "snconv2d_k1s1": lambda: sn_conv(3, 1),
    "snconv2d_k3s1_iters3": lambda: sn_conv(7, 3, power_iterations=3),
    "snconv2d_k3s2_default": lambda: sn_conv(6, 3, 2),
    "snconv2d_k4s2": lambda: sn_conv(6, 4, 2),
    "snlinear_10to6": lambda: sn_dense(6),
    "snlinear_10to6_iters2": lambda: sn_dense(6, power_iterations=2),
    "snlinear_9to1": lambda: sn_dense(1),
    "sn_embedding": lambda: sn_embedding(6, 7),
    "sn_embedding_wide": lambda: sn_embedding(9, 4, power_iterations=2),
    "non_local_8x8x16": SelfAttention,
    "non_local_6x4x24": SelfAttention,
    "non_local_4x8x9": SelfAttention,
    "cbn": lambda: ConditionalBatchNorm(5),
    "cbn_old": lambda: ConditionalBatchNorm(5),
    "batch_norm": final_batch_norm,
    "batchnorm_plain": ConditionalBatchNorm,
    "g_block": lambda: GeneratorBlock(8, 5),
    "g_block_no_sn": lambda: GeneratorBlock(8, 5, spectral_normalization=False),
    "d_block_down": lambda: DiscriminatorBlock(10),
    "d_block_same_down": lambda: DiscriminatorBlock(6),
    "d_block_same_nodown": lambda: DiscriminatorBlock(6, downsample=False),
    "d_block_wider_nodown": lambda: DiscriminatorBlock(9, downsample=False),
    "d_optimized_block": lambda: DiscriminatorOptimizedBlock(6),
    "conv2d_default": lambda: layers.Conv2D(6, 3, 2, padding="same"),
    "linear": lambda: layers.Dense(6),
    "deconv2d_default": lambda: layers.Conv2DTranspose(6, 5, 2, padding="same"),
    "lrelu": lambda: lambda x: keras.ops.maximum(x, 0.2 * x),
    "g_upsample": lambda: upsample,
    "d_downsample": lambda: downsample,
    "loss_hinge_d_real": lambda: lambda x: LOSSES["hinge"][0](x, x)[0],
    "loss_hinge_d_fake": lambda: lambda x: LOSSES["hinge"][0](x, x)[1],
    "loss_hinge_g": lambda: LOSSES["hinge"][1],
    "loss_kl_d_real": lambda: lambda x: LOSSES["kl"][0](x, x)[0],
    "loss_kl_d_fake": lambda: lambda x: LOSSES["kl"][0](x, x)[1],
    "loss_kl_g": lambda: LOSSES["kl"][1],
}
# Batch normalisation removes this bias: its gradient is rounding noise.
ZERO_GRADIENTS = {
    "g_block_train": "snconv1/biases",
    "g_block_no_sn_train": "conv1/biases",
}


def recorded(case, prefix):
    """Dict of what stands behind `<case>/<prefix>`."""
    prefix = f"{case}/{prefix}"
    return {
        k[len(prefix) :]: RECORDING[k] for k in RECORDING.files if k.startswith(prefix)
    }


class Case:
    """One recorded case with our layer in its recorded state."""

    def __init__(self, name):
        self.name = name
        kind = name.removesuffix("_train").removesuffix("_infer")
        self.layer = LAYERS[kind]()
        self.training = not name.endswith("_infer")
        inputs = recorded(name, "in/")
        self.labels = inputs.pop("labels", None)
        (array,) = inputs.values()
        self.input_name = next(iter(inputs))
        dtype = keras.config.floatx() if array.dtype.kind == "f" else "int32"
        self.input = tf.constant(array, dtype)
        if self.is_layer():
            self.call()
            for path, weight in recorded(name, "var/L/").items():
                assign(variable(self.layer, path), weight)

    def is_layer(self):
        return isinstance(self.layer, keras.Layer)

    def call(self, training=False):
        if not self.is_layer():
            return self.layer(self.input)
        labels = [] if self.labels is None else [tf.constant(self.labels)]
        # Keras' own layers have no `training` argument.
        own = type(self.layer).__module__.startswith("sagan_tf")
        options = {"training": training} if own else {}
        return self.layer(self.input, *labels, **options)


def test_every_recorded_case_is_tested():
    kinds = {case.removesuffix("_train").removesuffix("_infer") for case in CASES}
    assert kinds == set(LAYERS)


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_block(name, floatx, deviation):
    tolerance = {"float32": 5e-6, "float64": 1e-12}[floatx]

    def close(quantity, ours, wanted, where):
        scale = max(np.max(np.abs(wanted)), 1e-30)
        deviation(quantity, value(ours), wanted, tolerance, scale, f"{name} {where}")

    case = Case(name)
    with tf.GradientTape() as tape:
        tape.watch(case.input)
        out = case.call(case.training)
        target = tf.reduce_sum(out * tf.cast(RECORDING[f"{name}/dy"], out.dtype))
    close("blocks: output", out, RECORDING[f"{name}/out"], "out")
    paths = recorded(name, "grad/var/L/")
    sources = {path: variable(case.layer, path) for path in paths}
    gradients = tape.gradient(
        target, {"in": case.input, **{k: v.value for k, v in sources.items()}}
    )
    for path, wanted in paths.items():
        if path != ZERO_GRADIENTS.get(name):
            close("blocks: gradient", densified(gradients[path]), wanted, path)
    if f"{name}/grad/in/{case.input_name}" in RECORDING.files:
        wanted = RECORDING[f"{name}/grad/in/{case.input_name}"]
        close("blocks: gradient", gradients["in"], wanted, "input")


def densified(gradient):
    return tf.convert_to_tensor(gradient)


@pytest.mark.parametrize("name", [c for c in CASES if recorded(c, "sigma/L")])
def test_state_of_spectral_normalization(name, floatx, deviation):
    tolerance = {"float32": 5e-6, "float64": 1e-12}[floatx]
    case = Case(name)
    for scope, wanted in recorded(name, "sigma/L").items():
        ours = value(part(case.layer, scope).sigma())
        deviation("blocks: sigma", ours, wanted, tolerance, where=f"{name}{scope}")
    case.call(training=case.training)
    if not case.training:
        return check_inference_keeps_state(case)
    for path, wanted in recorded(name, "u_after/L/").items():
        ours = value(variable(case.layer, path))
        deviation("blocks: u", ours, wanted, tolerance, where=f"{name} {path}")
    if f"{name}/out_second_call" in RECORDING.files:
        out, wanted = (
            value(case.call(case.training)),
            RECORDING[f"{name}/out_second_call"],
        )
        scale = np.abs(wanted).max()
        deviation(
            "blocks: output of a second call", out, wanted, tolerance, scale, name
        )
    return None


def check_inference_keeps_state(case):
    # Differs from the official code: our u rests at inference.
    for path, recorded_u in recorded(case.name, "var/L/").items():
        if path.endswith("u"):
            ours = value(variable(case.layer, path))
            np.testing.assert_allclose(ours, recorded_u, rtol=1e-6)


@pytest.mark.parametrize("name", [c for c in CASES if recorded(c, "stats_after/L")])
def test_moving_statistics(name, floatx, deviation):
    tolerance = {"float32": 5e-7, "float64": 1e-12}[floatx]
    case = Case(name)
    case.call(training=True)
    for path, wanted in recorded(name, "stats_after/L/").items():
        ours = value(variable(case.layer, path))
        deviation(
            "blocks: moving statistics", ours, wanted, tolerance, where=f"{name} {path}"
        )

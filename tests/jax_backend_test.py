"""Layers and networks run on another Keras backend."""

import os
import subprocess
import sys

import pytest

PROGRAM = """
import sys
import jax
import keras
import numpy as np
sys.path.insert(0, {root!r})
from sagan_tf.networks.losses import LOSSES
from sagan_tf.networks import build_discriminator, build_generator, fold_generator

assert keras.backend.backend() == "jax"
options = dict(num_classes=3, channels=2, attention_resolution=(16,))
generator = build_generator(32, 5, **options)
discriminator = build_discriminator(32, **options)
generator.get_layer("attention_16x16").gamma.assign(0.5)
z = np.random.default_rng(0).normal(size=(4, 5)).astype("float32")
labels = np.array([0, 1, 2, 0], "int32")
images = generator([z, labels])
np.testing.assert_array_equal(images, generator([z, labels]))
folded = fold_generator(generator)
np.testing.assert_allclose(folded([z, labels]), images, atol=1e-5)


def loss(trainable, non_trainable):
    fakes, state = generator.stateless_call(
        trainable, non_trainable, [z, labels], training=True
    )
    logits = discriminator([fakes, jax.numpy.array(labels)])
    return LOSSES["hinge"][1](logits), state


def values(variables):
    return [v.value for v in variables]


step = jax.jit(jax.value_and_grad(loss, has_aux=True))
(value, state), gradients = step(
    values(generator.trainable_variables), values(generator.non_trainable_variables)
)
assert np.isfinite(value)
for variable, gradient in zip(generator.trainable_variables, gradients):
    assert np.all(np.isfinite(gradient)), variable.path
    if variable.name == "kernel":
        assert np.any(gradient != 0), variable.path
for variable, new in zip(generator.non_trainable_variables, state):
    assert np.any(new != variable.value), variable.path
"""


@pytest.mark.slow
def test_layers_and_networks_run_on_jax():
    pytest.importorskip("jax", reason="JAX is in the test extra")
    root = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    result = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(root=root)],
        env={**os.environ, "KERAS_BACKEND": "jax"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr[-3000:]

"""Properties of spectral normalisation."""

import collections

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from sagan_tf.layers import (
    SpectralNormalization,
    normalized_weights,
    shared_weights,
)
from sagan_tf.model.sagan import SAGAN
from sagan_tf.networks.builders import build_discriminator, build_generator


def matrix_with_singular_values(values, rows, columns):
    """A matrix whose singular vectors are not those of a diagonal matrix."""
    random = np.random.default_rng(3)
    left, _ = np.linalg.qr(random.normal(size=(rows, len(values))))
    right, _ = np.linalg.qr(random.normal(size=(columns, len(values))))
    return (left * values @ right.T).astype("float32")


def normalized_dense(kernel, wrapper=SpectralNormalization, **options):
    layer = wrapper(layers.Dense(kernel.shape[1], use_bias=False), **options)
    layer.build((None, kernel.shape[0]))
    layer.layer.kernel.assign(kernel)
    if wrapper is SpectralNormalization:
        # Not a random one, which might be near a singular vector and tell little.
        layer.u.assign(np.resize([0.25, 1, -0.5, 0.75], layer.u.shape))
    return layer


def test_sigma_converges_to_svd():
    layer = normalized_dense(matrix_with_singular_values([5, 3, 1], 7, 4))
    assert abs(float(layer.sigma()) - 5) > 0.01
    for _ in range(30):
        layer(np.ones((1, 7), "float32"), training=True)
    assert float(layer.sigma()) == pytest.approx(5, abs=1e-5)


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (layers.Dense(6), (None, 4)),
        (layers.Conv1D(6, 3), (None, 9, 4)),
        (layers.Conv2D(6, (3, 2)), (None, 9, 8, 4)),
        (layers.Conv2DTranspose(6, (3, 2)), (None, 9, 8, 4)),
        (layers.Embedding(6, 4), (None,)),
    ],
)
def test_sigma_is_that_of_the_documented_matrix(layer, shape):
    layer = SpectralNormalization(layer, power_iterations=200)
    layer.build(shape)
    # Not the initializer's, whose two largest singular values may be close.
    random = np.random.default_rng(0)
    layer.weight.assign(random.normal(size=layer.weight.shape))
    weight = keras.ops.convert_to_numpy(layer.weight)
    if isinstance(layer.layer, layers.Conv2DTranspose):
        weight = weight.swapaxes(-1, -2)
    matrix = weight.T if weight.shape == (6, 4) else weight.reshape(-1, 6)
    assert layer.u.shape == (1, 6)
    assert float(layer.sigma()) == pytest.approx(
        np.linalg.svd(matrix, compute_uv=False)[0], rel=1e-5
    )


def loss_and_gradient(layer, x):
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(layer(x) * tf.range(1.0, 5.0))
    return loss, tape.gradient(loss, layer.layer.kernel.value).numpy()


def numeric_gradient(layer, x, step=1e-3):
    kernel = layer.layer.kernel.numpy()
    gradient = np.zeros_like(kernel)
    for index in np.ndindex(kernel.shape):
        sides = []
        for sign in (1, -1):
            moved = kernel.copy()
            moved[index] += sign * step
            layer.layer.kernel.assign(moved)
            sides.append(float(loss_and_gradient(layer, x)[0]))
        gradient[index] = (sides[0] - sides[1]) / (2 * step)
    layer.layer.kernel.assign(kernel)
    return gradient


def cosine(one, other):
    return np.sum(one * other) / np.linalg.norm(one) / np.linalg.norm(other)


def test_gradient_flows_through_sigma_and_power_iteration():
    kernel = matrix_with_singular_values([5, 3, 1], 7, 4)
    x = np.random.default_rng(0).normal(size=(2, 7)).astype("float32")
    layer = normalized_dense(kernel)
    exact = numeric_gradient(layer, x)
    np.testing.assert_allclose(loss_and_gradient(layer, x)[1], exact, atol=2e-3)
    # Holding u and v constant is another derivative as long as u has not converged.
    constant = normalized_dense(kernel, stop_gradient=True)
    constant.u.assign(layer.u)
    assert cosine(loss_and_gradient(constant, x)[1], exact) < 0.999


def test_keras_own_wrapper_has_no_gradient_through_sigma():
    kernel = matrix_with_singular_values([5, 4.9, 4.8], 7, 4)
    x = np.random.default_rng(0).normal(size=(2, 7)).astype("float32")
    layer = normalized_dense(kernel)
    exact = numeric_gradient(layer, x)
    theirs = normalized_dense(kernel, wrapper=layers.SpectralNormalization)
    theirs.layer.kernel.assign(kernel)
    assert cosine(loss_and_gradient(theirs, x)[1], exact) < 0.97
    assert cosine(loss_and_gradient(layer, x)[1], exact) > 0.9999


def test_stop_gradient_is_miyatos_closed_form():
    # d(W / sigma) with u, v constant: (dW_bar - <dW_bar, W_bar> v^T u) / sigma.
    kernel = matrix_with_singular_values([5, 3, 1], 7, 4)
    x = np.random.default_rng(0).normal(size=(2, 7)).astype("float32")
    layer = normalized_dense(kernel, stop_gradient=True)
    u = layer.u.numpy()
    v = u @ kernel.T / np.linalg.norm(u @ kernel.T)
    sigma = np.linalg.norm(v @ kernel)
    u = v @ kernel / sigma
    outer = x.T @ np.broadcast_to(np.arange(1.0, 5.0), (2, 4))
    expected = (outer - np.sum(outer * kernel / sigma) * v.T @ u) / sigma
    np.testing.assert_allclose(loss_and_gradient(layer, x)[1], expected, rtol=1e-4)


@pytest.mark.parametrize("power_iterations", [1, 3])
@pytest.mark.parametrize(
    ("make", "shape"),
    [
        (layers.Dense, (None, 4)),
        (lambda n, **k: layers.Conv2D(n, (3, 2), **k), (None, 9, 8, 4)),
        (lambda n, **k: layers.Conv2DTranspose(n, (3, 2), **k), (None, 9, 8, 4)),
        (lambda n, **k: layers.Embedding(n, 4, **k), (None,)),
    ],
)
def test_the_gradient_that_is_written_out_is_the_one_that_tensorflow_derives(
    make, shape, power_iterations
):
    layer = SpectralNormalization(make(6, dtype="float64"), power_iterations)
    layer.build(shape)
    weight = layer.weight.value
    weights = np.random.default_rng(0).normal(size=weight.shape)

    def derived(weight, u):
        matrix = layer._as_matrix(weight)
        for _ in range(power_iterations):
            a = u @ tf.transpose(matrix)
            b = a / (tf.norm(a) + 1e-12) @ matrix
            u = b / (tf.norm(b) + 1e-12)
        return weight / tf.reduce_sum(b * u)

    u = tf.constant(layer.u.numpy())
    with tf.GradientTape(persistent=True) as tape:
        # The update of u must not reach the gradient, which is computed after it.
        ours = layer.normalized_weight(update_u=True)
        theirs = derived(tf.convert_to_tensor(weight), u)
        losses = [tf.reduce_sum(value * weights) for value in (ours, theirs)]
    np.testing.assert_allclose(ours, theirs, rtol=1e-12)
    ours, theirs = (
        tf.convert_to_tensor(tape.gradient(loss, weight)) for loss in losses
    )
    scale = np.max(np.abs(theirs))
    np.testing.assert_allclose(ours, theirs, atol=1e-12 * scale)
    assert np.any(layer.u.numpy() != u)


def test_zero_kernel_gives_zero_and_recovers():
    layer = normalized_dense(np.zeros((7, 4), "float32"))
    u = layer.u.numpy()
    x = np.ones((2, 7), "float32")
    np.testing.assert_array_equal(layer(x, training=True), 0)
    np.testing.assert_array_equal(layer.u, u)
    assert np.all(np.isfinite(loss_and_gradient(layer, x)[1]))
    layer.layer.kernel.assign(matrix_with_singular_values([5, 3, 1], 7, 4))
    for _ in range(30):
        layer(x, training=True)
    assert float(layer.sigma()) == pytest.approx(5, abs=1e-5)


def test_stored_weight_stays_as_it_is():
    kernel = matrix_with_singular_values([5, 3, 1], 7, 4)
    layer = normalized_dense(kernel)
    layer(np.ones((2, 7), "float32"), training=True)
    np.testing.assert_array_equal(layer.layer.kernel, kernel)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: SpectralNormalization(layers.Dense(2), 0), "at least 1"),
        (lambda: SpectralNormalization("dense"), "keras.layers.Layer"),
        (
            lambda: SpectralNormalization(layers.ReLU()).build((None, 2)),
            "needs a layer with a `kernel`",
        ),
    ],
)
def test_wrong_arguments_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_shared_weights_are_computed_once_and_keep_their_gradient():
    kernel = matrix_with_singular_values([5, 3, 1], 7, 4)
    x = np.random.default_rng(0).normal(size=(2, 7)).astype("float32")
    layer = normalized_dense(kernel)
    network = keras.Sequential([keras.Input((7,)), layer])
    expected = loss_and_gradient(layer, x)
    u = layer.u.numpy()
    with tf.GradientTape() as tape:
        weights = normalized_weights(network, update_u=True)
    moved = layer.u.numpy()
    with tape, shared_weights(weights):
        loss = tf.reduce_sum(network(x, training=True) * tf.range(1.0, 5.0))
        # Another weight now would be seen if it were read.
        layer.layer.kernel.assign(kernel + 1)
        np.testing.assert_array_equal(loss, expected[0])
    gradient = tape.gradient(loss, layer.layer.kernel.value)
    np.testing.assert_allclose(gradient, expected[1], rtol=1e-5, atol=1e-5)
    assert np.any(moved != u)
    np.testing.assert_array_equal(layer.u, moved)
    assert float(loss_and_gradient(layer, x)[0]) != float(expected[0])


@pytest.mark.slow
def test_a_training_step_normalizes_each_weight_of_the_discriminator_once(monkeypatch):
    """The generator's twice: it changes between its step and the discriminator's."""
    options = {"num_classes": 3, "channels": 2, "attention_resolution": (16,)}
    networks = build_generator(32, 5, **options), build_discriminator(32, **options)
    model = SAGAN(*networks)
    model.compile()
    calls = collections.Counter()
    compute = SpectralNormalization.normalized_weight

    def counted(self, update_u=False):
        calls[id(self)] += 1
        return compute(self, update_u)

    monkeypatch.setattr(SpectralNormalization, "normalized_weight", counted)
    images = tf.zeros((2, 32, 32, 3))
    model.train_step((images, tf.constant([0, 2])))
    for network, times in zip(networks, (2, 1), strict=True):
        found = [
            calls[id(layer)]
            for layer in network._flatten_layers()
            if isinstance(layer, SpectralNormalization)
        ]
        assert len(found) > 10
        assert set(found) == {times}


@pytest.mark.parametrize(("largest", "divisor"), [(0.5, 1.0), (5, 5.0)])
def test_clamped_sigma_leaves_small_weights_alone(largest, divisor):
    kernel = matrix_with_singular_values([largest, 0.3, 0.1], 7, 4)
    layer = normalized_dense(kernel, clamp_sigma=True, power_iterations=50)
    np.testing.assert_allclose(layer.normalized_weight(), kernel / divisor, rtol=1e-4)


@pytest.mark.parametrize("largest", [0.5, 5])
def test_gradient_of_a_clamped_sigma_is_the_derivative(largest):
    kernel = matrix_with_singular_values([largest, 0.3, 0.1], 7, 4)
    x = np.random.default_rng(0).normal(size=(2, 7)).astype("float32")
    layer = normalized_dense(kernel, clamp_sigma=True)
    exact = numeric_gradient(layer, x)
    np.testing.assert_allclose(loss_and_gradient(layer, x)[1], exact, atol=5e-3)


@pytest.mark.parametrize("shape", [(7, 4), (4, 7)])
def test_exact_sigma_is_the_largest_singular_value(shape):
    layer = normalized_dense(matrix_with_singular_values([5, 3, 1], *shape))
    assert layer.exact_sigma() == pytest.approx(5, rel=1e-6)

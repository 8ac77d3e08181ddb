"""The power iteration and its gradient, as functions of a matrix and u."""

import numpy as np
import pytest
import tensorflow as tf

from sagan_tf.layers.power_iteration import (
    divide_by_sigma,
    iterate,
    sigma_gradient,
    sigma_of,
)
from tests.layers.matrices import cosine, matrix_with_singular_values, numeric_gradient

# Not a random one, which might be near a singular vector and tell little.
U = np.array([[0.25, 1, -0.5, 0.75]], "float32")
KERNEL = matrix_with_singular_values([5, 3, 1], 7, 4)
# Of the loss `sum(W / sigma * WEIGHTS)`.
WEIGHTS = np.random.default_rng(0).normal(size=KERNEL.shape).astype("float32")


def as_it_is(matrix):
    return matrix


def divided(matrix, u=U, **options):
    return divide_by_sigma(tf.constant(matrix), u, as_it_is, as_it_is, **options)


def loss_and_gradient(matrix, **options):
    matrix = tf.constant(matrix)
    with tf.GradientTape() as tape:
        tape.watch(matrix)
        quotient, _ = divide_by_sigma(matrix, U, as_it_is, as_it_is, **options)
        loss = tf.reduce_sum(quotient * WEIGHTS)
    return loss, tape.gradient(loss, matrix).numpy()


def numeric(matrix, **options):
    return numeric_gradient(
        lambda moved: loss_and_gradient(moved, **options)[0], matrix
    )


def derived(matrix, u, iterations, epsilon=1e-12):
    """Sigma in operations that TensorFlow can derive."""
    for _ in range(iterations):
        a = u @ tf.transpose(matrix)
        b = a / (tf.norm(a) + epsilon) @ matrix
        u = b / (tf.norm(b) + epsilon)
    return tf.reduce_sum(b * u)


def test_sigma_converges_to_svd():
    assert abs(float(sigma_of(iterate(KERNEL, U)[-1])) - 5) > 0.01
    assert float(sigma_of(iterate(KERNEL, U, 30)[-1])) == pytest.approx(5, abs=1e-5)


def test_one_iteration_at_a_time_is_as_many_at_once():
    u = U
    for _ in range(3):
        _, u = divided(KERNEL, u)
    np.testing.assert_array_equal(u, divided(KERNEL, iterations=3)[1])
    np.testing.assert_array_equal(u, iterate(KERNEL, U, 3)[-1].u)


@pytest.mark.parametrize("iterations", [1, 2, 4])
@pytest.mark.parametrize("epsilon", [1e-12, 0.5])
def test_gradient_of_sigma_is_the_one_that_tensorflow_derives(iterations, epsilon):
    matrix = tf.constant(KERNEL, tf.float64)
    u = tf.constant(U, tf.float64)
    with tf.GradientTape() as tape:
        tape.watch(matrix)
        sigma = derived(matrix, u, iterations, epsilon)
    expected = tape.gradient(sigma, matrix)
    steps = iterate(matrix, u, iterations, epsilon)
    np.testing.assert_allclose(sigma_of(steps[-1]), sigma, rtol=1e-12)
    found = sigma_gradient(matrix, steps, epsilon=epsilon)
    np.testing.assert_allclose(found, expected, atol=1e-12)
    np.testing.assert_allclose(
        sigma_gradient(matrix, steps, 3.0, epsilon=epsilon), 3 * found, rtol=1e-12
    )


def test_gradient_flows_through_sigma_and_power_iteration():
    exact = numeric(KERNEL)
    np.testing.assert_allclose(loss_and_gradient(KERNEL)[1], exact, atol=2e-3)
    # Holding u and v constant is another derivative as long as u has not converged.
    constant = loss_and_gradient(KERNEL, stop_gradient=True)[1]
    assert cosine(constant, exact) < 0.999


def test_stop_gradient_is_miyatos_closed_form():
    # d(W / sigma) with u, v constant: (dW_bar - <dW_bar, W_bar> v^T u) / sigma.
    v = U @ KERNEL.T / np.linalg.norm(U @ KERNEL.T)
    sigma = np.linalg.norm(v @ KERNEL)
    u = v @ KERNEL / sigma
    expected = (WEIGHTS - np.sum(WEIGHTS * KERNEL / sigma) * v.T @ u) / sigma
    found = loss_and_gradient(KERNEL, stop_gradient=True)[1]
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("stop_gradient", [False, True])
@pytest.mark.parametrize("iterations", [1, 3])
def test_zero_matrix_gives_zero_and_leaves_u_alone(stop_gradient, iterations):
    zero = np.zeros_like(KERNEL)
    options = {"iterations": iterations, "stop_gradient": stop_gradient}
    quotient, u = divided(zero, **options)
    np.testing.assert_array_equal(quotient, zero)
    np.testing.assert_array_equal(u, U)
    # The gradient through sigma is zero, and W is divided by 1.
    np.testing.assert_array_equal(loss_and_gradient(zero, **options)[1], WEIGHTS)


@pytest.mark.parametrize(("largest", "divisor"), [(0.5, 1.0), (5, 5.0)])
def test_clamped_sigma_leaves_small_matrices_alone(largest, divisor):
    kernel = matrix_with_singular_values([largest, 0.3, 0.1], 7, 4)
    quotient, u = divided(kernel, iterations=50, clamp=True)
    np.testing.assert_allclose(quotient, kernel / divisor, rtol=1e-4)
    assert np.any(u != U)


@pytest.mark.parametrize("largest", [0.5, 5])
def test_gradient_of_a_clamped_sigma_is_the_derivative(largest):
    kernel = matrix_with_singular_values([largest, 0.3, 0.1], 7, 4)
    found = loss_and_gradient(kernel, clamp=True)[1]
    np.testing.assert_allclose(found, numeric(kernel, clamp=True), atol=5e-3)


def test_the_layout_of_the_weight_is_that_of_the_caller():
    kernel = KERNEL.T.copy()
    with tf.GradientTape() as tape:
        weight = tf.constant(kernel)
        tape.watch(weight)
        quotient, u = divide_by_sigma(weight, U, tf.transpose, tf.transpose)
        loss = tf.reduce_sum(quotient * WEIGHTS.T)
    np.testing.assert_array_equal(quotient, tf.transpose(divided(KERNEL)[0]))
    np.testing.assert_array_equal(u, divided(KERNEL)[1])
    np.testing.assert_allclose(
        tape.gradient(loss, weight), loss_and_gradient(KERNEL)[1].T, atol=1e-5
    )

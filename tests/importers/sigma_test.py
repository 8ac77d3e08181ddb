import keras
import numpy as np
import pytest

from sagan_tf.importers.sigma import (
    EPSILON,
    ITERATED,
    PLAIN,
    STORED,
    iterated_sigma,
    matching_u,
    our_u,
    source_sigma,
    stored_sigma,
)
from sagan_tf.layers import SpectralNormalization

SHAPES = [(5, 7), (7, 5), (1, 6), (6, 1), (4, 3, 3, 3)]


def draw(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def our_layer(weight, u):
    """Ours, of a weight whose first axis is the outputs."""
    matrix = weight.reshape(len(weight), -1)
    layer = SpectralNormalization(keras.layers.Dense(len(weight), use_bias=False))
    layer.build((None, matrix.shape[1]))
    layer.layer.kernel.assign(matrix.T)
    layer.u.assign(np.reshape(u, (1, -1)))
    return layer


def largest(weight):
    return np.linalg.norm(weight.reshape(len(weight), -1).astype(np.float64), 2)


def test_epsilon_is_that_of_our_layer():
    assert our_layer(draw(3, 4), draw(3)).epsilon == EPSILON


@pytest.mark.parametrize("shape", SHAPES)
def test_iterated_sigma_is_that_of_our_layer(shape):
    weight, u = draw(*shape), draw(shape[0], seed=1)
    ours = float(our_layer(weight, u).sigma())
    np.testing.assert_allclose(iterated_sigma(weight, u), ours, rtol=1e-6)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("part", [1 - 1e-8, 0.99999, 0.9, 0.3, 0.01])
def test_our_layer_has_the_wanted_sigma_at_inference(shape, part):
    weight, u = draw(*shape), draw(shape[0], seed=1)
    sigma = part * largest(weight)
    found = matching_u(weight, u, sigma)
    assert (found.shape, found.dtype) == (u.shape, np.float32)
    layer = our_layer(weight, found)
    np.testing.assert_allclose(float(layer.sigma()), sigma, rtol=2e-6)
    x = draw(2, weight[0].size, seed=2)
    wanted = x @ weight.reshape(len(weight), -1).T / sigma
    np.testing.assert_allclose(np.asarray(layer(x)), wanted, rtol=1e-4, atol=1e-5)


def test_u_keeps_its_direction_where_sigma_need_not_rise():
    weight, u = draw(5, 7), draw(5, seed=1)
    found = matching_u(weight, u, 0.9 * iterated_sigma(weight, u))
    cosine = found @ u / np.linalg.norm(found) / np.linalg.norm(u)
    np.testing.assert_allclose(cosine, 1, rtol=1e-6)


def test_a_training_step_gives_u_its_length_back():
    weight, u = draw(5, 7), draw(5, seed=1)
    layer = our_layer(weight, matching_u(weight, u, 0.5 * largest(weight)))
    layer(draw(2, 7), training=True)
    np.testing.assert_allclose(np.linalg.norm(layer.u), 1, rtol=1e-6)
    assert float(layer.sigma()) >= iterated_sigma(weight, u)


@pytest.mark.parametrize("sigma", [1.01, 0.0, -0.5])
def test_there_is_no_u_for_an_impossible_sigma(sigma):
    weight = draw(5, 7)
    assert matching_u(weight, draw(5, seed=1), sigma * largest(weight)) is None


def test_there_is_no_u_without_a_direction_to_begin_with():
    assert matching_u(draw(5, 7), np.zeros(5, np.float32), 1.0) is None
    assert matching_u(np.zeros((5, 7), np.float32), np.ones(5, np.float32), 1.0) is None


def test_what_is_not_finite_stays_so():
    weight, u = draw(5, 7), draw(5, seed=1)
    assert np.isnan(matching_u(weight, u, np.nan)).all()
    assert np.isnan(matching_u(weight, np.full(5, np.inf, np.float32), 1.0)).all()


def test_stored_sigma_takes_u_and_v_as_they_are():
    weight, u, v = draw(2, 3, 1, 1), np.float32([2, 0]), np.float32([0, 0, 3])
    np.testing.assert_allclose(stored_sigma(weight, u, v), 6 * weight[0, 2, 0, 0])


@pytest.mark.parametrize("style", [STORED, ITERATED])
@pytest.mark.parametrize("shape", SHAPES)
def test_our_layer_divides_as_the_style_does(style, shape):
    weight = draw(*shape)
    left, _, right = np.linalg.svd(weight.reshape(len(weight), -1))
    vectors = [left[:, 0], 0.9 * right[0]][: len(style) - 1]
    layer = our_layer(weight, our_u(weight, *vectors))
    kernel = layer.layer.kernel / layer.sigma()
    theirs = weight / source_sigma(weight, *vectors)
    np.testing.assert_allclose(kernel, theirs.reshape(len(weight), -1).T, rtol=1e-5)


def test_a_plain_weight_is_taken_as_it_is():
    weight = draw(5, 7)
    assert len(PLAIN) == 1 and source_sigma(weight) == 1
    assert our_u(weight) is None

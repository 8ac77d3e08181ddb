"""Properties of conditional batch normalization."""

import numpy as np
import pytest
import tensorflow as tf

from sagan_tf.layers import ConditionalBatchNorm


def batch(count=8, seed=0):
    random = np.random.default_rng(seed)
    x = random.normal(1, 2, (count, 3, 5, 4)).astype("float32")
    return tf.constant(x), tf.constant(random.integers(0, 3, count), "int32")


def test_equals_the_formula():
    layer = ConditionalBatchNorm(3, epsilon=1e-3)
    x, labels = batch()
    layer(x, labels)
    random = np.random.default_rng(1)
    layer.gamma.assign(random.normal(size=(3, 4)))
    layer.beta.assign(random.normal(size=(3, 4)))
    normal = (x - np.mean(x, (0, 1, 2))) / np.sqrt(np.var(x, (0, 1, 2)) + 1e-3)
    gamma = layer.gamma.numpy()[labels][:, None, None]
    expected = gamma * normal + layer.beta.numpy()[labels][:, None, None]
    np.testing.assert_allclose(layer(x, labels, training=True), expected, atol=1e-5)


def test_without_classes_it_is_keras_batch_normalization():
    import keras

    x, _ = batch()
    ours = ConditionalBatchNorm(momentum=0.9, epsilon=1e-3)
    theirs = keras.layers.BatchNormalization(momentum=0.9, epsilon=1e-3)
    np.testing.assert_allclose(
        ours(x, training=True), theirs(x, training=True), atol=1e-5
    )
    np.testing.assert_allclose(ours.moving_mean, theirs.moving_mean, atol=1e-6)
    np.testing.assert_allclose(ours.moving_variance, theirs.moving_variance, rtol=1e-5)
    np.testing.assert_allclose(ours(x), theirs(x), atol=1e-5)


def on_two_replicas(strategy, layer, x, labels):
    def half(context):
        start = 4 * context.replica_id_in_sync_group
        return x[start : start + 4], labels[start : start + 4]

    halves = strategy.experimental_distribute_values_from_function(half)
    out = strategy.run(lambda data: layer(*data, training=True), args=(halves,))
    return np.concatenate(strategy.experimental_local_results(out))


def test_synchronized_statistics_are_those_of_one_big_batch(two_replicas):
    x, labels = batch()
    options = {"momentum": 0.5}
    single = ConditionalBatchNorm(3, **options)
    expected = single(x, labels, training=True)
    with two_replicas.scope():
        layer = ConditionalBatchNorm(3, synchronized=True, **options)
        layer.build(x.shape)
    ours = on_two_replicas(two_replicas, layer, x, labels)
    np.testing.assert_allclose(ours, expected, atol=1e-5)
    np.testing.assert_allclose(layer.moving_mean, single.moving_mean, rtol=1e-5)
    np.testing.assert_allclose(layer.moving_variance, single.moving_variance, rtol=1e-5)


def test_statistics_of_a_replica_alone_are_another_thing(two_replicas):
    x, labels = batch()
    expected = ConditionalBatchNorm(3)(x, labels, training=True)
    with two_replicas.scope():
        layer = ConditionalBatchNorm(3)
        layer.build(x.shape)
    ours = on_two_replicas(two_replicas, layer, x, labels)
    assert np.abs(ours - expected).max() > 0.01


def test_unbiased_variance_enters_the_moving_average_only():
    x, _ = batch()
    biased = ConditionalBatchNorm(momentum=0.0)
    unbiased = ConditionalBatchNorm(momentum=0.0, unbiased_moving_variance=True)
    np.testing.assert_array_equal(biased(x, training=True), unbiased(x, training=True))
    n = 8 * 3 * 5
    np.testing.assert_allclose(
        unbiased.moving_variance, biased.moving_variance * n / (n - 1), rtol=1e-5
    )


@pytest.mark.parametrize("momentum", [0.0, 0.5, 0.9999])
def test_debiased_averages_are_those_of_adam(momentum):
    layer = ConditionalBatchNorm(momentum=momentum, debias=True)
    sums, steps = np.zeros((2, 4)), 5
    for step in range(steps):
        x, _ = batch(seed=step)
        layer(x, training=True)
        wide = x.numpy().astype(np.float64)
        values = np.stack([wide.mean((0, 1, 2)), wide.var((0, 1, 2))])
        sums = momentum * sums + (1 - momentum) * values
    expected = sums / (1 - momentum**steps)
    np.testing.assert_allclose(layer.moving_mean, expected[0], rtol=1e-5)
    np.testing.assert_allclose(layer.moving_variance, expected[1], rtol=1e-5)
    np.testing.assert_allclose(layer.moving_weight, 1 - momentum**steps, rtol=1e-5)


def test_finished_averages_move_as_without_debiasing():
    x, _ = batch()
    layers = [ConditionalBatchNorm(momentum=0.9, debias=each) for each in (True, False)]
    for layer in layers:
        layer(x)
    layers[0].moving_weight.assign(1.0)
    for layer in layers:
        layer(x, training=True)
    np.testing.assert_allclose(layers[0].moving_mean, layers[1].moving_mean, rtol=1e-5)


def test_debiased_averages_of_two_replicas_are_the_means_of_both(two_replicas):
    x, labels = batch()
    with two_replicas.scope():
        layer = ConditionalBatchNorm(3, momentum=0.99, debias=True)
        layer.build(x.shape)
    for _ in range(2):
        on_two_replicas(two_replicas, layer, x, labels)
    np.testing.assert_allclose(layer.moving_mean, np.mean(x, (0, 1, 2)), rtol=1e-5)
    np.testing.assert_allclose(layer.moving_weight, 1 - 0.99**2, rtol=1e-5)

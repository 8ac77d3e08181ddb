"""Standing statistics against NumPy, and what they leave alone."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from sagan_tf.layers import ConditionalBatchNorm
from sagan_tf.model.standing_statistics import use_standing_statistics
from sagan_tf.networks.builders import build_generator

Z_DIM = 5


def generator(num_classes=3, **options):
    """A small generator that has trained a little: no weight is what it started as."""
    keras.utils.set_random_seed(0)
    model = build_generator(
        32, Z_DIM, num_classes, channels=2, attention_resolution=(16,), **options
    )
    random = np.random.default_rng(0)
    model.set_weights(
        [w + 0.3 * random.normal(size=w.shape) ** 2 for w in model.get_weights()]
    )
    return model


def batches(count=4, size=6, num_classes=3):
    random = np.random.default_rng(1)
    z = random.normal(size=(count, size, Z_DIM)).astype(np.float32)
    if not num_classes:
        return list(map(tf.constant, z))
    labels = random.integers(0, num_classes, (count, size)).astype(np.int32)
    return [(tf.constant(a), tf.constant(b)) for a, b in zip(z, labels)]


def inputs(batch):
    return list(batch) if isinstance(batch, tuple) else batch


def values(model):
    return {weight.path: weight.numpy() for weight in model.weights}


def is_statistic(path):
    return path.endswith(("moving_mean", "moving_variance"))


def one_layer(*shape):
    x = keras.Input(shape or (1, 1, 1))
    return keras.Model(x, ConditionalBatchNorm(unbiased_moving_variance=True)(x))


def test_mean_and_variance_are_those_of_numpy():
    model = one_layer(2, 3, 4)
    data = np.random.default_rng(0).normal(3, 2, (5, 7, 2, 3, 4)).astype(np.float32)
    use_standing_statistics(model, map(tf.constant, data))
    norm = model.layers[-1]
    mean = data.astype(np.float64).mean((1, 2, 3)).mean(0)
    variance = data.astype(np.float64).var((1, 2, 3)).mean(0)
    np.testing.assert_allclose(norm.moving_mean, mean, rtol=1e-5)
    np.testing.assert_allclose(norm.moving_variance, variance, rtol=1e-5)
    # What it is not: the variance of everything, and the unbiased one.
    assert np.abs(data.var((0, 1, 2, 3)) / variance - 1).max() > 1e-3
    assert np.abs(norm.moving_variance / variance * 42 / 41 - 1).min() > 1e-3


@pytest.mark.slow
@pytest.mark.parametrize("num_classes", [3, 0])
@pytest.mark.parametrize("trainable", [True, False])
def test_one_batch_gives_in_inference_what_it_gave_in_training(num_classes, trainable):
    model = generator(num_classes)
    (batch,) = batches(1, num_classes=num_classes)
    expected = keras.models.clone_model(model)
    expected.set_weights(model.get_weights())
    expected = expected(inputs(batch), training=True).numpy()
    moving = model(inputs(batch), training=False).numpy()
    model.trainable = trainable
    use_standing_statistics(model, [batch])
    standing = model(inputs(batch), training=False).numpy()
    np.testing.assert_allclose(standing, expected, atol=2e-5)
    assert np.abs(moving - expected).max() > 0.01


def test_nothing_but_the_statistics_changes():
    model = generator()
    before = values(model)
    flags = [layer.trainable for layer in model._flatten_layers()]
    use_standing_statistics(model, batches())
    for path, value in values(model).items():
        assert np.array_equal(value, before[path]) != is_statistic(path), path
    assert [layer.trainable for layer in model._flatten_layers()] == flags
    assert {path.split("/")[-1] for path in before} >= {"u", "moving_mean", "gamma"}


def test_after_it_a_training_step_moves_the_averages_as_before():
    model = generator()
    use_standing_statistics(model, batches())
    before = values(model)
    model(inputs(batches()[0]), training=True)
    norm = model.get_layer("batch_norm")
    assert norm.momentum == 0.9999
    np.testing.assert_allclose(norm.moving_mean, before[norm.moving_mean.path], 0.01)


@pytest.mark.slow
def test_neither_order_nor_the_averages_before_matter():
    model = generator()
    use_standing_statistics(model, batches())
    expected = values(model)
    for weight in model.non_trainable_weights:
        if is_statistic(weight.path):
            weight.assign(np.full(weight.shape, np.nan))
    use_standing_statistics(model, batches()[::-1])
    for path, value in values(model).items():
        np.testing.assert_allclose(value, expected[path], rtol=1e-6, err_msg=path)


@pytest.mark.slow
def test_every_batch_sees_the_same_normalized_tables():
    """Their `u` would move from batch to batch, if they were left as trainable."""
    both = [generator(normalize_tables=True) for _ in range(2)]
    before = values(both[0])
    use_standing_statistics(both[0], batches()[:1])
    use_standing_statistics(both[1], batches()[:1] * 4)
    for path, value in values(both[1]).items():
        np.testing.assert_allclose(
            value, both[0].get_weights()[list(before).index(path)], rtol=1e-6
        )
        assert np.array_equal(value, before[path]) != is_statistic(path), path


def test_each_batch_counts_the_same_whatever_its_size():
    model = one_layer()
    small, large = np.float32([[1, 3]]), np.float32([[10, 10, 20, 20, 20, 30, 30, 60]])
    use_standing_statistics(
        model, [tf.reshape(x, [-1, 1, 1, 1]) for x in (small, large)]
    )
    np.testing.assert_allclose(model.layers[-1].moving_mean, [(2 + 25) / 2], rtol=1e-6)


@pytest.mark.slow
def test_a_generator_with_replicas_gets_the_same_statistics(two_replicas):
    with two_replicas.scope():
        mirrored = generator(cross_replica_batch_norm=True)
        use_standing_statistics(mirrored, batches())
    single = generator()
    use_standing_statistics(single, batches())
    for ours, theirs in zip(mirrored.get_weights(), single.get_weights(), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6)


def test_no_batches_and_no_batch_normalisation_are_refused():
    with pytest.raises(ValueError, match="at least one batch. Received: none"):
        use_standing_statistics(generator(), iter([]))
    plain = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)], name="plain")
    with pytest.raises(ValueError, match="Received: plain, which has none"):
        use_standing_statistics(plain, [tf.zeros([1, 3])])

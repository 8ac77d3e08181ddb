"""The losses against their formulas."""

import numpy as np
import pytest
import tensorflow as tf

from sagan_tf.networks.losses import LOSSES, class_cross_entropy, mode_seeking

REAL = np.array([[2.5], [0.3], [-1.7]], "float32")
FAKE = np.array([[-2.2], [0.4], [1.1]], "float32")


def softplus(x):
    return np.log1p(np.exp(x))


FORMULAS = {
    "hinge": (np.maximum(0, 1 - REAL), np.maximum(0, 1 + FAKE), -FAKE),
    "kl": (softplus(-REAL), softplus(FAKE), -FAKE),
    "non_saturating": (softplus(-REAL), softplus(FAKE), softplus(-FAKE)),
    "wasserstein": (-REAL, FAKE, -FAKE),
}


def test_every_loss_has_a_formula_here():
    assert set(FORMULAS) == set(LOSSES)


@pytest.mark.parametrize("name", FORMULAS)
def test_equals_its_formula(name):
    discriminator_loss, generator_loss = LOSSES[name]
    ours = *discriminator_loss(REAL, FAKE), generator_loss(FAKE)
    for term, formula in zip(ours, FORMULAS[name], strict=True):
        np.testing.assert_allclose(term, formula.mean(), rtol=1e-6)


@pytest.mark.parametrize("shift", [0.0, 300.0, -300.0])
def test_class_cross_entropy_is_minus_the_mean_log_softmax_of_the_label(shift):
    random = np.random.default_rng(0)
    logits = random.normal(0, 3, (6, 4))
    labels = np.array([3, 0, 1, 1, 2, 3])
    shares = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    expected = -np.mean([np.log(row[label]) for row, label in zip(shares, labels)])
    # A softmax does not see what all logits share, however large.
    found = class_cross_entropy((logits + shift).astype("float32"), labels)
    np.testing.assert_allclose(found, expected, rtol=1e-4)


def test_class_cross_entropy_of_a_confident_mistake_is_finite():
    logits = np.array([[200.0, -200.0]], "float32")
    found = class_cross_entropy(logits, np.array([1]))
    np.testing.assert_allclose(found, 400.0)


def test_mode_seeking_is_what_a_pair_lacks_in_distance():
    images = np.random.default_rng(0).normal(size=(7, 4, 4, 2)).astype("float32")
    images[2:4] *= 0.1
    # The last image has no partner.
    roots = [
        np.sqrt(np.mean((images[i] - images[i + 1]) ** 2, dtype=np.float64))
        for i in (0, 2, 4)
    ]
    assert roots[1] < 0.8 < min(roots[0], roots[2])
    loss, distance = mode_seeking(images, 0.8)
    np.testing.assert_allclose(loss, (0.8 - roots[1]) / 3, rtol=1e-5)
    np.testing.assert_allclose(distance, np.mean(roots), rtol=1e-5)


def test_mode_seeking_moves_a_close_pair_apart_and_leaves_others_alone():
    values = np.arange(16, dtype="float32").reshape(4, 2, 2, 1)
    values[1] = values[0] + 0.1
    with tf.GradientTape() as tape:
        x = tf.constant(values)
        tape.watch(x)
        loss, _ = mode_seeking(x, 1.0)
    gradient = tape.gradient(loss, x).numpy()
    assert np.all(gradient[0] > 0)
    np.testing.assert_allclose(gradient[1], -gradient[0])
    assert not gradient[2:].any()


def test_mode_seeking_of_equal_images_has_a_finite_gradient():
    with tf.GradientTape() as tape:
        x = tf.zeros([2, 4, 4, 1])
        tape.watch(x)
        loss, _ = mode_seeking(x, 1.0)
    assert np.all(np.isfinite(tape.gradient(loss, x)))


@pytest.mark.parametrize("shape", [(1, 2, 3, 1), (None, 2, 3, 1)])
def test_mode_seeking_of_a_single_image_is_zero(shape):
    @tf.function(input_signature=[tf.TensorSpec(shape)])
    def loss_and_gradient(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            loss, distance = mode_seeking(x, 1.0)
        return loss, distance, tape.gradient(loss, x)

    for value in loss_and_gradient(tf.ones((1, 2, 3, 1))):
        np.testing.assert_array_equal(value, np.zeros(value.shape))

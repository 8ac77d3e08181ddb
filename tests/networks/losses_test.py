"""The losses against their formulas."""

import numpy as np
import pytest

from sagan_tf.networks.losses import LOSSES, class_cross_entropy

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

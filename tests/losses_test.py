"""The losses against their formulas."""

import numpy as np
import pytest

from sagan_tf.losses import LOSSES

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

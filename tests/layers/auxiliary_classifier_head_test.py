"""The head of AC-GAN."""

import numpy as np
import pytest

from sagan_tf.layers import AuxiliaryClassifierHead


def test_logit_and_class_logits_are_linear_in_the_features():
    head = AuxiliaryClassifierHead(5, spectral_normalization=False)
    features = np.random.default_rng(0).normal(size=(3, 7)).astype("float32")
    out = np.asarray(head(features))
    logits = features @ head.linear.kernel.numpy() + head.linear.bias.numpy()
    classes = features @ head.classifier.kernel.numpy() + head.classifier.bias.numpy()
    np.testing.assert_allclose(out[:, :1], logits, atol=1e-5)
    np.testing.assert_allclose(out[:, 1:], classes, atol=1e-5)


def test_both_maps_have_spectral_norm_one():
    head = AuxiliaryClassifierHead(5, power_iterations=100)
    head.build((None, 7))
    for part in (head.linear, head.classifier):
        values = np.linalg.svd(np.asarray(part.normalized_weight()))[1]
        assert values[0] == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize("num_classes", [0, None])
def test_it_needs_classes(num_classes):
    with pytest.raises(ValueError, match="needs classes"):
        AuxiliaryClassifierHead(num_classes)

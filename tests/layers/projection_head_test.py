"""Properties of the projection head."""

import numpy as np
import tensorflow as tf

from sagan_tf.layers import ProjectionHead


def test_equals_the_formula():
    h = np.random.default_rng(0).normal(size=(4, 6)).astype("float32")
    labels = np.array([2, 0, 0, 1], "int32")
    head = ProjectionHead(3, spectral_normalization=False)
    ours = head(tf.constant(h), tf.constant(labels))
    head.linear.bias.assign([0.3])
    ours = head(tf.constant(h), tf.constant(labels))
    linear = h @ head.linear.kernel.numpy() + 0.3
    projection = (h * head.embedding.embeddings.numpy()[labels]).sum(-1, keepdims=True)
    np.testing.assert_allclose(ours, linear + projection, atol=1e-5)


def test_without_classes_only_the_linear_part_remains():
    head = ProjectionHead()
    head(tf.ones((4, 6)))
    assert [w.name for w in head.trainable_weights] == ["kernel", "bias"]


def test_the_embedding_is_normalised_on_its_transpose():
    head = ProjectionHead(3)
    head.build((None, 6), (None,))
    assert head.embedding.u.shape == (1, 3)
    assert head.linear.u.shape == (1, 1)

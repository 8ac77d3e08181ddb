"""Latents are functions of (seed, index) alone, with the right distribution."""

import numpy as np
import tensorflow as tf

from sagan_tf.model import latents


def test_image_17_does_not_depend_on_the_others():
    alone = latents.draw_z([17], 5, seed=3)
    among = latents.draw_z(range(40), 5, seed=3)
    np.testing.assert_array_equal(alone[0], among[17])
    label = latents.draw_labels([17], 1000, seed=3)
    assert label[0] == latents.draw_labels(range(40), 1000, seed=3)[17]


def test_another_index_or_seed_is_another_z():
    z = latents.draw_z([0, 1], 5, seed=0).numpy()
    other = latents.draw_z([0, 1], 5, seed=1).numpy()
    rows = np.concatenate([z, other])
    assert len(np.unique(rows, axis=0)) == 4


def test_z_is_standard_normal():
    z = latents.draw_z(range(2000), 20).numpy()
    assert abs(z.mean()) < 0.02
    assert abs(z.std() - 1) < 0.02
    assert abs(np.corrcoef(z.T) - np.eye(20)).max() < 0.1


def test_truncation_cuts_at_two_and_scales():
    z = latents.draw_z(range(2000), 20, truncation=0.5).numpy()
    assert 0.9 < np.abs(z).max() <= 1.0
    assert abs(z.std() - 0.5 * 0.8796) < 0.01


def test_labels_are_uniform():
    counts = np.bincount(latents.draw_labels(range(3000), 3), minlength=3)
    assert counts.min() > 900


def draw_training(seed, step, draw, count, z_dim, limit=None):
    return latents.draw_training_latents(
        seed, step, draw, count, z_dim, tf.float32, limit
    )


def test_values_are_the_same_in_a_graph():
    function = tf.function(lambda step: draw_training(5, step, 1, 6, 3)[0])
    eager, _ = draw_training(5, 7, 1, 6, 3)
    np.testing.assert_allclose(function(tf.constant(7, tf.int64)), eager, rtol=1e-6)


def test_every_step_and_pass_draws_anew():
    draws = [
        draw_training(0, step, draw, 4, 3)[0].numpy()
        for step in range(3)
        for draw in range(3)
    ]
    assert len(np.unique(np.concatenate(draws), axis=0)) == 36


def test_training_labels_and_z_are_not_the_same_numbers():
    z, labels = draw_training(0, 0, 0, 1000, 1, limit=2)
    assert abs(np.corrcoef(z[:, 0], labels)[0, 1]) < 0.1

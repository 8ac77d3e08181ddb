"""The losses of one pass: with mode seeking and augmentation, against their parts.

The plain losses are in `sagan_test.py` and in the parity tests.
"""

import numpy as np
import tensorflow as tf

from sagan_tf.model.latents import draw_training_uniforms
from sagan_tf.networks.augmentation import KINDS, augment
from sagan_tf.networks.losses import mode_seeking
from tests.model.sagan_test import BATCH, CLASSES, sagan, varied


def test_with_mode_seeking_the_fake_labels_come_in_pairs():
    model = varied()
    alone = model.draw_latents(0, 101)
    z, labels = model.draw_latents(0, 101, pairs=True)
    np.testing.assert_array_equal(z, alone[0])
    np.testing.assert_array_equal(labels[:100:2], labels[1::2])
    np.testing.assert_array_equal(labels[::2], alone[1][::2])
    real = tf.range(101) % CLASSES
    from_data = varied(fake_labels="data").draw_latents(0, 101, real, pairs=True)[1]
    np.testing.assert_array_equal(from_data[:100:2], from_data[1::2])
    assert len(set(from_data.numpy())) == CLASSES


def test_the_generator_s_loss_is_d_s_view_and_the_lack_of_distance():
    """In a pass of the step. Outside of one D sees the images as they are."""
    model, plain = varied(), sagan()
    z, labels = model.draw_latents(0, BATCH, pairs=True)
    fakes = plain.generator([z, labels], training=True)
    lacking, _ = mode_seeking(fakes, 2.0)
    uniforms = draw_training_uniforms(0, 0, 1, BATCH)
    seen = augment(fakes, uniforms, KINDS, 0.5)
    assert np.any(seen != fakes)
    logits = plain.discriminator([seen, labels], training=False)
    expected = -np.mean(logits) + 0.5 * float(lacking)
    # D has moved u once in its own view, the model's has not.
    np.testing.assert_allclose(model.generator_loss(z, labels, 0), expected, 1e-4)
    untouched = -np.mean(plain.discriminator([fakes, labels], training=False))
    np.testing.assert_allclose(varied().generator_loss(z, labels), untouched, 1e-4)


def test_real_and_fake_images_have_their_own_random_numbers_in_each_pass_and_step():
    draws = [
        draw_training_uniforms(0, step, 2 * draw + part, 8).numpy()
        for step in (0, 1)
        for draw in (0, 1)
        for part in (0, 1)
    ]
    assert len(np.unique(draws)) == np.size(draws)
    assert 0 <= np.min(draws) and np.max(draws) < 1

"""The metrics of a training step."""

import pytest
import tensorflow as tf

from sagan_tf.model import step_metrics
from tests.model.sagan_test import networks

ALWAYS = ["g_loss", "d_loss", "real_logits", "fake_logits", "d_accuracy"]


def test_names_are_in_the_order_of_the_logs():
    trackers = step_metrics.make_trackers(["gamma_g_x"], has_classifier=True)
    accuracies = ["real_class_accuracy", "fake_class_accuracy"]
    assert list(trackers) == [*ALWAYS, *accuracies, "gamma_g_x"]
    assert list(step_metrics.make_trackers([], False)) == ALWAYS


def test_metrics_are_means_over_real_and_fake_images():
    trackers = step_metrics.make_trackers([], has_classifier=True)
    logits = tf.constant([[2.0], [-1.0], [3.0], [-4.0], [-5.0], [-6.0]])
    classes = tf.one_hot([0, 1, 2, 2, 2, 0], 3)
    labels = tf.constant([0, 1, 1, 2, 0, 0])
    step_metrics.track_discriminator(trackers, 7.0, logits, classes, labels)
    found = {name: float(tracker.result()) for name, tracker in trackers.items()}
    assert found == pytest.approx(
        {
            "g_loss": 0,
            "d_loss": 7,
            "real_logits": 4 / 3,
            "fake_logits": -5,
            "d_accuracy": 5 / 6,
            "real_class_accuracy": 2 / 3,
            "fake_class_accuracy": 2 / 3,
        }
    )


def test_gammas_are_those_of_both_networks():
    generator, discriminator = networks()
    generator.get_layer("attention_16x16").gamma.assign(0.5)
    gammas = step_metrics.gammas(generator, discriminator)
    assert {name: float(gamma) for name, gamma in gammas.items()} == {
        "gamma_g_attention_16x16": 0.5,
        "gamma_d_attention_16x16": 0.0,
    }

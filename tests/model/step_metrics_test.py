"""The metrics of a training step."""

import pytest
import tensorflow as tf

from sagan_tf.model import step_metrics
from sagan_tf.networks.augmentation import Augmentation
from tests.model.sagan_test import networks, sagan

ALWAYS = ["g_loss", "d_loss", "real_logits", "fake_logits", "d_accuracy"]


def test_names_are_in_the_order_of_the_logs():
    gammas = ["gamma_g_attention_16x16", "gamma_d_attention_16x16"]
    assert [tracker.name for tracker in sagan().metrics] == ALWAYS + gammas
    model = sagan(
        network_options={"head": "auxiliary_classifier"},
        mode_seeking_weight=1.0,
        augmentation=Augmentation(["flip"], target=0.6),
    )
    others = ["real_class_accuracy", "fake_class_accuracy"]
    others += ["pair_distance", "augment_probability"]
    assert [tracker.name for tracker in model.metrics] == ALWAYS + others + gammas


def test_metrics_are_means_over_real_and_fake_images():
    trackers = sagan(network_options={"head": "auxiliary_classifier"})._trackers
    logits = tf.constant([[2.0], [-1.0], [3.0], [-4.0], [-5.0], [-6.0]])
    classes = tf.one_hot([0, 1, 2, 2, 2, 0], 3)
    labels = tf.constant([0, 1, 1, 2, 0, 0])
    step_metrics.track_discriminator(trackers, 7.0, logits, classes, labels)
    found = {name: float(tracker.result()) for name, tracker in trackers.items()}
    found = {name: found[name] for name in found if not name.startswith("gamma")}
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

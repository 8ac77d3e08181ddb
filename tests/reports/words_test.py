"""What numbers mean."""

import pytest

from sagan_tf.reports.words import explained
from sagan_tf.settings.config import Config


def meaning(name, value, **settings):
    return dict(explained({name: value}, Config(**settings), False))[name]


def test_low_recall_says_what_to_try_and_nothing_that_the_run_has():
    words = meaning("recall", 0.05)
    assert words.startswith("the generator draws few different images")
    tries = "--mode_seeking_weight=3, --augment=translation --augment_target=0.6, more "
    assert tries in words
    settings = {"mode_seeking_weight": 2.0, "augment": ("flip",)}
    words = meaning("recall", 0.05, discriminator_channels=128, **settings)
    assert "--mode" not in words and "--augment" not in words and "Try" in words


@pytest.mark.parametrize("name", ["precision", "recall", "coverage", "class_accuracy"])
def test_low_middle_and_high_values_mean_different_things(name):
    assert len({meaning(name, value) for value in (0.05, 0.35, 0.65, 0.95)}) >= 3


def test_only_what_was_measured_is_explained():
    config = Config()
    assert [n for n, _ in explained({"fid": 1.0, "kid": 0.1}, config, True)] == ["fid"]
    assert "published" not in dict(explained({"fid": 1.0}, config, True))["fid"]
    assert "published" in dict(explained({"fid": 1.0}, config, False))["fid"]

"""The data set of a run."""

import dataclasses

import numpy as np
import pytest

from sagan_tf import data
from sagan_tf.run import building
from sagan_tf.settings.config import Config


def npz(path, labels):
    labels = np.asarray(labels)
    images = np.zeros((len(labels), 8, 8, 1), np.uint8)
    np.savez(path, images=images, labels=labels)
    return f"npz:{path}"


def test_every_setting_of_the_data_is_passed_on(monkeypatch):
    seen = {}
    monkeypatch.setattr(
        data, "open_source", lambda name, **rest: seen.update(rest, dataset=name)
    )
    settings = {"dataset": "tfds:a", "split": "b", "data_dir": "c", "manual_dir": "d"}
    settings |= {"label_offset": -1, "skip_bad_images": True}
    building.open_source(Config(**settings))
    assert seen == settings


def test_the_number_of_classes_is_the_data_s_unless_it_is_said(tmp_path):
    config = Config(dataset=npz(tmp_path / "x.npz", [0, 2, 1]))
    for said, expected in ((None, 3), (5, 5), (0, 0)):
        asked = dataclasses.replace(config, num_classes=said)
        source, settled = building.open_data(asked)
        assert settled == dataclasses.replace(config, num_classes=expected)
        assert source.num_images == 3


def test_too_few_classes_are_refused(tmp_path):
    config = Config(dataset=npz(tmp_path / "x.npz", [0, 2, 1]), num_classes=2)
    with pytest.raises(ValueError, match="num_classes"):
        building.open_data(config)


def test_data_json_is_about_the_data():
    source = data.open_source("digits")
    about = building.describe_data(source)
    assert about["num_images"] == 1797
    assert about["class_names"] == [str(digit) for digit in range(10)]

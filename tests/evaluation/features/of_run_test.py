"""The feature network of a run that chose none."""

import dataclasses

import numpy as np
import pytest

from sagan_tf.errors import BadInput
from sagan_tf.evaluation.features import classifier_training, of_run
from sagan_tf.settings.config import Config


@pytest.fixture
def config(tmp_path, monkeypatch):
    """A data set of two classes; there is no Inception network."""
    monkeypatch.setenv("TFHUB_CACHE_DIR", str(tmp_path / "no_cache"))
    monkeypatch.setattr(of_run, "open_feature_network", without_inception)
    monkeypatch.setattr(classifier_training, "default_epochs", lambda count: 1)
    labels = np.arange(80) % 2
    images = np.full((80, 32, 32, 1), 50, np.uint8) + 100 * labels[:, None, None, None]
    path = tmp_path / "things.npz"
    np.savez(path, images=images.astype(np.uint8), labels=labels)
    return Config(dataset=f"npz:{path}", resolution=32, image_channels=1)


def without_inception(spec, inception=None, opener=of_run.open_feature_network):
    if spec == "inception" and inception is None:
        raise BadInput("Inception cannot be fetched.")
    return opener(spec, inception)


@pytest.mark.slow
def test_a_classifier_is_trained_once_and_named(config, tmp_path, capsys):
    network = of_run.open_network_of_run(tmp_path, config)
    assert "Inception network is missing" in capsys.readouterr().out
    assert network.describe("FID") == "FID in the feature space of things-cnn"
    again = of_run.open_network_of_run(tmp_path, config)
    assert again.hash == network.hash
    text = capsys.readouterr().out
    assert "Training" not in text and "things-cnn" in text


def test_without_labels_it_is_said_what_is_missing(config, tmp_path):
    np.savez(tmp_path / "plain.npz", images=np.zeros((8, 32, 32, 1), np.uint8))
    config = dataclasses.replace(config, dataset=f"npz:{tmp_path / 'plain.npz'}")
    with pytest.raises(BadInput, match=r"no labels.*plain\.npz.*--inception=DIR"):
        of_run.open_network_of_run(tmp_path, config)
    assert not (tmp_path / of_run.FOLDER).exists()


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"feature_network": "inception"}, "cannot be fetched"),
        ({"inception": "no/such"}, "no/such"),
        ({"feature_network": "no/such"}, "no/such"),
    ],
)
def test_a_network_that_was_chosen_is_not_replaced(config, tmp_path, given, words):
    with pytest.raises(BadInput, match=words):
        of_run.open_network_of_run(tmp_path, config, given)
    assert not (tmp_path / of_run.FOLDER).exists()


@pytest.mark.slow
def test_a_classifier_of_other_data_is_not_that_of_the_run(config, tmp_path):
    of_run.open_network_of_run(tmp_path, config)
    other = dataclasses.replace(config, dataset="digits")
    with pytest.raises(BadInput, match=r"things.npz.*dataset=digits.*Try removing"):
        of_run.open_network_of_run(tmp_path, other)


@pytest.mark.parametrize("other", ["file", "folder", "damaged"])
def test_something_else_in_its_place_is_to_be_removed(config, tmp_path, other):
    folder = tmp_path / of_run.FOLDER
    if other == "file":
        folder.write_text("")
    else:
        folder.mkdir()
        (folder / "notes.txt").write_text("")
    if other == "damaged":
        (folder / "classifier.json").write_text("{}")
    with pytest.raises(BadInput, match="classifier.* Try removing it") as caught:
        of_run.open_network_of_run(tmp_path, config)
    assert "--o" not in str(caught.value)

"""Feature networks: what they are given, what they give, what they are called."""

import numpy as np
import pytest
import tensorflow as tf

from sagan_tf import images as pictures
from sagan_tf.evaluation.features import classifier, inception_module
from sagan_tf.evaluation.features.network import open_feature_network
from tests.evaluation import stand_in
from tests.evaluation.features.classifier_test import RECORD, tiny
from tests.evaluation.features.inception_module_test import (  # noqa: F401 (fixture)
    assert_is_stand_in,
    modules,
    random_images,
)

# ruff: noqa: F811 (an argument that is a fixture)


@pytest.fixture(scope="session")
def classifier_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("classifiers") / "tiny"
    classifier.save_classifier(folder, tiny(), RECORD)
    return folder


def test_gray_images_become_rgb_for_inception(modules):
    network = open_feature_network("inception", modules["callable"])
    gray = random_images(3, 16, 1)
    assert_is_stand_in(network(gray), np.concatenate([gray] * 3, axis=-1))


@pytest.mark.parametrize("kind", [*stand_in.KINDS, "classifier"])
def test_two_replicas_give_what_one_gives(
    modules, classifier_folder, two_replicas, kind
):
    network = (
        open_feature_network(str(classifier_folder))
        if kind == "classifier"
        else open_feature_network("inception", modules[kind])
    )
    images = random_images(4, 16)
    halves = two_replicas.experimental_distribute_values_from_function(
        lambda context: tf.constant(images[context.replica_id_in_sync_group :: 2])
    )

    @tf.function
    def run(batch):
        return two_replicas.run(network, args=(batch,))

    for found, expected in zip(run(halves), network(images)):
        for first, part in enumerate(two_replicas.experimental_local_results(found)):
            np.testing.assert_allclose(part, expected[first::2], rtol=1e-5, atol=1e-5)


def test_a_stand_in_is_never_called_inception(modules, capsys):
    network = open_feature_network("inception", modules["callable"])
    assert not network.is_inception
    assert network.name == f"stand-in-{network.hash[:8]}"
    assert network.describe("FID") == f"FID in the feature space of {network.name}"
    message = capsys.readouterr().err
    assert message.count("\n") == 1 and message.startswith("warning: ")
    assert "mean nothing" in message and network.name in message


def test_what_looks_like_inception_is_called_so(modules, capsys, monkeypatch):
    monkeypatch.setattr(inception_module, "_LEAST_BYTES", 1_000_000)
    network = open_feature_network("inception", modules["callable"])
    assert network.is_inception and network.name == "Inception"
    assert network.describe("FID") == "FID"
    assert capsys.readouterr().err == ""


def test_a_classifier_is_a_feature_network(classifier_folder, capsys):
    network = open_feature_network(str(classifier_folder))
    assert (network.name, network.is_inception) == ("tiny-cnn", False)
    assert (network.num_features, network.num_logits) == (5, 3)
    assert network.hash == classifier.weights_hash(tiny())
    assert network.describe("KID") == "KID in the feature space of tiny-cnn"
    images = random_images(3, 12, 1)
    expected = tiny()(images, training=False)
    for value, name in zip(network(images), ("features", "logits")):
        np.testing.assert_allclose(value, expected[name], rtol=1e-5)
    assert capsys.readouterr().err == ""


def test_rgb_becomes_gray_as_pixels_do(classifier_folder):
    network = open_feature_network(str(classifier_folder))
    seen = []
    network.function = seen.append
    pixels = np.random.default_rng(5).integers(0, 256, (2, 12, 12, 3), np.uint8)
    network(pictures.from_pixels(pixels))
    expected = pictures.from_pixels(pictures.adapt_channels(pixels, 1))
    # Pixels are rounded, images are not.
    np.testing.assert_allclose(seen[0], expected, atol=1.01 / 255)


def test_images_of_another_size_are_resized_for_a_classifier(classifier_folder):
    network = open_feature_network(str(classifier_folder))
    images = random_images(2, 24, 1)
    smaller = tf.image.resize(images, [12, 12], antialias=True)
    for found, expected in zip(network(images), network(smaller)):
        np.testing.assert_allclose(found, expected, rtol=1e-5)


@pytest.mark.parametrize(
    "images",
    [np.zeros([2, 12, 12, 1], np.uint8), np.zeros([12, 12, 1], np.float32)]
    + [np.zeros([2, 12, 12, 2], np.float32)],
    ids=lambda images: f"{images.dtype} {images.shape}",
)
def test_what_is_no_image_is_refused(classifier_folder, images):
    network = open_feature_network(str(classifier_folder))
    with pytest.raises(ValueError, match="float32 images .*Received: .*from_pixels"):
        network(images)


def test_an_unknown_network_is_refused(tmp_path):
    with pytest.raises(ValueError, match="Received: .*no such folder.*train_classif"):
        open_feature_network(str(tmp_path / "x"))


def test_a_place_for_inception_does_not_go_with_a_classifier(classifier_folder):
    with pytest.raises(ValueError, match="for the feature network inception only"):
        open_feature_network(str(classifier_folder), inception="here")

"""TF-GAN's Inception module: found, fetched, loaded, and refused."""

import hashlib
import os
import shutil
import sys
import types

import numpy as np
import pytest
import tensorflow as tf

from sagan_tf.evaluation.features import inception_module
from sagan_tf.evaluation.features.network import open_feature_network
from tests.evaluation import stand_in


def random_images(count, side, channels=3):
    random = np.random.default_rng(3)
    return random.uniform(-1, 1, (count, side, side, channels)).astype(np.float32)


@pytest.fixture(scope="session")
def modules(tmp_path_factory):
    """Kind of stand-in -> its folder."""
    folder = tmp_path_factory.mktemp("modules")
    return {kind: stand_in.write(folder / kind, kind) for kind in stand_in.KINDS}


def assert_is_stand_in(found, images, seed=0):
    """Features and logits are those of the stand-in's formula, for these images."""
    expected = stand_in.outputs(images, *stand_in.weights(seed))
    assert found[0].shape == (len(images), 2048)
    for value, name in zip(found, ("pool_3", "logits")):
        assert value.dtype == tf.float32
        np.testing.assert_allclose(value, expected[name], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("kind", stand_in.KINDS)
def test_a_module_of_any_kind_gives_features_and_logits(modules, kind):
    network = open_feature_network("inception", modules[kind])
    assert (network.num_features, network.num_logits) == (2048, 1008)
    images = random_images(3, 16)
    assert_is_stand_in(network(images), images)


def test_a_module_resizes_by_itself(modules):
    """Enlarged before, the 8 x 8 average would be another."""
    network = open_feature_network("inception", modules["callable"])
    for side in (20, 300):
        images = random_images(2, side)
        assert_is_stand_in(network(images), images)


@pytest.mark.parametrize("kind", ["callable", "signature"])
def test_a_module_for_one_size_gets_that_size(tmp_path, kind, capsys):
    folder = stand_in.write(tmp_path / "m", kind, size=299)
    network = open_feature_network("inception", folder)
    images = random_images(2, 20)
    assert_is_stand_in(network(images), tf.image.resize(images, [299, 299]))


@pytest.mark.parametrize("widths", [(2048, 1000), (1024, 1008)])
def test_other_outputs_are_not_inception(tmp_path, widths, monkeypatch):
    monkeypatch.setattr(inception_module, "_LEAST_BYTES", 1_000_000)
    folder = stand_in.write(tmp_path / "m", "4-d", 0, *widths)
    network = open_feature_network("inception", folder)
    assert (network.num_features, network.num_logits) == widths
    assert network.name.startswith("stand-in-")
    assert [value.shape[1] for value in network(random_images(2, 16))] == list(widths)


def test_a_handle_is_found_in_the_cache_without_tensorflow_hub(
    modules, tmp_path, monkeypatch
):
    handle = "https://tfhub.dev/tensorflow/tfgan/eval/inception/1"
    key = hashlib.sha1(handle.encode()).hexdigest()
    assert key == "c4be6b55dc0338e82546082d22184ebdc77d76cf"
    shutil.copytree(modules["callable"], tmp_path / key)
    monkeypatch.setenv("TFHUB_CACHE_DIR", str(tmp_path))
    monkeypatch.setitem(sys.modules, "tensorflow_hub", None)
    images = random_images(2, 16)
    assert_is_stand_in(open_feature_network("inception")(images), images)
    assert_is_stand_in(open_feature_network("inception", handle)(images), images)


def test_a_handle_that_is_not_cached_is_fetched(modules, tmp_path, monkeypatch):
    asked = []

    def resolve(handle):
        asked.append(handle)
        return str(modules["tf1"])

    monkeypatch.setenv("TFHUB_CACHE_DIR", str(tmp_path))
    hub = types.SimpleNamespace(resolve=resolve)
    monkeypatch.setitem(sys.modules, "tensorflow_hub", hub)
    images = random_images(2, 16)
    network = open_feature_network("inception", "https://example.com/inception/7")
    assert_is_stand_in(network(images), images)
    assert asked == ["https://example.com/inception/7"]


def test_what_tensorflow_hub_says_while_it_loads_is_not_shown(
    tmp_path, monkeypatch, recwarn
):
    (tmp_path / "tensorflow_hub.py").write_text(
        "import warnings\nwarnings.warn('pkg_resources is deprecated')\n"
        "def resolve(handle):\n    raise OSError('offline')\n"
    )
    monkeypatch.delitem(sys.modules, "tensorflow_hub", raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("TFHUB_CACHE_DIR", str(tmp_path))
    with pytest.raises(ValueError, match="offline"):
        open_feature_network("inception")
    monkeypatch.delitem(sys.modules, "tensorflow_hub")
    assert not [w for w in recwarn.list if "pkg_resources" in str(w.message)]


@pytest.mark.parametrize("installed", [True, False])
def test_offline_the_three_ways_are_named(tmp_path, monkeypatch, installed):
    def resolve(handle):
        raise OSError("Name or service\nnot known.")

    hub = types.SimpleNamespace(resolve=resolve) if installed else None
    monkeypatch.setitem(sys.modules, "tensorflow_hub", hub)
    monkeypatch.setenv("TFHUB_CACHE_DIR", str(tmp_path))
    with pytest.raises(ValueError) as error:
        open_feature_network("inception")
    message = str(error.value)
    reason = "Name or service not known" if installed else "tensorflow_hub"
    for words in (
        *(reason, "--inception=DIR", "TFHUB_CACHE_DIR=DIR", "internet connection"),
        "DIR/c4be6b55dc0338e82546082d22184ebdc77d76cf",
    ):
        assert words in message
    assert "\n" not in message


def test_an_archive_has_to_be_unpacked(tmp_path):
    (tmp_path / "inception_1.tar.gz").write_bytes(b"\x1f\x8b")
    with pytest.raises(ValueError, match="inception_1.tar.gz, an archive.*tar -xzf"):
        open_feature_network("inception", tmp_path / "inception_1.tar.gz")


@pytest.mark.parametrize("folder, words", [("", "holds none"), ("x", "is no folder")])
def test_a_folder_without_a_module_is_named(tmp_path, folder, words):
    with pytest.raises(ValueError, match=f"Received: {tmp_path}.*{words}"):
        open_feature_network("inception", tmp_path / folder)


def test_a_damaged_module_is_named(modules, tmp_path):
    shutil.copytree(modules["callable"], tmp_path / "m")
    path = tmp_path / "m" / "saved_model.pb"
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(ValueError, match=f"{tmp_path}/m cannot be loaded"):
        open_feature_network("inception", tmp_path / "m")


def test_a_module_with_other_outputs_is_refused(tmp_path):
    module = tf.Module()
    spec = tf.TensorSpec([None, None, None, 3], tf.float32)
    module.__call__ = tf.function(lambda x: {"output": x}, input_signature=[spec])
    tf.saved_model.save(module, str(tmp_path))
    with pytest.raises(ValueError, match="pool_3 and logits.*Received: output"):
        open_feature_network("inception", tmp_path)


def test_a_module_without_a_signature_for_images_is_refused(tmp_path):
    module = tf.Module()
    spec = tf.TensorSpec([None], tf.float32)
    double = tf.function(lambda x: {"y": 2 * x}, input_signature=[spec])
    tf.saved_model.save(module, str(tmp_path), {"double": double})
    with pytest.raises(ValueError, match="Received: signatures double"):
        open_feature_network("inception", tmp_path)


def test_a_module_for_something_else_is_refused(tmp_path):
    module = tf.Module()
    spec = tf.TensorSpec([None], tf.string)
    module.__call__ = tf.function(lambda x: {"y": x}, input_signature=[spec])
    tf.saved_model.save(module, str(tmp_path))
    with pytest.raises(ValueError, match="takes no float32 images"):
        open_feature_network("inception", tmp_path)


def test_the_hash_is_of_the_files_that_decide_the_numbers(modules, tmp_path):
    original = inception_module.files_hash(modules["callable"])
    copy = tmp_path / "copy"
    shutil.copytree(modules["callable"], copy)
    (copy / "readme.txt").write_text("beside the point")
    os.utime(copy / "saved_model.pb", (0, 0))
    assert inception_module.files_hash(copy) == original
    data = copy / "variables" / "variables.data-00000-of-00001"
    content = bytearray(data.read_bytes())
    content[1000] ^= 1
    data.write_bytes(content)
    assert inception_module.files_hash(copy) != original

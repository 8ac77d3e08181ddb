import keras
import numpy as np
import pytest
import tensorflow as tf

from sagan_tf.exports.served_model import ServedModel


@pytest.fixture(scope="module")
def network():
    return keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, name="dense")])


@pytest.fixture(scope="module")
def exported(network, tmp_path_factory):
    """A SavedModel of two signatures, one of which returns strings."""
    folder = tmp_path_factory.mktemp("exported")
    archive = keras.export.ExportArchive()
    archive.add_endpoint(
        "serving_default",
        lambda x: {"y": network(x)},
        [tf.TensorSpec([None, 3], tf.float32, name="x")],
    )
    archive.add_endpoint(
        "b",
        lambda number: {"text": tf.strings.as_string(number)},
        [tf.TensorSpec([None], tf.int64, name="number")],
    )
    archive.write_out(str(folder), verbose=False)
    return folder


def test_requests_are_answered(network, exported):
    x = np.arange(6, dtype=np.float32).reshape(2, 3)
    with ServedModel(exported) as served:
        answer = served.run("serving_default", {"x": x})
        np.testing.assert_allclose(answer["y"], network(x), rtol=1e-6)
        assert served.run("b", {"number": [7, 12]})["text"].tolist() == [b"7", b"12"]


def test_signatures_are_told(exported):
    with ServedModel(exported) as served:
        found = served.signatures()
    assert list(found) == ["serving_default", "b"]
    assert found["serving_default"] == {
        "inputs": {"x": {"dtype": "float32", "shape": [None, 3]}},
        "outputs": {"y": {"dtype": "float32", "shape": [None, 2]}},
    }
    assert found["b"]["outputs"] == {"text": {"dtype": "string", "shape": [None]}}


def test_a_model_that_no_server_opens_is_found_out(network, tmp_path):
    """`tf.saved_model.load` does not notice: keras-team/keras#19274."""
    module = tf.Module()
    module.network = network
    serve = tf.function(
        lambda x: {"y": network(x)},
        input_signature=[tf.TensorSpec([None, 3], tf.float32, name="x")],
    )
    tf.saved_model.save(module, str(tmp_path), signatures=serve)
    x = np.ones((1, 3), np.float32)
    again = tf.saved_model.load(str(tmp_path)).signatures["serving_default"]
    np.testing.assert_allclose(again(x=tf.constant(x))["y"], network(x), rtol=1e-6)
    with ServedModel(tmp_path) as served:
        with pytest.raises(tf.errors.OpError, match="Could not find variable"):
            served.run("serving_default", {"x": x})


def test_a_folder_without_a_model_is_an_error(tmp_path):
    with pytest.raises(OSError, match="SavedModel"):
        ServedModel(tmp_path)

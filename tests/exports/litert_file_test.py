import keras
import numpy as np
import pytest
import tensorflow as tf

from sagan_tf.exports import litert_file

pytest.importorskip("ai_edge_litert", reason="ai_edge_litert is in the extra litert")
SPECS = [tf.TensorSpec([None, 3], tf.float32, "z")]


def model_of(operation):
    z = keras.Input((3,), name="z")
    return keras.Model([z], {"images": operation(z)})


def test_any_number_of_rows_goes_through(tmp_path):
    model = model_of(keras.layers.Dense(2))
    litert_file.write(model, tmp_path, SPECS)
    run = litert_file.open_reader(tmp_path)
    for count in (1, 3):
        x = np.ones((count, 3), np.float32)
        np.testing.assert_allclose(run({"z": x}), model([x])["images"], atol=1e-6)


def test_operations_that_plain_litert_lacks_are_not_written(tmp_path):
    model = model_of(keras.layers.Activation(lambda x: tf.math.digamma(x)))
    with pytest.raises(Exception, match="tf.Digamma|Digamma"):
        litert_file.write(model, tmp_path, SPECS)

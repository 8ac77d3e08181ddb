import keras
import pytest
import tensorflow as tf

from sagan_tf.exports import onnx_file

onnx = pytest.importorskip("onnx", reason="onnx is in the extra onnx")
pytest.importorskip("tf2onnx", reason="tf2onnx is in the extra onnx")


def test_the_number_of_images_has_one_name(tmp_path):
    z = keras.Input((3,), name="z")
    model = keras.Model([z], {"images": keras.layers.Dense(2)(z)})
    onnx_file.write(model, tmp_path, [tf.TensorSpec([None, 3], tf.float32, "z")])
    graph = onnx.load(tmp_path / "generator.onnx").graph
    tensors = (*graph.input, *graph.output)
    assert [tensor.name for tensor in tensors] == ["z", "images"]
    for tensor in tensors:
        assert tensor.type.tensor_type.shape.dim[0].dim_param == "N"

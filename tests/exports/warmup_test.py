import numpy as np
import pytest
import tensorflow as tf
from tensorflow_serving.apis import prediction_log_pb2

from sagan_tf.exports.warmup import write_warmup_requests


class Painter(tf.Module):
    def paint(self, labels, truncation):
        return {"pixels": tf.cast(labels, tf.float32) * truncation}


@pytest.fixture
def model(tmp_path):
    module, folder = Painter(), tmp_path / "model"
    function = tf.function(
        module.paint,
        input_signature=[
            tf.TensorSpec([None], tf.int32, name="labels"),
            tf.TensorSpec([None], tf.float32, name="truncation"),
        ],
    )
    tf.saved_model.save(module, str(folder), signatures={"sample": function})
    return folder


def request(labels=(3, 5), truncation=(0.5, 1.0)):
    return {"labels": np.int32(labels), "truncation": np.float32(truncation)}


def read(path):
    records = tf.data.TFRecordDataset(str(path)).as_numpy_iterator()
    return [prediction_log_pb2.PredictionLog.FromString(each) for each in records]


def test_the_server_finds_the_requests_as_they_were_given(model):
    requests = [("sample", request()), ("sample", request([7], [0.25]))]
    path = write_warmup_requests(model, requests)
    # The name is TensorFlow Serving's (saved_model_warmup_util.h).
    assert path == model / "assets.extra" / "tf_serving_warmup_requests"
    assert [p.name for p in path.parent.iterdir()] == [path.name]
    logs = read(path)
    assert len(logs) == 2
    for log, (name, inputs) in zip(logs, requests):
        assert log.WhichOneof("log_type") == "predict_log"
        spec = log.predict_log.request.model_spec
        assert (spec.name, spec.signature_name) == ("sagan", name)
        assert set(log.predict_log.request.inputs) == set(inputs)
        for key, array in inputs.items():
            read_back = tf.make_ndarray(log.predict_log.request.inputs[key])
            assert read_back.dtype == array.dtype
            np.testing.assert_array_equal(read_back, array)


def test_new_requests_replace_the_old_ones(model):
    path = write_warmup_requests(model, [("sample", request())] * 3)
    assert len(read(path)) == 3
    write_warmup_requests(model, [("sample", request())])
    assert len(read(path)) == 1


def test_a_model_with_warm_up_still_loads(model):
    write_warmup_requests(model, [("sample", request())])
    loaded = tf.saved_model.load(str(model)).signatures["sample"]
    made = loaded(**{k: tf.constant(v) for k, v in request().items()})
    np.testing.assert_allclose(made["pixels"], [1.5, 5.0])

"""Warm-up: requests that TensorFlow Serving answers when it loads a model.

The first request of each signature and size pays for what TensorFlow does lazily:
graph optimization, memory, on a GPU the choice of kernels. TensorFlow Serving
therefore replays the requests in the model's folder before it answers any other
(tensorflow.org/tfx/serving/saved_model_warmup).
"""

import pathlib

import tensorflow as tf
from tensorflow_serving.apis import prediction_log_pb2

from sagan_tf.files import replacing

# Where the server looks, inside the SavedModel.
REQUESTS_PATH = pathlib.PurePosixPath("assets.extra/tf_serving_warmup_requests")


def write_warmup_requests(folder, requests):
    """Writes the warm-up requests of a SavedModel, in place of those it had.

    Args:
        folder: path of the SavedModel.
        requests: list of (signature name, dict of input name to array), at most 1000.
            The server refuses a model with more, or with a request that fails.

    Returns:
        `pathlib.Path` of the file: TFRecords of `PredictionLog`.

    Raises:
        OSError: it cannot be written.
    """
    path = pathlib.Path(folder) / REQUESTS_PATH
    path.parent.mkdir(exist_ok=True)
    with replacing(path) as temporary, tf.io.TFRecordWriter(temporary) as writer:
        for name, inputs in requests:
            log = prediction_log_pb2.PredictionLog()
            request = log.predict_log.request
            # The server does not compare it with the name under which it serves.
            request.model_spec.name = "sagan"
            request.model_spec.signature_name = name
            for key, array in inputs.items():
                request.inputs[key].CopyFrom(tf.make_tensor_proto(array))
            writer.write(log.SerializeToString())
    return path

"""Warm-up: requests that TensorFlow Serving answers when it loads a model.

The first request of each signature and size pays for what TensorFlow does lazily:
graph optimization, memory, on a GPU the choice of kernels. TensorFlow Serving
therefore replays the requests that it finds in the model, before it answers anybody
(tensorflow.org/tfx/serving/saved_model_warmup).
"""

import pathlib

import numpy as np
import tensorflow as tf
from google.protobuf.message import DecodeError
from tensorflow.core.protobuf import saved_model_pb2
from tensorflow_serving.apis import prediction_log_pb2

from sagan_tf.errors import BadInput
from sagan_tf.files import replacing

# Where the server looks, inside the SavedModel, and how many it takes. With more, or
# with one that fails, it refuses the model.
REQUESTS_PATH = pathlib.PurePosixPath("assets.extra/tf_serving_warmup_requests")
MAX_REQUESTS = 1000


def write_warmup_requests(folder, requests, model_name="sagan"):
    """Writes the warm-up requests of a SavedModel, in place of those it had.

    They are checked against the model's signatures, because a server does not load a
    model whose warm-up fails.

    Args:
        folder: path of the SavedModel.
        requests: list of (signature name, dict of input name to array). Every input of
            the signature, with its dtype; the first dimension, the number of pictures,
            is the same for all inputs of a request, as it must be where the server
            batches. 1 to 1000 requests.
        model_name: str, for the record. The server does not compare it with the name
            under which it serves the model.

    Returns:
        `pathlib.Path` of the file: TFRecords of `PredictionLog`.

    Raises:
        BadInput: there is no SavedModel, too few or too many requests, or one that
            the model cannot answer.
        OSError: it cannot be written.
    """
    folder = pathlib.Path(folder)
    requests = list(requests)
    if not 1 <= len(requests) <= MAX_REQUESTS:
        raise BadInput(
            f"TensorFlow Serving takes 1 to {MAX_REQUESTS} warm-up requests. Received: "
            f"{len(requests)}. Try fewer batch sizes."
        )
    signatures = _read_signatures(folder)
    records = [
        _record(signatures, name, inputs, model_name) for name, inputs in requests
    ]
    path = folder / REQUESTS_PATH
    path.parent.mkdir(exist_ok=True)
    with replacing(path) as temporary, tf.io.TFRecordWriter(temporary) as writer:
        for record in records:
            writer.write(record)
    return path


def _read_signatures(folder):
    """The signatures that a server finds in a SavedModel: name to `SignatureDef`."""
    path = folder / "saved_model.pb"
    if not path.is_file():
        raise BadInput(
            f"{folder} is no SavedModel: it has no saved_model.pb. Try the folder that "
            "holds that file."
        )
    try:
        model = saved_model_pb2.SavedModel.FromString(path.read_bytes())
    except DecodeError as error:
        raise BadInput(
            f"{path} is damaged: {error}. Try exporting it again."
        ) from error
    for graph in model.meta_graphs:
        if "serve" in graph.meta_info_def.tags:
            return {
                name: signature
                for name, signature in graph.signature_def.items()
                if name != "__saved_model_init_op"  # For loading, not for serving.
            }
    raise BadInput(f"{path} has no graph with the tag serve. Try exporting it again.")


def _record(signatures, name, inputs, model_name):
    """One request as the bytes of a `PredictionLog`."""
    if name not in signatures:
        raise BadInput(
            f"The model has the signatures {', '.join(sorted(signatures))}. Received: "
            f"a warm-up request for {name}."
        )
    expected = signatures[name].inputs
    if set(inputs) != set(expected):
        raise BadInput(
            f"The signature {name} takes {', '.join(sorted(expected))}. Received: a "
            f"warm-up request with {', '.join(sorted(inputs)) or 'nothing'}."
        )
    arrays = {key: np.asarray(value) for key, value in inputs.items()}
    for key, array in arrays.items():
        _check(f"{name}'s {key}", array, expected[key])
    sizes = {key: len(array) for key, array in arrays.items()}
    if len(set(sizes.values())) > 1:
        raise BadInput(
            f"All inputs of a request to {name} must have the same first dimension, "
            f"the number of pictures. Received: {sizes}."
        )
    log = prediction_log_pb2.PredictionLog()
    request = log.predict_log.request
    request.model_spec.name = model_name
    request.model_spec.signature_name = name
    for key, array in arrays.items():
        request.inputs[key].CopyFrom(tf.make_tensor_proto(array))
    return log.SerializeToString()


def _check(what, array, info):
    """Raises if an array cannot be fed to an input of a `SignatureDef`."""
    dtype, shape = tf.dtypes.as_dtype(info.dtype), tf.TensorShape(info.tensor_shape)
    received = tf.dtypes.as_dtype(array.dtype)
    fits = received == dtype and shape.is_compatible_with(array.shape)
    if not fits or array.ndim == 0 or not len(array):
        raise BadInput(
            f"{what} must be {dtype.name} of shape {shape} with a first dimension, the "
            f"number of pictures. Received: {received.name} of shape {array.shape}."
        )

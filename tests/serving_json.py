"""REST as TensorFlow Serving speaks it: a part of `serving_double.py`.

From the sources (July 2026): http_rest_api_handler.cc, http_rest_api_util.cc,
http_server.cc, and json_tensor.cc for the two formats of requests and answers.
"""

import base64
import json
import re

import grpc
import tensorflow as tf
from google.protobuf import json_format
from tensorflow.core.framework import tensor_pb2, types_pb2
from tensorflow_serving.apis import get_model_metadata_pb2, model_pb2, predict_pb2

Code = grpc.StatusCode
# http_server.cc, ToHTTPStatusCode
HTTP_STATUS = {
    Code.INVALID_ARGUMENT: 400,
    Code.FAILED_PRECONDITION: 400,
    Code.OUT_OF_RANGE: 400,
    Code.NOT_FOUND: 404,
    Code.RESOURCE_EXHAUSTED: 429,
    Code.UNIMPLEMENTED: 501,
    Code.UNAVAILABLE: 503,
    Code.DEADLINE_EXCEEDED: 504,
}
# http_rest_api_util.cc
PREDICT_PATH = re.compile(
    r"(?i)/v1/models/([^/:]+)(?:(?:/versions/(\d+))|(?:/labels/([^/:]+)))?:predict"
)
STATUS_PATH = re.compile(
    r"(?i)/v1/models(?:/([^/:]+))?(?:(?:/versions/(\d+))|(?:/labels/([^/:]+)))?"
    r"(?:/(metadata))?"
)


class Refused(Exception):
    """An error that is answered: a status code and its text."""

    def __init__(self, code, text):
        super().__init__(text)
        self.code = code
        self.text = text


def answer(models, method, path, body=b""):
    """Answers a call (http_rest_api_handler.cc).

    Args:
        models: `ModelServer`.
        method: `"GET"` or `"POST"`.
        path: str.
        body: bytes.

    Returns:
        HTTP status and text.
    """
    if not path.lower().startswith("/v1/"):
        return 404, ""
    try:
        if method == "POST" and (match := PREDICT_PATH.fullmatch(path)):
            found = _predict(models, _spec(match), body)
        elif method == "GET" and (match := STATUS_PATH.fullmatch(path)):
            if not match.group(1):
                raise _invalid("Missing model name in request.")
            about = _metadata if match.group(4) else _status
            found = about(models, _spec(match))
        else:
            raise _invalid(f"Malformed request: {method} {path}")
    except Refused as error:
        status = HTTP_STATUS.get(error.code, 500)
        return status, json.dumps({"error": error.text}, indent=4)
    return 200, json.dumps(found, indent=4)


def _predict(models, spec, body):
    request = predict_pb2.PredictRequest(model_spec=spec)
    document = _parse(body)
    name = document.get("signature_name", "")
    if not isinstance(name, str):
        raise _invalid("'signature_name' key must be a string value.")
    request.model_spec.signature_name = name
    signatures = models.servable(spec).signatures
    name = name or "serving_default"
    if name not in signatures:
        raise _invalid(f'Serving signature name: "{name}" not found in signature def')
    by_row = _fill(request.inputs, document, signatures[name].inputs)
    outputs = models.predict(request).outputs
    return _rows(outputs) if by_row else _columns(outputs)


def _status(models, spec):
    return _as_json(models.status(spec))


def _metadata(models, spec):
    request = get_model_metadata_pb2.GetModelMetadataRequest(
        model_spec=spec, metadata_field=["signature_def"]
    )
    response = models.metadata(request)
    signatures = get_model_metadata_pb2.SignatureDefMap()
    response.metadata["signature_def"].Unpack(signatures)
    return {
        "model_spec": _as_json(response.model_spec),
        "metadata": {"signature_def": _as_json(signatures)},
    }


def _as_json(message):
    return json_format.MessageToDict(
        message,
        preserving_proto_field_name=True,
        always_print_fields_with_no_presence=True,
    )


def _spec(match):
    name, version, label = match.groups()[:3]
    spec = model_pb2.ModelSpec()
    spec.name = name or ""
    if version:
        spec.version.value = int(version)
    if label:
        spec.version_label = label
    return spec


def _invalid(text):
    return Refused(Code.INVALID_ARGUMENT, text)


def _parse(body):
    if not body:
        raise _invalid("JSON Parse error: The document is empty")
    try:
        document = json.loads(body)
    except ValueError as error:
        raise _invalid(f"JSON Parse error: {error}") from error
    if not isinstance(document, dict):
        raise _invalid(f"JSON Value: {document} Is not object")
    return document


def _fill(inputs, document, infos):
    """Fills a request's inputs from JSON; returns whether they came by row."""
    if "instances" in document and "inputs" in document:
        raise _invalid(
            "Not formatted correctly expecting only one of 'inputs' or 'instances' "
            "keys to exist "
        )
    if "instances" in document:
        _fill_rows(inputs, document["instances"], infos)
        return True
    if "inputs" in document:
        _fill_columns(inputs, document["inputs"], infos)
        return False
    raise _invalid("Missing 'inputs' or 'instances' key")


def _fill_rows(inputs, rows, infos):
    if not isinstance(rows, list):
        raise _invalid("Expecting 'instances' to be an list/array")
    if not rows:
        raise _invalid("No values in 'instances' array")
    if not isinstance(rows[0], dict) and len(infos) > 1:
        raise _invalid(
            "instances is a plain list, but expecting list of objects as multiple "
            "input tensors required as per tensorinfo_map"
        )
    named = _is_object(rows[0])
    columns = {}
    for number, row in enumerate(rows):
        if named != _is_object(row):
            kinds = "object but got list" if named else "value/list but got object"
            raise _invalid(f"Expecting {kinds} at item {number} of input list")
        row = row if named else {next(iter(infos)): row}
        if set(row) != set(infos):
            raise _invalid(
                f"Failed to process element: {number} of 'instances' list. JSON "
                f"object: {json.dumps(row)} keys must be equal to: "
                f"{','.join(sorted(infos))}"
            )
        for name, value in row.items():
            columns.setdefault(name, []).append(value)
    for name, values in columns.items():
        inputs[name].CopyFrom(_tensor(values, infos[name].dtype))


def _fill_columns(inputs, columns, infos):
    if not _is_object(columns):
        if len(infos) > 1:
            raise _invalid(
                "inputs is a plain value/list, but expecting an object as multiple "
                "input tensors required as per tensorinfo_map"
            )
        columns = {next(iter(infos)): columns}
    for name, info in sorted(infos.items()):  # Other names are passed over.
        if name not in columns:
            raise _invalid(f"Missing named input: {name} in 'inputs' object.")
        inputs[name].CopyFrom(_tensor(columns[name], info.dtype))


def _is_object(value):
    """An object that is not Base64."""
    return isinstance(value, dict) and not (
        set(value) == {"b64"} and isinstance(value["b64"], str)
    )


def _tensor(value, dtype):
    """json_tensor.cc, FillTensorProto: nested lists to a `TensorProto`."""
    shape, level = [], value
    while isinstance(level, list):
        shape.append(len(level))
        level = level[0] if level else None
    proto = tensor_pb2.TensorProto(dtype=dtype)
    proto.tensor_shape.CopyFrom(tf.TensorShape(shape).as_proto())
    _fill_level(proto, value, 0, shape, tf.dtypes.as_dtype(dtype))
    return proto


def _fill_level(proto, value, level, shape, dtype):
    if not isinstance(value, list):
        if level != len(shape):
            raise _invalid(
                f"JSON Value: {json.dumps(value)} found at incorrect level: "
                f"{level + 1} in the JSON DOM. Expected at level: {len(shape)}"
            )
        return _add(proto, value, dtype)
    if level >= len(shape):
        raise _invalid(
            f"Encountered list at unexpected level: {level} expected < {len(shape)}"
        )
    if len(value) != shape[level]:
        raise _invalid(
            f"Encountered list at unexpected size: {len(value)} at level: {level} "
            f"expected size: {shape[level]}"
        )
    for each in value:
        _fill_level(proto, each, level + 1, shape, dtype)


def _add(proto, value, dtype):
    """json_tensor.cc, AddValueToTensor. Whole numbers are floats, not the reverse."""
    whole = isinstance(value, int) and not isinstance(value, bool)
    if dtype == tf.float32 and (whole or isinstance(value, float)):
        proto.float_val.append(value)
    elif dtype == tf.int32 and whole and -(2**31) <= value < 2**31:
        proto.int_val.append(value)
    elif dtype == tf.int64 and whole and -(2**63) <= value < 2**63:
        proto.int64_val.append(value)
    elif dtype == tf.string and isinstance(value, str):
        proto.string_val.append(value.encode())
    elif dtype == tf.string and isinstance(value, dict) and not _is_object(value):
        proto.string_val.append(base64.b64decode(value["b64"]))
    else:
        raise _invalid(
            f"JSON Value: {json.dumps(value)} Type: {_kind(value)} is not of expected "
            f"type: {types_pb2.DataType.Name(proto.dtype)[3:].lower()}"
        )


def _kind(value):
    if isinstance(value, bool):
        return str(value)
    kinds = {dict: "Object", list: "Array", str: "String", type(None): "Null"}
    return kinds.get(type(value), "Number")


def _json_values(name, proto):
    """A tensor as nested lists; strings of a name that ends in _bytes as Base64."""

    def encode(value):
        if isinstance(value, list):
            return [encode(each) for each in value]
        if isinstance(value, bytes):
            if name.endswith("_bytes"):
                return {"b64": base64.b64encode(value).decode()}
            return value.decode()
        return value

    return encode(tf.make_ndarray(proto).tolist())


def _columns(outputs):
    found = {name: _json_values(name, proto) for name, proto in outputs.items()}
    return {"outputs": found if len(found) > 1 else next(iter(found.values()))}


def _rows(outputs):
    found = {name: _json_values(name, proto) for name, proto in outputs.items()}
    for name, values in found.items():
        if not isinstance(values, list):
            raise _invalid(f"Tensor name: {name} has no shape information ")
    sizes = {len(values) for values in found.values()}
    if len(sizes) > 1:
        raise _invalid(f"inconsistent batch size: {sorted(sizes)}")
    if len(found) == 1:
        return {"predictions": next(iter(found.values()))}
    rows = zip(*found.values(), strict=True)
    return {"predictions": [dict(zip(found, row, strict=True)) for row in rows]}

"""A small stand-in for TensorFlow Serving's server, which is not a Python package.

    python tests/serving_double.py --rest_api_port=8501 --mount=/models=models \\
        --model_config_file=docker/serving/models.config

It answers the requests of docker/serving's clients: Predict over gRPC, and predict and
status over REST. Protocol buffers, gRPC, HTTP and TensorFlow's session loader, which
the server wraps, are real: what no session can load fails here too. Warm-up, the limit
of a batch and the refusals that the clients show follow the server's sources. Nothing
else of the server is imitated.
"""

import argparse
import base64
import contextlib
import http.server
import json
import pathlib
import re
import threading
from concurrent import futures

import grpc
import numpy as np
import tensorflow as tf
from serving_configs import MESSAGES, read_config
from tensorflow_serving.apis import (
    predict_pb2,
    prediction_log_pb2,
    prediction_service_pb2_grpc,
)

Code = grpc.StatusCode
PATH = re.compile(r"/v1/models/([^/:]+)(?:/versions/(\d+))?(:predict)?")
HTTP_STATUS = {Code.INVALID_ARGUMENT: 400, Code.NOT_FOUND: 404}


class Refused(Exception):
    """An error that the client receives: a status code and its text."""

    def __init__(self, code, text):
        super().__init__(text)
        self.code = code
        self.text = text


class Servable:
    """One version of a model, in a session of its own.

    Args:
        folder: path of a SavedModel; its name is the version.
        batching: `BatchingParameters`, or `None` without --enable_batching.
    """

    def __init__(self, folder, batching=None):
        self.version, self.folder = int(folder.name), folder
        self.warmed_up = []
        self._batching = batching
        self._session = tf.compat.v1.Session(graph=tf.Graph())
        with self._session.graph.as_default():
            graph = tf.compat.v1.saved_model.load(self._session, ["serve"], str(folder))
        self.signatures = graph.signature_def

    def close(self):
        self._session.close()

    def warm_up(self):
        """Runs the requests of the export; if one fails, the model fails."""
        path = self.folder / "assets.extra" / "tf_serving_warmup_requests"
        if not path.exists():
            return
        for record in tf.data.TFRecordDataset(str(path)).as_numpy_iterator():
            log = prediction_log_pb2.PredictionLog.FromString(record)
            self.predict(log.predict_log.request)
            self.warmed_up.append(log.predict_log.request)

    def predict(self, request):
        """Answers a `PredictRequest` with a `PredictResponse`."""
        name = request.model_spec.signature_name or "serving_default"
        if name not in self.signatures:
            wrong = f'Serving signature key "{name}" not found.'
            raise Refused(Code.INVALID_ARGUMENT, wrong)
        signature = self.signatures[name]
        given, known = sorted(request.inputs), sorted(signature.inputs)
        if given != known:
            wrong = f"input size does not match signature: {given} != {known}"
            raise Refused(Code.INVALID_ARGUMENT, wrong)
        arrays = {}
        for alias, proto in request.inputs.items():
            if proto.dtype != signature.inputs[alias].dtype:
                wrong = f"Input {alias} has another dtype than the signature"
                raise Refused(Code.INVALID_ARGUMENT, wrong)
            arrays[signature.inputs[alias].name] = tf.make_ndarray(proto)
        outputs = {alias: info.name for alias, info in signature.outputs.items()}
        response = predict_pb2.PredictResponse()
        for alias, array in self._run(outputs, arrays).items():
            response.outputs[alias].CopyFrom(tf.make_tensor_proto(array))
        return response

    def _run(self, outputs, arrays):
        """Pads arrays to an allowed size, as a batching server does, and runs."""
        size = padded = len(next(iter(arrays.values())))
        if self._batching:
            largest = self._batching.max_batch_size.value
            if size > largest:
                wrong = f"Task size {size} is larger than maximum input batch size"
                raise Refused(Code.INVALID_ARGUMENT, f"{wrong} {largest}")
            padded = min(s for s in self._batching.allowed_batch_sizes if s >= size)
        # Pads with the first row, because it is known to be valid.
        rows = [*range(size), *[0] * (padded - size)]
        feeds = {name: array[rows] for name, array in arrays.items()}
        try:
            arrays = self._session.run(outputs, feeds)
        except tf.errors.OpError as error:
            raise Refused(Code.INVALID_ARGUMENT, error.message) from error
        return {alias: array[:size] for alias, array in arrays.items()}


class ModelServer:
    """The models of a config file, the highest version of each by default.

    Args:
        config: `ModelServerConfig`.
        batching: `BatchingParameters`, or `None` without --enable_batching.
        mounts: pairs of a path in the container and the one on this machine.
        warm_up: bool, --enable_model_warmup.
    """

    def __init__(self, config, batching=None, mounts=(), warm_up=True):
        self.servables = {}
        for model in config.model_config_list.config:
            folder = pathlib.Path(local(model.base_path, mounts))
            versions = [path for path in folder.iterdir() if path.name.isdecimal()]
            newest = max(versions, key=lambda path: int(path.name))
            self.servables[model.name] = Servable(newest, batching)
            if warm_up:
                self.servables[model.name].warm_up()

    def close(self):
        for servable in self.servables.values():
            servable.close()

    def servable(self, name, version=None):
        """Returns the model of a name, and of a version if one is given."""
        servable = self.servables.get(name)
        if not servable or version not in (None, servable.version):
            asked = f"Specific({name}, {version})" if version else f"Latest({name})"
            wrong = f"Servable not found for request: {asked}"
            raise Refused(Code.NOT_FOUND, wrong)
        return servable

    def predict(self, request):
        spec = request.model_spec
        version = spec.version.value if spec.HasField("version") else None
        return self.servable(spec.name, version).predict(request)


def local(path, mounts):
    """Converts a path of the container to one of this machine."""
    for inside, here in mounts:
        if path == inside or path.startswith(inside + "/"):
            return f"{here}{path[len(inside) :]}"
    return path


class _Service(prediction_service_pb2_grpc.PredictionServiceServicer):
    def __init__(self, models):
        self._models = models

    def Predict(self, request, context):
        try:
            return self._models.predict(request)
        except Refused as error:
            context.abort(error.code, error.text)


def answer(models, method, path, body):
    """Answers a REST call: returns the HTTP status and the content for the JSON."""
    match = PATH.fullmatch(path)
    if not match or (method == "POST") != bool(match.group(3)):
        return 404, {"error": f"Malformed request: {method} {path}"}
    name, version = match.group(1), match.group(2) and int(match.group(2))
    try:
        servable = models.servable(name, version)
        if method == "GET":
            states = [{"version": str(servable.version), "state": "AVAILABLE"}]
            return 200, {"model_version_status": states}
        return 200, _predict(models, servable, name, json.loads(body))
    except Refused as error:
        return HTTP_STATUS[error.code], {"error": error.text}


def _predict(models, servable, name, document):
    """Answers inputs as columns, `"inputs"`, or as rows of objects, `"instances"`."""
    request = predict_pb2.PredictRequest()
    request.model_spec.name = name
    request.model_spec.version.value = servable.version
    request.model_spec.signature_name = document.get("signature_name", "")
    rows = document.get("instances")
    columns = document.get("inputs")
    if rows is not None:
        columns = {key: [row[key] for row in rows] for key in rows[0]}
    signature = servable.signatures[request.model_spec.signature_name]
    for key, values in columns.items():
        dtype = tf.dtypes.as_dtype(signature.inputs[key].dtype).as_numpy_dtype
        proto = tf.make_tensor_proto(np.array(values, dtype))
        request.inputs[key].CopyFrom(proto)
    outputs = {
        key: _json_values(key, tf.make_ndarray(proto))
        for key, proto in models.predict(request).outputs.items()
    }
    if rows is not None:  # One output has no name.
        values = outputs.values() if len(outputs) == 1 else [_as_rows(outputs)]
        return {"predictions": next(iter(values))}
    return {"outputs": outputs if len(outputs) > 1 else next(iter(outputs.values()))}


def _as_rows(columns):
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values())]


def _json_values(name, array):
    """Returns nested lists; the strings of a name that ends in _bytes as Base64."""
    if name.endswith("_bytes"):
        return [{"b64": base64.b64encode(value).decode()} for value in array]
    return array.tolist()


def _handler(models):
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self._answer(b"")

        def do_POST(self):
            self._answer(self.rfile.read(int(self.headers["Content-Length"])))

        def _answer(self, body):
            status, content = answer(models, self.command, self.path, body)
            data = json.dumps(content, indent=4).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_):
            pass  # Keeps the log out of the tests' output.

    return Handler


@contextlib.contextmanager
def serving(models, port=0, rest_port=0):
    """Serves a `ModelServer` on this machine; yields the ports of gRPC and REST."""
    rpc = grpc.server(futures.ThreadPoolExecutor(4))
    service = _Service(models)
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(service, rpc)
    port = rpc.add_insecure_port(f"127.0.0.1:{port}")
    rest = http.server.ThreadingHTTPServer(("127.0.0.1", rest_port), _handler(models))
    thread = threading.Thread(target=rest.serve_forever, args=(0.05,), daemon=True)
    rpc.start()
    thread.start()
    try:
        yield port, rest.server_address[1]
    finally:
        rest.shutdown()
        rest.server_close()
        thread.join()
        rpc.stop(grace=0).wait()


def parse(arguments=None):
    """Parses the flags of `tensorflow_model_server` in our example.

    --mount=INSIDE=HERE, once for each volume, maps paths of the container.
    """
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    switch = ("true", "false")
    parser.add_argument("--port", type=int, default=8500)
    parser.add_argument("--rest_api_port", type=int, default=0)
    parser.add_argument("--model_config_file", required=True)
    parser.add_argument("--enable_batching", choices=switch, default="false")
    parser.add_argument("--batching_parameters_file")
    parser.add_argument("--monitoring_config_file")
    parser.add_argument("--enable_model_warmup", choices=switch, default="true")
    parser.add_argument("--rest_api_timeout_in_ms", type=int, default=30000)
    parser.add_argument("--mount", action="append", default=[])
    flags = parser.parse_args(arguments)
    flags.mount = [tuple(mount.split("=", 1)) for mount in flags.mount]
    return flags


def start(flags):
    """Loads the models of a command line; returns the `ModelServer`."""

    def read(path, kind):
        return read_config(local(path, flags.mount), kind) if path else MESSAGES[kind]()

    read(flags.monitoring_config_file, "MonitoringConfig")
    batching = read(flags.batching_parameters_file, "BatchingParameters")
    return ModelServer(
        read(flags.model_config_file, "ModelServerConfig"),
        batching if flags.enable_batching == "true" else None,
        flags.mount,
        flags.enable_model_warmup == "true",
    )


def main():
    flags = parse()
    with serving(start(flags), flags.port, flags.rest_api_port) as ports:
        print("gRPC at port {}, REST at port {}".format(*ports), flush=True)
        with contextlib.suppress(KeyboardInterrupt):
            threading.Event().wait()


if __name__ == "__main__":
    main()

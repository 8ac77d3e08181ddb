"""A double of TensorFlow Serving's model server, where there is no such binary.

    python tests/serving_double.py --rest_api_port=8501 --mount=/models=models \\
        --model_config_file=docker/serving/models.config

It takes flags, config files and folders as `tensorflow_model_server` does, and answers
Predict and GetModelMetadata over gRPC, and predict, status and metadata over REST.

Real in it: protocol buffers, gRPC, HTTP, and TensorFlow's session loader, which the
server wraps (what no session can load, as a SavedModel of Keras' own, fails here too).
Imitated, from the sources (July 2026) that each part names: what is accepted, what
is refused, and in which words. Not imitated: joining requests of several clients,
version labels, Classify and Regress, counters.
"""

import argparse
import contextlib
import http.server
import pathlib
import threading
from concurrent import futures

import grpc
import serving_json
import tensorflow as tf
from serving_configs import MESSAGES, read_config
from serving_json import Code, Refused
from tensorflow.core.framework import tensor_pb2
from tensorflow_serving.apis import (
    get_model_metadata_pb2,
    get_model_status_pb2,
    predict_pb2,
    prediction_log_pb2,
    prediction_service_pb2_grpc,
    status_pb2,
)

MAX_WARM_UP_REQUESTS = 1000  # saved_model_warmup_util.h


class Batching:
    """What --enable_batching asks of one request (batching_session.cc)."""

    def __init__(self, parameters):
        self.allowed = list(parameters.allowed_batch_sizes)
        self.largest = parameters.max_batch_size.value or 1000
        if self.allowed and self.allowed[-1] != self.largest:
            raise Refused(
                Code.INVALID_ARGUMENT,
                "Last entry in allowed_batch_sizes must match max_batch_size; last "
                f"entry was {self.allowed[-1]}; expected {self.largest}",
            )
        if self.allowed != sorted(set(self.allowed)):
            raise Refused(
                Code.INVALID_ARGUMENT,
                "allowed_batch_sizes entries must be in increasing order",
            )

    def run(self, run, inputs):
        """Runs arrays, filled up to an allowed size; cuts the outputs back."""
        size = self._size(inputs)
        padded = min((s for s in self.allowed if s >= size), default=size)
        # The first row again: it is known to be valid.
        rows = [*range(size), *[0] * (padded - size)]
        outputs = run({name: array[rows] for name, array in inputs.items()})
        for output in outputs:
            if output.ndim == 0:
                wrong = "Batched output tensor has 0 dimensions"
                raise Refused(Code.FAILED_PRECONDITION, wrong)
            if len(output) != padded:
                wrong = (
                    "Batched output tensor's 0th dimension does not equal the sum of "
                    "the 0th dimension sizes of the input tensors"
                )
                raise Refused(Code.FAILED_PRECONDITION, wrong)
        return [output[:size] for output in outputs]

    def _size(self, inputs):
        if any(array.ndim == 0 for array in inputs.values()):
            wrong = "Batching Run() input tensors must have at least one dimension"
            raise Refused(Code.INVALID_ARGUMENT, wrong)
        sizes = {len(array) for array in inputs.values()}
        if len(sizes) > 1:
            wrong = "Batching Run() input tensors must have equal 0th-dimension size"
            raise Refused(Code.INVALID_ARGUMENT, wrong)
        (size,) = sizes
        if size > self.largest:  # shared_batch_scheduler.h
            wrong = (
                f"Task size {size} is larger than maximum input batch size "
                f"{self.largest}"
            )
            raise Refused(Code.INVALID_ARGUMENT, wrong)
        return size


class Servable:
    """One version of a model, in a session of its own."""

    def __init__(self, name, folder, batching=None):
        self.name, self.version, self.folder = name, int(folder.name), folder
        self.warmed_up = []
        self._batching = batching
        self._session = tf.compat.v1.Session(graph=tf.Graph())
        with self._session.graph.as_default():
            graph = tf.compat.v1.saved_model.load(self._session, ["serve"], str(folder))
        self.signatures = graph.signature_def

    def close(self):
        self._session.close()

    def warm_up(self):
        """saved_model_warmup_util.cc: a request that fails fails the model."""
        path = self.folder / "assets.extra" / "tf_serving_warmup_requests"
        if not path.exists():
            return
        for record in tf.data.TFRecordDataset(str(path)).as_numpy_iterator():
            log = prediction_log_pb2.PredictionLog.FromString(record)
            if log.WhichOneof("log_type") != "predict_log":
                raise Refused(Code.UNIMPLEMENTED, "Unsupported log_type for warmup")
            self.predict(log.predict_log.request)
            self.warmed_up.append(log.predict_log.request)
            if len(self.warmed_up) > MAX_WARM_UP_REQUESTS:
                wrong = "Number of warmup records exceeds the maximum (1000)"
                raise Refused(Code.INVALID_ARGUMENT, wrong)

    def predict(self, request):
        """predict_util.cc, RunPredict: PredictRequest to PredictResponse."""
        name = request.model_spec.signature_name or "serving_default"
        if name not in self.signatures:
            wrong = f'Serving signature key "{name}" not found.'
            raise Refused(Code.FAILED_PRECONDITION, wrong)
        signature = self.signatures[name]
        inputs = _arrays(signature, request)
        outputs = list(request.output_filter) or sorted(signature.outputs)
        for alias in outputs:
            if alias not in signature.outputs:
                wrong = f"output tensor alias not found in signature: {alias}"
                raise Refused(Code.INVALID_ARGUMENT, wrong)
        tensors = [signature.outputs[alias].name for alias in outputs]
        response = predict_pb2.PredictResponse()
        response.model_spec.name = request.model_spec.name
        response.model_spec.version.value = self.version
        response.model_spec.signature_name = name
        for alias, array in zip(outputs, self._run(tensors, inputs)):
            response.outputs[alias].CopyFrom(_as_proto_field(array))
        return response

    def _run(self, tensors, inputs):
        def run(arrays):
            try:
                return self._session.run(tensors, arrays)
            except tf.errors.OpError as error:
                code = next(c for c in Code if c.value[0] == error.error_code)
                raise Refused(code, error.message) from error

        return self._batching.run(run, inputs) if self._batching else run(inputs)


def _arrays(signature, request):
    """Tensor name to array, of a request's inputs (predict_util.cc)."""
    given, known = set(request.inputs), set(signature.inputs)
    if given != known:
        raise Refused(
            Code.INVALID_ARGUMENT,
            f"input size does not match signature: {len(given)}!={len(known)} "
            f"len({{{','.join(sorted(given))}}}) != len({{{','.join(sorted(known))}}})."
            f" Sent extra: {{{','.join(sorted(given - known))}}}. Missing but required:"
            f" {{{','.join(sorted(known - given))}}}.",
        )
    arrays = {}
    for index, (alias, proto) in enumerate(sorted(request.inputs.items())):
        info = signature.inputs[alias]
        if proto.dtype != info.dtype:  # gRPC converts nothing. The session's words.
            want, got = (tf.dtypes.as_dtype(d).name for d in (info.dtype, proto.dtype))
            wrong = f"Expects arg[{index}] to be {want} but {got} is provided"
            raise Refused(Code.INVALID_ARGUMENT, wrong)
        arrays[info.name] = tf.make_ndarray(proto)
    return arrays


def _as_proto_field(array):
    """An array as the server sends it: in typed fields, not as `tensor_content`."""
    dtype = tf.dtypes.as_dtype(tf.string if array.dtype == object else array.dtype)
    proto = tensor_pb2.TensorProto(dtype=dtype.as_datatype_enum)
    proto.tensor_shape.CopyFrom(tf.TensorShape(array.shape).as_proto())
    fields = {tf.float32: "float_val", tf.string: "string_val", tf.int64: "int64_val"}
    getattr(proto, fields.get(dtype, "int_val")).extend(array.reshape(-1).tolist())
    return proto


class ModelServer:
    """The models of a config file, the highest version of each, as by default.

    Args:
        config: `ModelServerConfig`.
        batching: `BatchingParameters`, or `None` without --enable_batching.
        mounts: pairs of a path in the container and the one here.
        warm_up: bool, --enable_model_warmup.
    """

    def __init__(self, config, batching=None, mounts=(), warm_up=True):
        rules = Batching(batching) if batching is not None else None
        self.servables = {}
        for each in config.model_config_list.config:
            folder = pathlib.Path(local(each.base_path, mounts))
            found = [p for p in folder.iterdir() if p.name.isdecimal() and p.is_dir()]
            if not found:
                wrong = f"No versions of servable {each.name} found under base path"
                raise Refused(Code.NOT_FOUND, f"{wrong} {each.base_path}")
            newest = max(found, key=lambda p: int(p.name))
            self.servables[each.name] = Servable(each.name, newest, rules)
            if warm_up:
                self.servables[each.name].warm_up()

    def close(self):
        for servable in self.servables.values():
            servable.close()

    def servable(self, spec):
        """`ModelSpec` to `Servable` (server_core.cc, basic_manager.cc)."""
        if not spec.name:
            raise Refused(Code.INVALID_ARGUMENT, "ModelSpec has no name specified.")
        if spec.version_label:
            wrong = f"Unrecognized servable version label: {spec.version_label}"
            raise Refused(Code.INVALID_ARGUMENT, wrong)
        found = self.servables.get(spec.name)
        asked = f"Latest({spec.name})"
        if spec.HasField("version"):
            asked = f"Specific({spec.name}, {spec.version.value})"
            if found and found.version != spec.version.value:
                found = None
        if not found:
            wrong = f"Servable not found for request: {asked}"
            raise Refused(Code.NOT_FOUND, wrong)
        return found

    def predict(self, request):
        return self.servable(request.model_spec).predict(request)

    def metadata(self, request):
        """get_model_metadata_impl.cc"""
        if list(request.metadata_field) != ["signature_def"]:
            wrong = "GetModelMetadataRequest must specify at least one metadata_field"
            raise Refused(Code.INVALID_ARGUMENT, wrong)
        servable = self.servable(request.model_spec)
        response = get_model_metadata_pb2.GetModelMetadataResponse()
        response.model_spec.name = servable.name
        response.model_spec.version.value = servable.version
        signatures = get_model_metadata_pb2.SignatureDefMap()
        for name, signature in servable.signatures.items():
            signatures.signature_def[name].CopyFrom(signature)
        response.metadata["signature_def"].Pack(signatures)
        return response

    def status(self, spec):
        """get_model_status_impl.cc"""
        found = self.servables.get(spec.name)
        if not found:
            wrong = f"Could not find any versions of model {spec.name}"
            raise Refused(Code.NOT_FOUND, wrong)
        if spec.HasField("version") and spec.version.value != found.version:
            wrong = f"Could not find version {spec.version.value} of model {spec.name}"
            raise Refused(Code.NOT_FOUND, wrong)
        response = get_model_status_pb2.GetModelStatusResponse()
        response.model_version_status.add(
            version=found.version, state="AVAILABLE", status=status_pb2.StatusProto()
        )
        return response


def local(path, mounts):
    """A path of the container as one of this machine."""
    for inside, here in mounts:
        if path == inside or path.startswith(inside + "/"):
            return f"{here}{path[len(inside) :]}"
    return path


class _Service(prediction_service_pb2_grpc.PredictionServiceServicer):
    def __init__(self, models):
        self._models = models

    def Predict(self, request, context):
        return self._answer(self._models.predict, request, context)

    def GetModelMetadata(self, request, context):
        return self._answer(self._models.metadata, request, context)

    def _answer(self, function, request, context):
        try:
            return function(request)
        except Refused as error:
            context.abort(error.code, error.text)


def _handler(models):
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self._answer(b"")

        def do_POST(self):
            self._answer(self.rfile.read(int(self.headers.get("Content-Length", 0))))

        def _answer(self, body):
            status, text = serving_json.answer(models, self.command, self.path, body)
            data = text.encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_):
            pass  # Not into the tests' output.

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
    """Parses flags of `tensorflow_model_server` (main.cc), those of our example.

    And --mount=INSIDE=HERE, once for each volume: paths as the container has them.
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
    """Loads what a command line names; returns the `ModelServer` (server.cc)."""

    def read(path, kind):
        return read_config(local(path, flags.mount), kind) if path else MESSAGES[kind]()

    read(flags.monitoring_config_file, "MonitoringConfig")
    batching = read(flags.batching_parameters_file, "BatchingParameters")
    if flags.enable_batching == "false":
        if flags.batching_parameters_file:
            wrong = "batching_parameters_file is set without setting enable_batching"
            raise Refused(Code.INVALID_ARGUMENT, wrong)
        batching = None
    config = read(flags.model_config_file, "ModelServerConfig")
    return ModelServer(
        config, batching, flags.mount, flags.enable_model_warmup == "true"
    )


def main():
    flags = parse()
    with serving(start(flags), flags.port, flags.rest_api_port) as ports:
        print("gRPC at port {}, REST at port {}".format(*ports), flush=True)
        with contextlib.suppress(KeyboardInterrupt):
            threading.Event().wait()


if __name__ == "__main__":
    main()

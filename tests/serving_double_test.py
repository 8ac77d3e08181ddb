"""The double of TensorFlow Serving, on the examples of the server's documentation.

(tensorflow_serving/g3doc/api_rest.md, and its batching guide.)
"""

import base64
import json

import grpc
import pytest
import serving_configs
import serving_double
import serving_json
import tensorflow as tf
from google.protobuf import text_format
from tensorflow_serving.apis import (
    get_model_metadata_pb2,
    predict_pb2,
    prediction_service_pb2_grpc,
)


class Examples(tf.Module):
    """Signatures as in the examples of api_rest.md."""

    @tf.function(input_signature=[tf.TensorSpec([None], tf.float32, name="x")])
    def half_plus_two(self, x):
        return {"y": x / 2 + 2}

    @tf.function(
        input_signature=[
            tf.TensorSpec([None], tf.string, name="tag"),
            tf.TensorSpec([None, 2], tf.int64, name="signal"),
        ]
    )
    def several(self, tag, signal):
        doubled = 2 * signal
        return {"tag": tag, "image_bytes": tag, "doubled": tf.cast(doubled, tf.uint8)}

    @tf.function(input_signature=[tf.TensorSpec([], tf.float32, name="x")])
    def scalar(self, x):
        return {"y": x + 1}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.float32, name="x")])
    def refuses(self, x):
        with tf.control_dependencies([tf.debugging.Assert(x[0] > 0, ["not so", x])]):
            return {"y": tf.identity(x)}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.float32, name="x")])
    def total(self, x):
        return {"y": tf.reduce_sum(x, keepdims=True)}


def serve(folder):
    text = f'model_config_list {{ config {{ name: "ex" base_path: "{folder}" }} }}'
    config = serving_configs.MESSAGES["ModelServerConfig"]()
    return serving_double.ModelServer(text_format.Parse(text, config))


@pytest.fixture(scope="module")
def examples(tmp_path_factory):
    folder = tmp_path_factory.mktemp("examples")
    module = Examples()
    names = ("half_plus_two", "several", "scalar", "refuses", "total")
    signatures = {name: getattr(module, name) for name in names}
    signatures["serving_default"] = module.half_plus_two
    tf.saved_model.save(module, str(folder / "7"), signatures=signatures)
    (folder / "not_a_version").mkdir()
    server = serve(folder)
    yield server
    server.close()


def post(models, signature, path="/v1/models/ex:predict", **body):
    body = {"signature_name": signature, **body} if signature else body
    status, text = serving_json.answer(models, "POST", path, json.dumps(body).encode())
    return status, json.loads(text)


ROWS = [{"tag": "foo", "signal": [1, 2]}, {"tag": "bar", "signal": [3, 4]}]


def test_rows_of_one_input_and_one_output_have_no_names(examples):
    # Release 2.21 has been seen to answer so.
    answer = {"predictions": [2.5, 3.0, 4.5]}
    assert post(examples, "half_plus_two", instances=[1.0, 2.0, 5.0]) == (200, answer)
    assert post(examples, None, instances=[1, 2, 5]) == (200, answer)


def test_columns_of_one_input_and_one_output_have_no_names(examples):
    answer = {"outputs": [2.5, 3.0]}
    assert post(examples, "half_plus_two", inputs=[1, 2]) == (200, answer)
    assert post(examples, "half_plus_two", inputs={"x": [1, 2]}) == (200, answer)


def test_rows_of_several_inputs_are_objects_and_so_are_the_answers(examples):
    status, answer = post(examples, "several", instances=ROWS)
    assert status == 200
    assert answer["predictions"][1] == {
        "tag": "bar",
        "image_bytes": {"b64": base64.b64encode(b"bar").decode()},
        "doubled": [6, 8],
    }


def test_columns_of_several_inputs_are_one_object(examples):
    columns = {"tag": [{"b64": "Zm9v"}, "bar"], "signal": [[1, 2], [3, 4]]}
    status, answer = post(examples, "several", inputs=columns)
    assert status == 200
    assert answer["outputs"]["tag"] == ["foo", "bar"]
    assert answer["outputs"]["image_bytes"] == [{"b64": "Zm9v"}, {"b64": "YmFy"}]
    assert answer["outputs"]["doubled"] == [[2, 4], [6, 8]]


@pytest.mark.parametrize(
    ("signature", "body", "words"),
    [
        ("several", {"instances": [["foo", [1, 2]]]}, "expecting list of objects"),
        ("several", {"instances": [{"tag": "foo"}]}, "keys must be equal to: signal,"),
        ("several", {"instances": [*ROWS, 3]}, "but got list at item 2"),
        ("several", {"instances": []}, "No values in 'instances'"),
        ("several", {"instances": ROWS, "inputs": {}}, "only one of"),
        ("several", {"inputs": {"tag": ["a"]}}, "Missing named input: signal in"),
        ("several", {"inputs": [1]}, "expecting an object as multiple"),
        ("several", {}, "Missing 'inputs' or 'instances' key"),
        ("half_plus_two", {"instances": ["1"]}, "Type: String is not of expected"),
        ("half_plus_two", {"inputs": [[1, 2], [3]]}, "unexpected size: 1 at level: 1"),
        ("half_plus_two", {"inputs": [1, [2]]}, "unexpected level: 1 expected < 1"),
        ("half_plus_two", {"inputs": [[1], 2]}, "incorrect level: 2"),
        ("several", {"instances": [{"tag": "a", "signal": [1.5, 2]}]}, "type: int64"),
        ("several", {"instances": [{"tag": 1, "signal": [1, 2]}]}, "type: string"),
        ("nope", {"inputs": [1]}, 'signature name: "nope" not found'),
        (3, {"inputs": [1]}, "must be a string"),
    ],
)
def test_the_double_refuses_what_the_server_refuses(examples, signature, body, words):
    status, answer = post(examples, signature, **body)
    assert (status, list(answer)) == (400, ["error"])
    assert words in answer["error"]


@pytest.mark.parametrize(
    ("method", "path", "status", "words"),
    [
        ("POST", "/v1/models/nope:predict", 404, "for request: Latest(nope)"),
        ("POST", "/v1/models/ex/versions/8:predict", 404, "Specific(ex, 8)"),
        ("POST", "/v1/models/ex/labels/new:predict", 400, "version label: new"),
        ("POST", "/v1/models/ex:paint", 400, "Malformed request"),
        ("GET", "/v1/models/nope", 404, "any versions of model nope"),
        ("GET", "/v1/models/ex/versions/8", 404, "version 8 of model ex"),
        ("GET", "/v1/models", 400, "Missing model name"),
        ("GET", "/v1/models/nope/metadata", 404, "Latest(nope)"),
    ],
)
def test_what_is_not_served_is_not_found(examples, method, path, status, words):
    got, text = serving_json.answer(examples, method, path, b'{"inputs": [1]}')
    assert got == status
    assert words in json.loads(text)["error"]


def test_the_version_is_a_folder_and_may_be_asked_for(examples):
    path = "/v1/models/ex/versions/7:predict"
    assert post(examples, None, path, inputs=[2])[1] == {"outputs": [3.0]}
    status, text = serving_json.answer(examples, "GET", "/v1/models/ex")
    (version,) = json.loads(text)["model_version_status"]
    assert (status, version["version"], version["state"]) == (200, "7", "AVAILABLE")
    assert version["status"] == {"error_code": "OK", "error_message": ""}


def test_metadata_tell_the_signatures(examples):
    _, text = serving_json.answer(examples, "GET", "/v1/models/ex/metadata")
    answer = json.loads(text)
    assert answer["model_spec"]["version"] == "7"
    signatures = answer["metadata"]["signature_def"]["signature_def"]
    assert signatures["several"]["inputs"]["signal"]["dtype"] == "DT_INT64"


def batching(text):
    parameters = serving_configs.MESSAGES["BatchingParameters"]()
    return serving_double.Batching(text_format.Parse(text, parameters))


SIZES = "max_batch_size { value: 4 } allowed_batch_sizes: 2 allowed_batch_sizes: 4"


@pytest.mark.parametrize(
    ("signature", "values", "words"),
    [
        ("half_plus_two", [1.0] * 5, "Task size 5 is larger than maximum input"),
        ("scalar", 1.0, "must have at least one dimension"),
        ("total", [1.0, 2.0], "0th dimension does not equal the sum"),
    ],
)
def test_a_batching_server_refuses_what_it_cannot_join(
    examples, monkeypatch, signature, values, words
):
    servable = examples.servables["ex"]
    assert post(examples, signature, inputs=values)[0] == 200
    monkeypatch.setattr(servable, "_batching", batching(SIZES))
    status, answer = post(examples, signature, inputs=values)
    assert status == 400
    assert words in answer["error"]


def test_a_batch_is_filled_up_and_cut_back(examples, monkeypatch):
    seen = []
    servable = examples.servables["ex"]
    run = servable._session.run

    def spy(tensors, arrays):
        seen.extend(len(array) for array in arrays.values())
        return run(tensors, arrays)

    monkeypatch.setattr(servable, "_batching", batching(SIZES))
    monkeypatch.setattr(servable._session, "run", spy)
    for count in (1, 2, 3):
        _, answer = post(examples, "half_plus_two", inputs=[4.0] * count)
        assert answer == {"outputs": [4.0] * count}
    assert seen == [2, 2, 4]


@pytest.mark.parametrize(
    "text",
    [
        "max_batch_size { value: 4 } allowed_batch_sizes: 2",
        "max_batch_size { value: 4 } allowed_batch_sizes: 8 allowed_batch_sizes: 4",
    ],
)
def test_batch_sizes_that_the_server_refuses_are_refused(text):
    with pytest.raises(serving_double.Refused, match="allowed_batch_sizes"):
        batching(text)


def call(models, inputs, signature="half_plus_two", **spec):
    """Predict over gRPC: arrays by name to arrays by name."""
    request = predict_pb2.PredictRequest()
    request.model_spec.name = "ex"
    request.model_spec.signature_name = signature
    for name, value in inputs.items():
        request.inputs[name].CopyFrom(tf.make_tensor_proto(value))
    with serving_double.serving(models) as (port, _):
        with grpc.insecure_channel(f"localhost:{port}") as channel:
            stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
            return stub.Predict(request, timeout=60)


def test_grpc_answers_with_tensors_in_typed_fields(examples):
    answer = call(examples, {"x": tf.constant([[1.0], [2.0]])[:, 0]})
    assert list(answer.outputs["y"].float_val) == [2.5, 3.0]
    assert answer.model_spec.version.value == 7
    assert answer.model_spec.signature_name == "half_plus_two"


@pytest.mark.parametrize(
    ("inputs", "signature", "code", "words"),
    [
        ({"x": [1]}, "half_plus_two", "INVALID_ARGUMENT", "to be float32 but int32"),
        ({"z": [1.0]}, "half_plus_two", "INVALID_ARGUMENT", "but required: {x}"),
        ({"x": [1.0]}, "nope", "FAILED_PRECONDITION", '"nope" not found'),
        ({"x": [-1.0]}, "refuses", "INVALID_ARGUMENT", "not so"),
    ],
)
def test_grpc_refuses_what_the_server_refuses(examples, inputs, signature, code, words):
    with pytest.raises(grpc.RpcError) as caught:
        call(examples, inputs, signature)
    assert caught.value.code().name == code
    assert words in caught.value.details()


def test_grpc_tells_the_signatures(examples):
    request = get_model_metadata_pb2.GetModelMetadataRequest()
    request.model_spec.name = "ex"
    request.metadata_field.append("signature_def")
    with serving_double.serving(examples) as (port, _):
        with grpc.insecure_channel(f"localhost:{port}") as channel:
            stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
            answer = stub.GetModelMetadata(request, timeout=60)
    found = get_model_metadata_pb2.SignatureDefMap()
    assert answer.metadata["signature_def"].Unpack(found)
    assert set(found.signature_def["several"].inputs) == {"tag", "signal"}


def test_a_saved_model_of_keras_own_does_not_load(tmp_path):
    """A session finds no variables in it (keras#19274), in the server or here."""
    import keras

    model = keras.Sequential([keras.Input([2]), keras.layers.Dense(3)])
    module = tf.Module()
    module.model = model
    module.call = tf.function(
        lambda x: {"y": model(x)},
        input_signature=[tf.TensorSpec([None, 2], tf.float32, name="x")],
    )
    tf.saved_model.save(module, str(tmp_path / "1"), signatures=module.call)
    server = serve(tmp_path)
    with pytest.raises(serving_double.Refused, match="(?i)could not find variable"):
        server.servables["ex"].predict(
            predict_pb2.PredictRequest(inputs={"x": tf.make_tensor_proto([[1.0, 2.0]])})
        )
    server.close()


def test_a_folder_without_versions_is_refused(tmp_path):
    with pytest.raises(serving_double.Refused, match="No versions of servable ex"):
        serve(tmp_path)


def test_flags_that_the_server_does_not_have_are_refused(capsys):
    for flag in ("--model_config_files=x", "--enable_batching=yes"):
        with pytest.raises(SystemExit):
            serving_double.parse(["--model_config_file=x", flag])
    assert "invalid choice: 'yes'" in capsys.readouterr().err


def test_batching_parameters_without_batching_are_refused():
    flags = ["--model_config_file=/c", "--batching_parameters_file=/dev/null"]
    with pytest.raises(serving_double.Refused, match="without setting"):
        serving_double.start(serving_double.parse(flags))

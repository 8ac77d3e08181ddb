"""docker/serving: its config files and clients, against a double of the server.

There is neither a container engine nor the server's binary here. `serving_double.py`
says what of the server it imitates.
"""

import base64
import json
import socket
import subprocess
import sys
import threading
import urllib.request

import keras
import numpy as np
import processes
import pytest
import serving_double
import tensorflow as tf
from PIL import Image
from serving_configs import FOLDER, MESSAGES, command, compose, read
from tensorflow_serving.apis import predict_pb2

from sagan_tf import images
from sagan_tf.exports import export
from sagan_tf.exports.checks import write_warmup_requests
from sagan_tf.model import generating
from sagan_tf.networks.builders import build_generator

pytestmark = pytest.mark.slow

CLASSES, Z_DIM, SIZE = 5, 6, 32

sys.path.append(str(FOLDER))
import client_grpc  # noqa: E402
import client_rest  # noqa: E402
import pictures  # noqa: E402

CLIENTS = {"rest": client_rest, "grpc": client_grpc}


# The export and a server that has it.


@pytest.fixture(scope="module")
def generator():
    generator = build_generator(
        resolution=SIZE,
        z_dim=Z_DIM,
        num_classes=CLASSES,
        channels=4,
        image_channels=1,
        attention_resolution=(16,),
    )
    # Pictures that depend on z and on the label, in all levels of gray.
    rng = np.random.default_rng(0)
    for weight in generator.weights:
        if weight.path.endswith("gamma"):
            sign = rng.choice([-1, 1], weight.shape)
            weight.assign(sign * rng.uniform(1, 2, weight.shape))
    return generator


@pytest.fixture(scope="module")
def models(generator, tmp_path_factory):
    """What compose.yaml mounts as /models: one model with one version."""
    folder = tmp_path_factory.mktemp("models")
    (folder / "sagan").mkdir()
    export.export_generator(generator, folder / "sagan" / "1", num_classes=CLASSES)
    return folder


@pytest.fixture(scope="module")
def server(models):
    """The model server that compose.yaml starts, and its ports."""
    server = serving_double.start(serving_double.parse(command(models)))
    with serving_double.serving(server) as (port, rest_port):
        server.addresses = {
            "grpc": f"localhost:{port}",
            "rest": f"localhost:{rest_port}",
        }
        yield server
    server.close()


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch):
    monkeypatch.setenv("no_proxy", "*")


def ask(kind, server, tmp_path, *flags):
    """Runs a client as its command line; returns its exit status and its pictures."""
    output = tmp_path / f"{kind}.png"
    where = f"--output={output}" if kind == "grpc" else f"--output_dir={output}"
    address = f"--server={server.addresses[kind]}"
    return CLIENTS[kind].main([address, where, *flags]), output


def expected(generator, labels, seeds, truncation=None):
    """Pixels as `sagan_tf.sample` draws them, with the generator as it is."""
    z, labels = generating.one_each(seeds, labels, Z_DIM, CLASSES, truncation)
    made = generating.generate_one_by_one(generator, z, labels)
    return images.to_pixels(made)[..., 0]


def assert_same_pictures(found, wanted):
    # The export has folded kernels: another order of sums, so that a value on the
    # border of two levels can fall to either side.
    assert found.shape == wanted.shape
    assert np.abs(found.astype(int) - wanted.astype(int)).max() <= 1
    assert np.mean(found == wanted) > 0.99
    assert wanted.std() > 10  # Not a comparison of blank pictures.


# The container's check.


def healthcheck(port):
    kind, *call = compose()["healthcheck"]["test"]
    assert kind == "CMD"
    call[-1] = call[-1].replace("8501", port)
    return subprocess.run(call, capture_output=True, timeout=60).returncode


def test_the_container_is_healthy_when_the_model_is_there(server):
    assert healthcheck(server.addresses["rest"].rpartition(":")[2]) == 0
    (address,) = processes.free_addresses(1)
    assert healthcheck(address.rpartition(":")[2]) != 0


def test_the_container_is_not_healthy_without_the_model():
    nothing = serving_double.ModelServer(MESSAGES["ModelServerConfig"]())
    with serving_double.serving(nothing) as (_, port):
        assert healthcheck(str(port)) != 0


# Warm-up.


def test_the_server_warms_up_at_the_sizes_that_it_batches(server):
    parameters = read("batching.config", "BatchingParameters")
    servable = server.servables["sagan"]
    sizes = {
        name: sorted(
            request.inputs["labels"].tensor_shape.dim[0].size
            for request in servable.warmed_up
            if request.model_spec.signature_name == name
        )
        for name in servable.signatures
        if name != "__saved_model_init_op"
    }
    assert set(sizes) >= {"serving_default", "sample", "sample_png", "attention"}
    for name, found in sizes.items():
        assert found[0] == 1, name
        assert found[-1] == parameters.max_batch_size.value, name
        assert set(found) <= set(parameters.allowed_batch_sizes), name


@pytest.mark.parametrize(
    ("labels", "words"),
    [([CLASSES], "labels must be"), ([0] * 9, "Task size 9 is larger")],
)
def test_a_warm_up_that_fails_keeps_the_model_from_loading(
    models, tmp_path, labels, words
):
    import shutil

    shutil.copytree(models / "sagan", tmp_path / "sagan")
    inputs = {
        "labels": np.int32(labels),
        "seeds": np.zeros(len(labels), np.int64),
        "truncation": np.zeros(len(labels), np.float32),
    }
    write_warmup_requests(tmp_path / "sagan" / "1", [("sample", inputs)])
    with pytest.raises(serving_double.Refused, match=words):
        serving_double.start(serving_double.parse(command(tmp_path)))


# The clients.


def grid(path, rows, columns):
    """Pictures of a grid without borders, row by row."""
    pixels = np.asarray(Image.open(path))
    assert pixels.shape == (rows * SIZE, columns * SIZE)
    pixels = pixels.reshape(rows, SIZE, columns, SIZE).swapaxes(1, 2)
    return pixels.reshape(-1, SIZE, SIZE)


def files(folder):
    """The pictures of a folder by name."""
    return {path.name: np.asarray(Image.open(path)) for path in folder.iterdir()}


def in_order(found):
    return np.stack([found[name] for name in sorted(found)])


def test_the_rest_client_writes_the_pictures_of_sample(
    server, generator, tmp_path, capsys
):
    flags = ("--labels=1,3", "--seeds=4-6,17")
    status, folder = ask("rest", server, tmp_path, *flags)
    assert status == 0
    assert capsys.readouterr().out == f"8 images in {folder}\n"
    found = files(folder)
    assert sorted(found) == [
        f"label_{label:03d}_seed_{seed:05d}.png"
        for label in (1, 3)
        for seed in (4, 5, 6, 17)
    ]
    wanted = expected(generator, [1, 3], [4, 5, 6, 17])
    assert_same_pictures(in_order(found), wanted)


def test_the_grpc_client_writes_a_row_for_each_label(
    server, generator, tmp_path, capsys
):
    status, path = ask("grpc", server, tmp_path, "--labels=4,0,2", "--seeds=9,1")
    assert status == 0
    assert capsys.readouterr().out == f"6 images in {path}\n"
    assert_same_pictures(grid(path, 3, 2), expected(generator, [4, 0, 2], [9, 1]))


def test_both_clients_get_the_same_bits_in_requests_of_any_size(server, tmp_path):
    (tmp_path / "other").mkdir()
    flags = ("--labels=0-4", "--seeds=0-2")
    _, folder = ask("rest", server, tmp_path, *flags, "--batch_size=4")
    _, path = ask("grpc", server, tmp_path, *flags)
    _, other = ask("grpc", server, tmp_path / "other", *flags, "--batch_size=1")
    pixels = in_order(files(folder))
    np.testing.assert_array_equal(grid(path, 5, 3), pixels)
    assert path.read_bytes() == other.read_bytes()


@pytest.mark.parametrize("kind", CLIENTS)
def test_no_request_is_larger_than_the_batch_size(kind, server, tmp_path, monkeypatch):
    sizes = []
    predict = server.predict

    def spy(request):
        sizes.append(len(tf.make_ndarray(request.inputs["seeds"])))
        return predict(request)

    monkeypatch.setattr(server, "predict", spy)
    status, _ = ask(kind, server, tmp_path, "--labels=0,1", "--seeds=0-4")
    assert (status, sizes) == (0, [8, 2])


@pytest.mark.parametrize("kind", CLIENTS)
def test_truncation_reaches_the_model(kind, server, generator, tmp_path):
    flags = ("--labels=2", "--seeds=3,4", "--truncation=1.5")
    status, path = ask(kind, server, tmp_path, *flags)
    assert status == 0
    pixels = grid(path, 1, 2) if kind == "grpc" else in_order(files(path))
    assert_same_pictures(pixels, expected(generator, [2], [3, 4], 1.5))


def test_an_unconditional_colour_model_is_asked_without_labels(tmp_path):
    network = build_generator(SIZE, Z_DIM, 0, channels=2, attention_resolution=())
    (tmp_path / "sagan").mkdir()
    export.export_generator(network, tmp_path / "sagan" / "3", warm=False)
    server = serving_double.start(serving_double.parse(command(tmp_path)))
    with serving_double.serving(server) as (port, rest_port):
        server.addresses = {
            "grpc": f"localhost:{port}",
            "rest": f"localhost:{rest_port}",
        }
        status, folder = ask("rest", server, tmp_path, "--seeds=0-1", "--version=3")
        assert status == 0
        found = files(folder)
        assert sorted(found) == ["seed_00000.png", "seed_00001.png"]
        status, path = ask("grpc", server, tmp_path, "--seeds=0-1", "--version=3")
        assert status == 0
    server.close()
    pixels = np.asarray(Image.open(path))
    both = np.concatenate(in_order(found), axis=1)
    assert both.shape == (SIZE, 2 * SIZE, 3)
    np.testing.assert_array_equal(pixels, both)


def check_complaint(capsys, *words):
    captured = capsys.readouterr()
    assert captured.out == ""
    (line,) = captured.err.splitlines()
    assert line.startswith("error: ")
    for word in words:
        assert word in line


@pytest.mark.parametrize("kind", CLIENTS)
@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--labels=0-5"], "labels must be from 0 to 4"),
        (["--labels=1", "--model=nope"], "not found for request: Latest(nope)"),
        (["--labels=1", "--version=7"], "not found for request: Specific(sagan, 7)"),
        (["--labels=0-1", "--batch_size=9"], "Task size 9 is larger than maximum"),
        ([], "labels"),
    ],
)
def test_what_the_server_refuses_is_told_in_one_line(
    kind, flags, words, server, tmp_path, capsys
):
    status, path = ask(kind, server, tmp_path, *flags)
    assert status == 2
    check_complaint(capsys, f"{server.addresses[kind]} refused (", words)
    assert not path.exists()


class Elsewhere:
    """A server at some other place."""

    def __init__(self, address):
        self.addresses = dict.fromkeys(CLIENTS, address)


@pytest.mark.parametrize("kind", CLIENTS)
def test_a_server_that_is_away_is_named(kind, tmp_path, capsys):
    (address,) = processes.free_addresses(1)
    status, _ = ask(kind, Elsewhere(address), tmp_path, "--labels=1")
    assert status == 2
    check_complaint(capsys, f"{address} does not answer", "Try docker compose")


@pytest.mark.parametrize(
    ("kind", "words"), [("rest", "timed out"), ("grpc", "Deadline Exceeded")]
)
def test_a_server_that_never_answers_is_not_waited_for(kind, words, tmp_path, capsys):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        # A client that waits after all learns that the connection is gone.
        timer = threading.Timer(30, silent.close)
        timer.start()
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        status, _ = ask(kind, Elsewhere(address), tmp_path, "--timeout=0.3")
        timer.cancel()
    assert status == 2
    check_complaint(capsys, f"{address} does not answer", words, "--timeout")


def test_the_ports_may_not_be_mixed_up(server, tmp_path, capsys):
    other = Elsewhere(server.addresses["grpc"])
    assert ask("rest", other, tmp_path, "--labels=1", "--timeout=9")[0] == 2
    check_complaint(capsys, "does not speak TensorFlow Serving's REST", "8501")
    other = Elsewhere(server.addresses["rest"])
    assert ask("grpc", other, tmp_path, "--labels=1", "--timeout=9")[0] == 2
    check_complaint(capsys, "does not answer", "HTTP/2")


def answering(body, status=200):
    """An HTTP server with always the same answer."""
    import http.server

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    return http.server.HTTPServer(("127.0.0.1", 0), Handler)


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        (b"<html>hello</html>", 200, "does not speak"),
        (b'{"predictions": []}', 200, "does not speak"),
        (b'{"outputs": [1]}', 200, "does not speak"),
        (b"<html>a proxy</html>", 502, "refused (502): <html>a proxy"),
        (b"", 503, "refused (503): Service Unavailable"),
    ],
)
def test_another_kind_of_server_is_told(body, status, words, tmp_path, capsys):
    server = answering(body, status)
    threading.Thread(target=server.handle_request, daemon=True).start()
    address = f"127.0.0.1:{server.server_address[1]}"
    assert ask("rest", Elsewhere(address), tmp_path, "--labels=1")[0] == 2
    server.server_close()
    check_complaint(capsys, words)


class Painter(tf.Module):
    """Signatures with the inputs of ours, and other outputs."""

    @tf.function(
        input_signature=[
            tf.TensorSpec([None], tf.int64, name="seeds"),
            tf.TensorSpec([None], tf.float32, name="truncation"),
        ]
    )
    def sample(self, seeds, truncation):
        return {"sum": tf.cast(seeds, tf.float32) + truncation}


@pytest.fixture(scope="module")
def painter(tmp_path_factory):
    """A server with another model, in the place and under the name of ours."""
    folder, module = tmp_path_factory.mktemp("painter"), Painter()
    signatures = {"sample": module.sample, "sample_png": module.sample}
    tf.saved_model.save(module, str(folder / "sagan" / "1"), signatures=signatures)
    server = serving_double.start(serving_double.parse(command(folder)))
    with serving_double.serving(server) as ports:
        yield dict(zip(CLIENTS, (f"localhost:{port}" for port in ports[::-1])))
    server.close()


@pytest.mark.parametrize(
    ("kind", "words"), [("rest", "does not speak"), ("grpc", "Received: sum")]
)
def test_another_kind_of_model_is_told(kind, words, painter, tmp_path, capsys):
    assert ask(kind, Elsewhere(painter[kind]), tmp_path, "--seeds=1")[0] == 2
    check_complaint(capsys, words)


@pytest.mark.parametrize("kind", CLIENTS)
def test_a_file_that_cannot_be_written_is_named(kind, server, tmp_path, capsys):
    (tmp_path / "file").write_text("in the way")
    flag = "--output=" if kind == "grpc" else "--output_dir="
    output = tmp_path / "file" / "out.png"
    status, _ = ask(kind, server, tmp_path, "--labels=1", f"{flag}{output}")
    assert status == 2
    check_complaint(capsys, str(tmp_path / "file"))
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_saved_model_of_keras_own_does_not_load(tmp_path):
    """A session finds no variables in it (keras#19274), in the server or here."""
    model = keras.Sequential([keras.Input([2]), keras.layers.Dense(3)])
    module = tf.Module()
    module.model = model
    module.call = tf.function(
        lambda x: {"y": model(x)},
        input_signature=[tf.TensorSpec([None, 2], tf.float32, name="x")],
    )
    tf.saved_model.save(module, str(tmp_path / "1"), signatures=module.call)
    servable = serving_double.Servable(tmp_path / "1")
    request = predict_pb2.PredictRequest()
    request.inputs["x"].CopyFrom(tf.make_tensor_proto([[1.0, 2.0]]))
    with pytest.raises(serving_double.Refused, match="(?i)could not find variable"):
        servable.predict(request)
    servable.close()


def test_a_file_is_written_whole_or_not_at_all(tmp_path):
    path = tmp_path / "picture.png"
    path.write_bytes(b"before")
    with pytest.raises(TypeError):
        pictures.write_file(path, "no bytes")
    assert path.read_bytes() == b"before"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("kind", CLIENTS)
@pytest.mark.parametrize(
    ("flag", "words"),
    [
        ("--seeds=7-3", "'7-3'. Try 0-7"),
        ("--labels=-1", "'-1'"),
        (f"--labels={2**31}", "up to 2147483647"),
        ("--truncation=nan", "a number above 0"),
        ("--batch_size=0", "a whole number above 0"),
        ("--seed=1", "--seed"),
        ("picture.png", "picture.png"),
    ],
)
def test_a_wrong_flag_is_told_in_one_line(kind, flag, words, capsys):
    with pytest.raises(SystemExit) as ended:
        CLIENTS[kind].main([flag])
    assert ended.value.code == 2
    check_complaint(capsys, words)


def test_the_rest_client_needs_nothing_but_python(server, tmp_path):
    # -S: without site-packages, where TensorFlow, NumPy and Pillow are.
    done = subprocess.run(
        [
            *(sys.executable, "-S", FOLDER / "client_rest.py", "--labels=0"),
            *(f"--server={server.addresses['rest']}", "--seeds=0-1"),
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert len(list((tmp_path / "pictures").iterdir())) == 2


@pytest.mark.slow
def test_the_grpc_client_prints_nothing_but_its_line(server, tmp_path):
    done = subprocess.run(
        [
            *(sys.executable, FOLDER / "client_grpc.py", "--labels=0"),
            f"--server={server.addresses['grpc']}",
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "8 images in grid.png\n"


def test_the_call_of_the_documentation_is_answered(server):
    """What sagan_tf.export prints for curl: rows, and Base64 of a PNG file."""
    body = {
        "signature_name": "sample_png",
        "instances": [{"labels": 0, "seeds": 7, "truncation": 0.0}],
    }
    url = f"http://{server.addresses['rest']}/v1/models/sagan:predict"
    with urllib.request.urlopen(url, json.dumps(body).encode(), timeout=60) as answer:
        (picture,) = json.load(answer)["predictions"]
    assert base64.b64decode(picture["b64"]).startswith(b"\x89PNG")


def test_attention_maps_come_with_their_names_over_rest(server):
    body = {
        "signature_name": "attention",
        "inputs": {"z": [[0.5] * Z_DIM] * 2, "labels": [0, 3]},
    }
    url = f"http://{server.addresses['rest']}/v1/models/sagan:predict"
    with urllib.request.urlopen(url, json.dumps(body).encode(), timeout=60) as answer:
        outputs = json.load(answer)["outputs"]
    assert set(outputs) == {"pixels", "attention_16x16"}
    assert np.shape(outputs["pixels"]) == (2, SIZE, SIZE, 1)
    maps = np.array(outputs["attention_16x16"])
    assert maps.shape == (2, 16, 16, 8, 8)
    np.testing.assert_allclose(maps.sum((3, 4)), 1, atol=1e-5)

"""docker/serving's config files: the messages and flags that the server reads."""

import sys

import processes
import pytest
import serving_double
from google.protobuf import text_format
from serving_configs import FOLDER, compose, read, read_config

sys.path.append(str(FOLDER))
import pictures  # noqa: E402


def test_the_config_files_are_what_the_server_reads():
    (model,) = read("models.config", "ModelServerConfig").model_config_list.config
    assert (model.name, model.model_platform) == ("sagan", "tensorflow")
    assert model.base_path == "/models/sagan"
    prometheus = read("monitoring.config", "MonitoringConfig").prometheus_config
    assert prometheus.enable
    assert prometheus.path.startswith("/")
    parameters = read("batching.config", "BatchingParameters")
    # The server refuses other sizes.
    sizes = list(parameters.allowed_batch_sizes)
    assert sizes == sorted(set(sizes)) and sizes[-1] == parameters.max_batch_size.value
    assert parameters.num_batch_threads.value >= 1
    assert parameters.max_enqueued_batches.value >= 1
    assert parameters.batch_timeout_micros.value <= 100_000
    assert not parameters.pad_variable_length_inputs


@pytest.mark.parametrize(
    ("name", "kind", "old", "new"),
    [
        ("models.config", "ModelServerConfig", "base_path", "path"),
        ("batching.config", "BatchingParameters", "batch_timeout_micros", "timeout"),
        ("batching.config", "BatchingParameters", "{ value: 8 }", ": 8"),
        ("batching.config", "BatchingParameters", "sizes: 4", 'sizes: "4"'),
        ("monitoring.config", "MonitoringConfig", "enable: true", "enable: 7"),
    ],
)
def test_a_slip_in_a_config_file_would_be_seen(tmp_path, name, kind, old, new):
    text = (FOLDER / name).read_text()
    assert old in text
    (tmp_path / name).write_text(text.replace(old, new))
    with pytest.raises(text_format.ParseError):
        read_config(tmp_path / name, kind)


def test_clients_ask_for_what_the_config_serves():
    options = pictures.command_line("", 8501).parse_args([])
    (model,) = read("models.config", "ModelServerConfig").model_config_list.config
    largest = read("batching.config", "BatchingParameters").max_batch_size.value
    assert (options.model, options.batch_size) == (model.name, largest)
    ports = [port.split(":") for port in compose()["ports"]]
    assert ports == [["127.0.0.1", p, p] for p in ("8500", "8501")]
    flags = serving_double.parse(compose()["command"])
    assert (str(flags.port), str(flags.rest_api_port)) == (ports[0][1], ports[1][1])
    for client, port in (("grpc", 8500), ("rest", 8501)):
        assert f"port={port}" in (FOLDER / f"client_{client}.py").read_text()


def test_the_gpu_variant_is_the_same_server_in_another_image():
    plain, gpu = compose(), compose("compose.gpu.yaml")
    assert gpu["image"] == plain["image"] + "-gpu"
    (device,) = gpu["deploy"]["resources"]["reservations"]["devices"]
    assert (device["driver"], device["capabilities"]) == ("nvidia", ["gpu"])
    assert not set(gpu) & {"command", "volumes", "ports", "entrypoint"}


def test_the_image_has_the_tensorflow_of_the_package():
    setup = (processes.ROOT / "setup.py").read_text()
    _, _, tag = compose()["image"].partition("tensorflow/serving:")
    assert f'"tensorflow>={tag.rpartition(".")[0]}' in setup

"""Reads docker/serving: compose files, and TensorFlow Serving's config files.

tensorflow-serving-api has the message `ModelServerConfig`. The others are made here
from their fields, as session_bundle_config.proto and monitoring_config.proto (July
2026) list them; the text format needs only names and types.
"""

import pathlib

import yaml
from google.protobuf import (
    descriptor_pb2,
    descriptor_pool,
    message_factory,
    text_format,
    wrappers_pb2,
)
from tensorflow_serving.config import model_server_config_pb2

FOLDER = pathlib.Path(__file__).parent.parent / "docker" / "serving"

# Message: field: type. A list is a repeated field; Int64Value and the like are
# google.protobuf's wrappers, written as `{ value: 8 }`.
FIELDS = {
    "BatchingParameters": {
        "max_batch_size": "Int64Value",
        "batch_timeout_micros": "Int64Value",
        "max_enqueued_batches": "Int64Value",
        "num_batch_threads": "Int64Value",
        "thread_pool_name": "StringValue",
        "allowed_batch_sizes": ["int64"],
        "pad_variable_length_inputs": "bool",
        "enable_large_batch_splitting": "BoolValue",
        "max_execution_batch_size": "Int64Value",
    },
    "PrometheusConfig": {"enable": "bool", "path": "string"},
    "MonitoringConfig": {"prometheus_config": "PrometheusConfig"},
}


def _messages():
    file = descriptor_pb2.FileDescriptorProto(name="configs.proto", syntax="proto3")
    file.dependency.append(wrappers_pb2.DESCRIPTOR.name)
    for message, fields in FIELDS.items():
        proto = file.message_type.add(name=message)
        for number, (name, kind) in enumerate(fields.items(), 1):
            field = proto.field.add(name=name, number=number, label="LABEL_OPTIONAL")
            if isinstance(kind, list):
                (kind,), field.label = kind, field.LABEL_REPEATED
            if kind[0].islower():
                field.type = getattr(field, f"TYPE_{kind.upper()}")
            else:
                package = "" if kind in FIELDS else ".google.protobuf"
                field.type, field.type_name = field.TYPE_MESSAGE, f"{package}.{kind}"
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(wrappers_pb2.DESCRIPTOR.serialized_pb)
    pool.Add(file)
    return {
        name: message_factory.GetMessageClass(pool.FindMessageTypeByName(name))
        for name in FIELDS
    }


MESSAGES = {
    **_messages(),
    "ModelServerConfig": model_server_config_pb2.ModelServerConfig,
}


def read_config(path, kind):
    """Reads a config file: protocol buffers' text format."""
    return text_format.Parse(pathlib.Path(path).read_text(), MESSAGES[kind]())


def read(name, kind):
    """Reads a config file of docker/serving."""
    return read_config(FOLDER / name, kind)


def compose(name="compose.yaml"):
    return yaml.safe_load((FOLDER / name).read_text())["services"]["serving"]


def command(models):
    """Returns the server's flags of compose.yaml, with its volumes as mounts."""
    service = compose()
    volumes = [volume.removesuffix(":ro") for volume in service["volumes"]]
    inside = {v.rpartition(":")[2]: v.rpartition(":")[0] for v in volumes}
    assert inside.pop("/models") == "../../models"
    mounts = {"/models": models, **{k: FOLDER / v for k, v in inside.items()}}
    return [*service["command"], *(f"--mount={k}={v}" for k, v in mounts.items())]

"""`tf.distribute` strategies by name, and data sets for them.

`batch_size` is global everywhere else in the package; here it becomes
`per_replica_batch_size`.
"""

import os
import pathlib
import socket

import tensorflow as tf

# Neither has a public name in TensorFlow 2.21.
from tensorflow.compiler.xla.tsl.protobuf.coordination_config_pb2 import CoordinatedJob
from tensorflow.python.eager import context

from sagan_tf.distribution import clusters
from sagan_tf.errors import BadInput

_SECONDS_TO_ANSWER = 20


def make_strategy(
    name, tpu_name=None, tpu_zone=None, tpu_project=None, worker_timeout_seconds=60
):
    """Makes a strategy. Call it before anything else uses a device.

    Args:
        name: `"default"` (one device), `"mirrored"` (all GPUs of this machine, or all
            logical CPUs if there are none), `"multi_worker"` (machines listed in the
            environment variable TF_CONFIG, or those of a SLURM step) or `"tpu"`.
        tpu_name: str, name or `grpc://` address of a TPU, or `"local"` on a TPU VM;
            `None` for the environment variable TPU_NAME.
        tpu_zone, tpu_project: str, where to find the name; `None` for those of this
            machine.
        worker_timeout_seconds: int, time without a sign of life from a worker until
            the others stop.

    Returns:
        `tf.distribute.Strategy`.

    Raises:
        BadInput: the name is unknown, or something that the strategy needs is missing.
    """
    if name == "default":
        return tf.distribute.get_strategy()
    if name == "mirrored":
        gpus = tf.config.list_logical_devices("GPU")
        devices = gpus or tf.config.list_logical_devices("CPU")
        # TensorFlow numbers the collective operations of each strategy on CPUs from
        # 100. A second strategy in one process (a notebook, the tests) would reuse the
        # numbers of the first one, and fail.
        return tf.distribute.MirroredStrategy(
            [device.name for device in devices],
            None if gpus else tf.distribute.ReductionToOneDevice(),
        )
    if name == "multi_worker":
        return _multi_worker_strategy(worker_timeout_seconds)
    if name == "tpu":
        return _tpu_strategy(tpu_name, tpu_zone, tpu_project)
    raise BadInput(
        "strategy must be default, mirrored, multi_worker or tpu. "
        f"Received: {name!r}. Try --strategy=default."
    )


def _multi_worker_strategy(timeout_seconds):
    resolver = clusters.find_cluster()
    cluster = resolver.cluster_spec()
    try:
        # The strategy would do the same with a timeout of ten seconds, which is too
        # short for a busy machine.
        context.context().configure_coordination_service(
            service_type="standalone",
            service_leader=f"/job:{min(cluster.jobs)}/replica:0/task:0",
            heartbeat_timeout_in_ms=1000 * timeout_seconds,
            coordinated_jobs=[
                CoordinatedJob(name=job, num_tasks=cluster.num_tasks(job))
                for job in sorted(cluster.jobs)
            ],
        )
        with clusters.waiting_for_others(resolver):
            return tf.distribute.MultiWorkerMirroredStrategy(resolver)
    except (RuntimeError, tf.errors.OpError) as error:
        reason = str(error).splitlines()[0]
        raise BadInput(
            "strategy=multi_worker needs a connection to all workers. Received: "
            f"{clusters.describe(resolver)}, and TensorFlow says: {reason} "
            "Try starting all of them again."
        ) from error


def _tpu_strategy(name, zone, project):
    address = os.environ.get("TPU_NAME", "") if name is None else name
    try:
        resolver = tf.distribute.cluster_resolver.TPUClusterResolver(
            tpu=address, zone=zone, project=project
        )
        _check_answers(resolver)
        tf.config.experimental_connect_to_cluster(resolver)
        tf.tpu.experimental.initialize_tpu_system(resolver)
    # Without a TPU, TensorFlow raises one of these, depending on the machine.
    except (ValueError, RuntimeError, tf.errors.OpError, OSError) as error:
        raise BadInput(
            "strategy=tpu needs a TPU, named by --tpu_name or the environment variable "
            f"TPU_NAME ('local' on a TPU VM). Received: {address!r}, zone={zone}, "
            f"project={project}, and TensorFlow says: {error}. Try --strategy=default."
        ) from error
    return tf.distribute.TPUStrategy(resolver)


def _check_answers(resolver):
    """Connects to each machine: TensorFlow would wait forever for an answer."""
    cluster = resolver.cluster_spec().as_dict()
    for address in [each for several in cluster.values() for each in several]:
        host, _, port = address.rpartition(":")
        try:
            socket.create_connection((host, int(port)), _SECONDS_TO_ANSWER).close()
        except OSError as error:
            raise OSError(f"no answer from {address}: {error}") from error


def leave_graphs_as_they_are_on_cpus():
    """Switches off TensorFlow's rewriting of graphs (Grappler) if there is no GPU.

    It takes seconds at the first step and makes later steps no faster on CPUs
    (docs/performance.md). On GPUs it chooses the layout of convolutions.
    """
    if not tf.config.list_physical_devices("GPU"):
        tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})


def lacks_bfloat16(cpuinfo="/proc/cpuinfo"):
    """Returns True if TensorFlow imitates bfloat16: no GPU, no TPU, no instructions.

    Args:
        cpuinfo: path of Linux's description of the processor. Without it, nothing is
            known, and the answer is False.
    """
    path = pathlib.Path(cpuinfo)
    devices = {device.device_type for device in tf.config.list_logical_devices()}
    if not path.exists() or devices & {"GPU", "TPU"}:
        return False
    words = set(path.read_text(errors="replace").split())
    return not words & {"avx512_bf16", "amx_bf16", "bf16"}


def per_replica_batch_size(strategy, batch_size, parts=1, seeks_modes=False):
    """Returns the images of a global batch on each replica: int.

    Args:
        strategy: `tf.distribute.Strategy`.
        batch_size: int, global.
        parts: int, equal parts into which each replica's share is cut.
        seeks_modes: bool, whether each part needs a pair of images.

    Raises:
        BadInput: the batch cannot be divided evenly, or there are no pairs.
    """
    replicas = strategy.num_replicas_in_sync
    unit = replicas * parts
    if batch_size % unit:
        accumulation = f", gradient_accumulation_steps={parts}" if parts > 1 else ""
        raise BadInput(
            "batch_size must be a multiple of the number of replicas"
            f"{' times gradient_accumulation_steps' if parts > 1 else ''}. Received: "
            f"batch_size={batch_size}, replicas={replicas}{accumulation}. "
            f"Try --batch_size={-(-batch_size // unit) * unit}."
        )
    if seeks_modes and batch_size < 2 * unit:
        raise BadInput(
            "mode_seeking_weight needs pairs of images in each part of a batch. "
            f"Received: batch_size={batch_size}, replicas={replicas}, "
            f"gradient_accumulation_steps={parts}. Try --batch_size={8 * unit}."
        )
    return batch_size // replicas


def share_out(strategy, make_dataset):
    """Gives every replica its share of each global batch.

    Args:
        strategy: `tf.distribute.Strategy`.
        make_dataset: function `(num_input_pipelines, input_pipeline_index)` to a
            `tf.data.Dataset`, whose batches are that pipeline's share.

    Returns:
        A data set for `fit`. Replica r of n gets the same images in every run.
    """
    if strategy.num_replicas_in_sync == 1:
        return make_dataset(1, 0)

    def of_worker(context):
        dataset = make_dataset(context.num_input_pipelines, context.input_pipeline_id)
        first = tf.nest.flatten(dataset.element_spec)[0]
        replicas = strategy.num_replicas_in_sync // context.num_input_pipelines
        return dataset.rebatch(first.shape[0] // replicas, drop_remainder=True)

    return strategy.distribute_datasets_from_function(of_worker)


def describe_devices():
    """Describes the accelerators that TensorFlow sees here, or the CPU: str."""
    for kind in ("TPU", "GPU"):
        devices = tf.config.list_physical_devices(kind)
        if devices:
            about = tf.config.experimental.get_device_details(devices[0])
            return f"{len(devices)} x {about.get('device_name', kind)}"
    return f"CPU, {os.cpu_count()} cores, no GPU"

"""Finds the machines that train together: in TF_CONFIG, or the step of a SLURM job."""

import contextlib
import json
import os
import signal
import sys
import threading

import tensorflow as tf

from sagan_tf.errors import BadInput

_EXAMPLE = (
    '{"cluster": {"worker": ["host0:2222", "host1:2222"]}, '
    '"task": {"type": "worker", "index": 0}}'
)


def find_cluster():
    """Finds all workers, and the number of this one.

    The environment variable TF_CONFIG comes first, then SLURM's variables.

    Returns:
        `tf.distribute.cluster_resolver.ClusterResolver`.

    Raises:
        BadInput: neither is set, or the one that is set is wrong.
    """
    text = os.environ.get("TF_CONFIG", "").strip()
    if text:
        cluster, job, index = _read_tf_config(text)
    elif "SLURM_PROCID" in os.environ:
        cluster, job, index = _read_slurm()
    else:
        raise BadInput(
            "strategy=multi_worker needs the environment variable TF_CONFIG, with "
            "the addresses of all workers and the number of this one, or a SLURM step "
            "(srun). Received: neither. Try --strategy=mirrored for one machine, or "
            f"TF_CONFIG='{_EXAMPLE}'."
        )
    return tf.distribute.cluster_resolver.SimpleClusterResolver(
        tf.train.ClusterSpec(cluster),
        task_type=job,
        task_id=index,
        num_accelerators={"GPU": len(tf.config.list_physical_devices("GPU"))},
        rpc_layer="grpc",
    )


def _read_tf_config(text):
    try:
        config = json.loads(text)
        cluster = {
            job: [str(address) for address in addresses]
            for job, addresses in config["cluster"].items()
        }
        job, index = config["task"]["type"], int(config["task"]["index"])
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise BadInput(
            "TF_CONFIG must be JSON with the cluster and this task. Received: "
            f"{text!r} ({type(error).__name__}: {error}). Try TF_CONFIG='{_EXAMPLE}'."
        ) from None
    if not set(cluster) <= {"chief", "worker"} or len(cluster.get("chief", ())) > 1:
        raise BadInput(
            "TF_CONFIG may have workers and one chief. Received: "
            f"{ {name: len(machines) for name, machines in cluster.items()} }. Try "
            "without parameter servers and evaluators."
        )
    if not 0 <= index < len(cluster.get(job, ())):
        raise BadInput(
            "The task in TF_CONFIG must be in its cluster. Received: type "
            f"{job!r}, index {index}, of {text}. Try TF_CONFIG='{_EXAMPLE}'."
        )
    return cluster, job, index


def _read_slurm():
    try:
        tasks = int(os.environ.get("SLURM_STEP_NUM_TASKS", "1"))
        # Only the addresses are needed: SLURM has given each task its GPUs. To count
        # them, the resolver would run nvidia-smi, and fail on machines without GPUs.
        resolver = tf.distribute.cluster_resolver.SlurmClusterResolver(
            gpus_per_node=tasks, gpus_per_task=1, auto_set_gpu=False
        )
        cluster = resolver.cluster_spec().as_dict()
        job, index = resolver.get_task_info()
    except (ValueError, RuntimeError) as error:
        raise BadInput(
            "strategy=multi_worker was started inside SLURM, whose variables must list "
            f"the workers. Received: {error} Try srun, or TF_CONFIG."
        ) from error
    # TensorFlow sorts n10 before n2, as text. SLURM sorts by number.
    here = os.environ.get("SLURMD_NODENAME")
    there = cluster[job][index].rpartition(":")[0]
    if here and here != there:
        raise BadInput(
            "TensorFlow numbers the nodes of a SLURM step in the order of their names. "
            f"Received: task {os.environ['SLURM_PROCID']} on {here}, expected on "
            f"{there}. Try nodes with equally many digits in their names, or TF_CONFIG."
        )
    return cluster, job, index


def describe(resolver):
    """Names this worker and all addresses: `worker 0 of host0:2222, host1:2222`."""
    addresses = sorted(resolver.cluster_spec().as_dict().items())
    names = ", ".join(address for _, several in addresses for address in several)
    return f"{resolver.task_type} {resolver.task_id} of {names}"


@contextlib.contextmanager
def waiting_for_others(resolver):
    """Prints which workers this one waits for, and lets Ctrl-C end the wait.

    TensorFlow waits until all have connected. Python sees no signals until then.
    """
    print(f"Connecting {describe(resolver)}.", file=sys.stderr, flush=True)
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)

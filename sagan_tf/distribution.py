"""`tf.distribute` strategies by name, and data sets for them.

`batch_size` is global everywhere else in the package; here it becomes
`per_replica_batch_size`.
"""

import os

import tensorflow as tf


def make_strategy(name):
    """Makes a strategy. Comes before anything else touches a device.

    Args:
        name: `"default"` (one device), `"mirrored"` (all GPUs of this machine, or all
            logical CPUs if there is none), `"multi_worker"` (machines listed in the
            environment variable TF_CONFIG) or `"tpu"` (the one that TPU_NAME names).

    Returns:
        `tf.distribute.Strategy`.

    Raises:
        ValueError: unknown name, or what the strategy needs is not there.
    """
    if name == "default":
        return tf.distribute.get_strategy()
    if name == "mirrored":
        gpus = tf.config.list_logical_devices("GPU")
        devices = gpus or tf.config.list_logical_devices("CPU")
        # TensorFlow's collective operations on CPUs are numbered from 100 on for each
        # strategy: those of a second one in the same process (a notebook, the tests)
        # are taken for the first one's, and fail.
        return tf.distribute.MirroredStrategy(
            [device.name for device in devices],
            None if gpus else tf.distribute.ReductionToOneDevice(),
        )
    if name == "multi_worker":
        if not os.environ.get("TF_CONFIG"):
            raise ValueError(
                "strategy=multi_worker needs the environment variable TF_CONFIG, with "
                "the addresses of all workers and the number of this one. Received: "
                "it is not set. Try --strategy=mirrored for one machine."
            )
        return tf.distribute.MultiWorkerMirroredStrategy()
    if name == "tpu":
        return _tpu_strategy()
    raise ValueError(
        "strategy must be default, mirrored, multi_worker or tpu. "
        f"Received: {name!r}. Try --strategy=default."
    )


def _tpu_strategy():
    address = os.environ.get("TPU_NAME", "")
    try:
        resolver = tf.distribute.cluster_resolver.TPUClusterResolver(tpu=address)
        tf.config.experimental_connect_to_cluster(resolver)
        tf.tpu.experimental.initialize_tpu_system(resolver)
    # Without a TPU, TensorFlow fails in one of these ways, depending on the machine.
    except (ValueError, RuntimeError, tf.errors.OpError, OSError) as error:
        raise ValueError(
            "strategy=tpu needs a TPU, named by the environment variable TPU_NAME "
            f"('local' on a TPU VM). Received: TPU_NAME={address!r}, and TensorFlow "
            f"says: {error}. Try --strategy=default."
        ) from error
    return tf.distribute.TPUStrategy(resolver)


def per_replica_batch_size(strategy, batch_size, parts=1):
    """Images of a global batch on each replica.

    Args:
        strategy: `tf.distribute.Strategy`.
        batch_size: int, global.
        parts: int, equal parts into which each replica's share is cut.

    Raises:
        ValueError: the batch cannot be shared out evenly.
    """
    replicas = strategy.num_replicas_in_sync
    if batch_size % (replicas * parts):
        unit = replicas * parts
        accumulation = f", gradient_accumulation_steps={parts}" if parts > 1 else ""
        raise ValueError(
            "batch_size must be a multiple of the number of replicas"
            f"{' times gradient_accumulation_steps' if parts > 1 else ''}. Received: "
            f"batch_size={batch_size}, replicas={replicas}{accumulation}. "
            f"Try --batch_size={-(-batch_size // unit) * unit}."
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

"""What all tests share: a quiet TensorFlow, two logical CPUs, bounded memory."""

import collections
import gc
import os
import random
import resource
from unittest import mock

# These must be set before TensorFlow is imported. The tests run on the CPU, because
# the tolerances are for its numbers; `CUDA_VISIBLE_DEVICES=0 pytest` runs them on a
# GPU. scripts/test.sh starts one process per core, so each computes with one thread.
# Operations that wait for one another need several threads: with only one, a step that
# XLA compiled hung.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")  # As `import sagan_tf` does.
os.environ.setdefault("TF_NUM_INTRAOP_THREADS", "1")
os.environ.setdefault("TF_NUM_INTEROP_THREADS", "4")
os.environ.setdefault("OMP_NUM_THREADS", "1")
# Compiled steps run only a few times here. XLA compiles them in half the time with its
# code generator's optimizations off.
os.environ.setdefault("XLA_FLAGS", "--xla_backend_optimization_level=0")

import pytest  # noqa: E402

# Gigabytes of each process, for the summary.
_peaks = {}
# The peak of this process when garbage was collected last.
_collected_at = 0.0


def pytest_collection_modifyitems(config, items):
    """Puts long files first if there are several processes.

    Each process takes the next file when it is done. All processes end at about the
    same time only if the last files are short.
    """
    if hasattr(config, "workerinput"):
        counts = collections.Counter()
        for item in items:
            counts[item.path] += item.get_closest_marker("slow") is not None
        items.sort(key=lambda item: -counts[item.path])


def pytest_collection_finish():
    """Excludes everything that is imported from later garbage collections.

    Otherwise each collection takes a second on busy cores.
    """
    gc.collect()
    gc.freeze()


def pytest_sessionfinish(session):
    if hasattr(session.config, "workerinput"):
        session.config.workeroutput["peak"] = _peak()
    elif not _peaks:
        _peaks["this process"] = _peak()


def _peak():
    """Returns the highest memory of this process so far, in GiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node):
    """Notes the peak of an ended pytest-xdist process; a crashed one has none."""
    output = getattr(node, "workeroutput", {})
    if "peak" in output:
        _peaks[node.gateway.id] = output["peak"]


def pytest_terminal_summary(terminalreporter):
    peaks = ", ".join(f"{name} {peak:.1f} GiB" for name, peak in _peaks.items())
    terminalreporter.write_line(f"Peak memory: {peaks}")


@pytest.fixture(scope="session", autouse=True)
def two_logical_cpus():
    """Makes two devices for `MirroredStrategy`, before TensorFlow's first use."""
    import tensorflow as tf

    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(
        cpu, [tf.config.LogicalDeviceConfiguration()] * 2
    )


@pytest.fixture(scope="session", autouse=True)
def kernels_are_kept():
    """Sets TensorFlow's seed only if it is another one, or was already used.

    Setting a seed discards the kernels of all operations. Making them again would take
    a tenth of the tests' time.
    """
    import tensorflow as tf
    from tensorflow.python.eager import context

    def set_seed(seed):
        if context.global_seed() != seed or (
            context.context()._rng.getstate() != random.Random(seed).getstate()
        ):
            really_set(seed)

    really_set = tf.random.set_seed
    with mock.patch.object(tf.random, "set_seed", set_seed):
        yield


@pytest.fixture(scope="session")
def two_replicas(two_logical_cpus):
    """A `MirroredStrategy` over two logical CPUs."""
    import tensorflow as tf

    return tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])


@pytest.fixture(scope="module", autouse=True)
def no_graphs_left_behind():
    """Clears Keras after each file, and collects garbage if there is much of it.

    A collection takes as long as ten quick tests.
    """
    yield
    import keras

    keras.backend.clear_session(free_memory=False)
    global _collected_at
    if _peak() > _collected_at + 0.1:
        gc.collect()
        _collected_at = _peak()


@pytest.fixture(autouse=True)
def no_settings_left_behind():
    """Gives every test the same random numbers, whichever test ran before it.

    A run sets Keras' precision and TensorFlow's determinism for the process.
    """
    import keras
    from tensorflow.python.framework import config

    keras.utils.set_random_seed(0)
    yield
    keras.config.set_dtype_policy("float32")
    config.disable_op_determinism()

"""What all tests share: a quiet TensorFlow, two logical CPUs, slow tests last."""

import os

# Before TensorFlow is imported: no start-up chatter, and the CPU, whose numbers the
# tolerances are for. `CUDA_VISIBLE_DEVICES=0 pytest` runs the tests on a GPU.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")

import pytest  # noqa: E402


def pytest_collection_modifyitems(items):
    # A stable sort: the order within the quick and the slow tests stays.
    items.sort(key=lambda item: item.get_closest_marker("slow") is not None)


@pytest.fixture(scope="session", autouse=True)
def two_logical_cpus():
    """`MirroredStrategy` needs two devices; must come before TensorFlow's first use."""
    import tensorflow as tf

    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(
        cpu, [tf.config.LogicalDeviceConfiguration()] * 2
    )


@pytest.fixture(scope="session")
def two_replicas(two_logical_cpus):
    """A `MirroredStrategy` over two logical CPUs."""
    import tensorflow as tf

    return tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])


@pytest.fixture(autouse=True)
def no_settings_left_behind():
    """Every test has the same random numbers, whichever ran before it.

    A run sets Keras' precision and TensorFlow's determinism for the process.
    """
    import keras
    from tensorflow.python.framework import config

    keras.utils.set_random_seed(0)
    yield
    keras.config.set_dtype_policy("float32")
    config.disable_op_determinism()

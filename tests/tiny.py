"""A run that is over in seconds: digits, 32 pixels, four channels."""

import numpy as np
import tensorflow as tf

from sagan_tf import train

FLAGS = {
    "dataset": "digits",
    "resolution": 32,
    "image_channels": 1,
    "z_dim": 8,
    "generator_channels": 4,
    "discriminator_channels": 4,
    "attention_resolution": 16,
    "batch_size": 4,
    "ema_decay": 0.5,
    "total_steps": 24,
    "log_every_steps": 2,
    "sample_every_steps": 12,
    "watch_every_steps": 1000,
    "checkpoint_every_steps": 4,
    "samples_per_class": 2,
}

# What differs between two equal runs.
TIMES = ("time", "images_per_second")


def command_line(workdir, **changes):
    """The arguments of `sagan_tf.train`, the command itself first."""
    flags = {**FLAGS, "workdir": workdir, **changes}
    return ["train", *(f"--{name}={value}" for name, value in flags.items())]


def run(workdir, **changes):
    """Trains in this process; returns the exit status."""
    return train.main(command_line(workdir, **changes))


def weights(workdir, step):
    """Every value of a checkpoint by name: weights, optimizers, counters."""
    prefix = str(workdir / "checkpoints" / f"step_{step:08d}" / "variables")
    return {
        name: tf.train.load_variable(prefix, name)
        for name, _ in tf.train.list_variables(prefix)
        if name != "_CHECKPOINTABLE_OBJECT_GRAPH"
    }


def assert_same_weights(one, other, step):
    """Two runs have the same bits at a step."""
    ours, theirs = weights(one, step), weights(other, step)
    assert set(ours) == set(theirs)
    assert len(ours) > 50
    for name, value in ours.items():
        np.testing.assert_array_equal(value, theirs[name], err_msg=name)

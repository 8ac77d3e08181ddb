"""A run that takes seconds: digits, 32 pixels, four channels.

Tracing a step takes most of this time. So equal models in a process are one model,
which begins each run with its initial values.
"""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from sagan_tf import train
from sagan_tf.run.building import make_model
from sagan_tf.settings.config import Config

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

# The columns that differ between two equal runs.
TIMES = ("time", "images_per_second")


def command_line(workdir, **changes):
    """Returns the arguments of `sagan_tf.train`, the command itself first."""
    flags = {**FLAGS, "workdir": workdir, **changes}
    return ["train", *(f"--{name}={value}" for name, value in flags.items())]


# Fields of `Config` that do not affect a traced step.
NOT_IN_THE_STEP = (
    "initialize_from",
    "total_steps",
    "generator_learning_rate",  # Each run sets them.
    "discriminator_learning_rate",
)
# Model and initial values, by the fields that affect a step.
_kept = {}


def _kept_model(config):
    """Does the same as `make_model`, but never traces an equal step again."""
    settings = tuple(
        getattr(config, field.name)
        for field in dataclasses.fields(Config)
        if field.metadata["group"] in ("networks", "training")
        and field.name not in NOT_IN_THE_STEP
    )
    if settings not in _kept:
        model = make_model(config)
        variables = [*model.metrics_variables, *changing(model)]
        _kept[settings] = model, [(each, each.numpy()) for each in variables]
    model, initial = _kept[settings]
    for variable, value in initial:
        variable.assign(value)
    model.stop, model.stop_training = None, False
    return model


def changing(model):
    """Returns all variables that a step changes, except its metrics."""
    items = model.checkpoint_items().values()
    lists = [getattr(item, "variables", [item]) for item in items]
    return [variable for variables in lists for variable in variables]


def run(workdir, anew=False, **changes):
    """Trains in this process.

    Args:
        workdir: path of the run.
        anew: bool, whether to build a new model, as the command does. A run with a
            strategy always builds one: its variables belong to the strategy.
        **changes: other values for `FLAGS`.

    Returns:
        The exit status.
    """
    with pytest.MonkeyPatch.context() as patch:
        if not anew and "strategy" not in changes:
            patch.setattr("sagan_tf.training.loop.make_model", _kept_model)
        return train.main(command_line(workdir, **changes))


def weights(workdir, step):
    """Reads all values of a checkpoint by name: weights, optimizers, counters."""
    prefix = str(workdir / "checkpoints" / f"step_{step:08d}" / "variables")
    return {
        name: tf.train.load_variable(prefix, name)
        for name, _ in tf.train.list_variables(prefix)
        if name != "_CHECKPOINTABLE_OBJECT_GRAPH"
    }


def assert_same_weights(one, other, step):
    """Asserts that two runs have the same bits at a step."""
    ours, theirs = weights(one, step), weights(other, step)
    assert set(ours) == set(theirs)
    assert len(ours) > 50
    for name, value in ours.items():
        np.testing.assert_array_equal(value, theirs[name], err_msg=name)

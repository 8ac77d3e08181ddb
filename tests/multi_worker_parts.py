"""Parts of a training, one by one; `multi_worker_test.py` runs this as two processes.

    python tests/multi_worker_parts.py FOLDER

Each worker writes what it saw to FOLDER/worker_0.json (or 1) and its variables to
FOLDER/worker_0.npz. The test compares both with one replica that it runs itself.
"""

import json
import os
import pathlib
import signal
import sys

import keras
import numpy as np
import tensorflow as tf

from sagan_tf.distribution import strategies
from sagan_tf.distribution.workers import Workers
from sagan_tf.model.sagan import SAGAN
from sagan_tf.networks.builders import build_discriminator, build_generator
from sagan_tf.run import directory
from sagan_tf.run.checkpoints import Checkpoints
from sagan_tf.settings.config import Config
from sagan_tf.training.callbacks.step_callback import StepCallback
from sagan_tf.training.callbacks.stopping import NonfiniteStop, SignalStop

CLASSES, BATCH, STEPS = 3, 4, 2
CONFIG = Config(num_classes=CLASSES)


def make_model():
    """Makes a small SAGAN with SGD: Adam's first step is a rounding error's sign."""
    keras.utils.set_random_seed(0)
    common = {"num_classes": CLASSES, "channels": 2, "image_channels": 1}
    common["attention_resolution"] = (16,)
    # Without correction, because the last moving variance covers only the images of one
    # worker: see sagan_test.py.
    statistics = {"cross_replica_batch_norm": True, "batch_norm_debias": False}
    generator = build_generator(32, z_dim=5, **statistics, **common)
    discriminator = build_discriminator(32, **common)
    model = SAGAN(generator, discriminator, num_classes=CLASSES, ema_decay=0.5)
    model.compile(
        keras.optimizers.SGD(0.01, momentum=0.9),
        keras.optimizers.SGD(0.02, momentum=0.9),
    )
    return model


def batch(count=2 * BATCH):
    random = np.random.default_rng(0)
    images = random.uniform(-1, 1, (count, 32, 32, 1)).astype("float32")
    return images, random.integers(0, CLASSES, count).astype("int32")


def batches(count, index, spoiled=False):
    """Repeats the share of the batch of pipeline `index`."""
    share = slice(index * 2 * BATCH // count, (index + 1) * 2 * BATCH // count)
    images, labels = (values[share] for values in batch())
    if spoiled:
        images = np.full_like(images, np.nan)
    return tf.data.Dataset.from_tensors((images, labels)).repeat()


def state(model):
    """Returns everything that a step changes except metrics, by name."""
    values = {}
    for name, item in model.checkpoint_items().items():
        variables = item.variables if hasattr(item, "variables") else [item]
        for number, variable in enumerate(variables):
            values[f"{name}/{number}/{variable.name}"] = variable.numpy()
    return values


def fit(model, dataset, steps, *callbacks):
    history = model.fit(
        dataset,
        steps_per_epoch=steps,
        shuffle=False,
        verbose=0,
        callbacks=list(callbacks),
    )
    return {name: float(values[0]) for name, values in history.history.items()}


def message_of(function, *arguments):
    """Returns the error that a call raises as text, or `None`."""
    try:
        function(*arguments)
    except (ValueError, tf.errors.OpError) as error:
        return f"{type(error).__name__}: {error}"
    return None


def plain_keras(strategy):
    """Returns the errors of Keras models without our work-arounds."""

    class WithoutBuilding(keras.Model):
        def _maybe_symbolic_build(self, iterator=None, data_batch=None):
            pass

    messages = []
    data = tf.data.Dataset.from_tensors((tf.ones([4, 3]), tf.ones([4, 1])))
    for kind in (keras.Model, WithoutBuilding):
        with strategy.scope():
            inputs = keras.Input((3,))
            model = kind(inputs, keras.layers.Dense(1)(inputs))
            model.compile(keras.optimizers.SGD(0.1), "mse")
            model.optimizer.build(model.trainable_variables)
        fit_it = lambda model=model: model.fit(data.repeat(), steps_per_epoch=2)  # noqa: E731
        messages.append(message_of(fit_it))
    return messages


class Terminate(StepCallback):
    """Sends this process SIGTERM."""

    def at_step(self, step, logs):
        os.kill(os.getpid(), signal.SIGTERM)


def stopping(strategy, model, workers):
    """Sends SIGTERM to worker 1 only, then gives worker 1 only images of NaN."""
    with SignalStop(workers) as stop:
        callbacks = [] if workers.is_chief else [Terminate(4)]
        dataset = strategies.share_out(strategy, batches)
        fit(model, dataset, 20, *callbacks, stop)
    seen = {"signal": stop.received, "signal_step": int(model.step.numpy())}

    dataset = strategies.share_out(
        strategy, lambda count, index: batches(count, index, spoiled=index == 1)
    )
    guard = NonfiniteStop(1, workers)
    fit(model, dataset, 20, guard)
    seen["reason"], seen["nan_step"] = model.stop.reason, int(model.step.numpy())
    return seen


def keeping(folder, model, workers):
    """Saves on the chief only, spoils every variable, restores on all workers."""
    before = state(model)
    checkpoints = Checkpoints(folder / "checkpoints")
    items = model.checkpoint_items()
    if workers.is_chief:
        checkpoints.write(STEPS, items)
    workers.wait()
    for item in items.values():
        for variable in item.variables if hasattr(item, "variables") else [item]:
            variable.assign(variable + tf.ones([], variable.dtype))
    start = directory.find_start(checkpoints, items, workers)
    after = state(model)
    differ = [name for name in before if not np.array_equal(before[name], after[name])]
    summed = [
        variable.path
        for item in items.values()
        for variable in (item.variables if hasattr(item, "variables") else [item])
        if variable.synchronization == "on_read"
    ]
    return {"start": start, "not_restored": differ, "summed_when_read": summed}


def disagreeing(folder, workers):
    """Returns the messages if workers differ in their settings, or in their folder."""
    directory._SECONDS_TO_APPEAR = 1
    other = Config(num_classes=CLASSES, seed=workers.index)
    return {
        "settings": message_of(directory.open_run, folder / "a", other, workers),
        "folder": message_of(
            directory.open_run, folder / f"b{workers.index}", CONFIG, workers
        ),
    }


def main(folder):
    strategy = strategies.make_strategy("multi_worker", worker_timeout_seconds=300)
    workers = Workers.of(strategy)
    seen = {
        "index": workers.index,
        "replicas": strategy.num_replicas_in_sync,
        "gathered": workers.gather(workers.index + 0.5, 2**32 - 1),
        "plain_keras": plain_keras(strategy),
    }
    with strategy.scope():
        model = make_model()
    seen["logs"] = fit(model, strategies.share_out(strategy, batches), STEPS)
    np.savez(folder / f"worker_{workers.index}.npz", **state(model))
    seen["keeping"] = keeping(folder, model, workers)
    seen["stopping"] = stopping(strategy, model, workers)
    seen["disagreeing"] = disagreeing(folder, workers)
    (folder / f"worker_{workers.index}.json").write_text(json.dumps(seen))
    workers.wait()


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))

"""A whole run, from a config to trained weights."""

import importlib.util
import pathlib
import sys

import keras
import tensorflow as tf

from sagan_tf import data
from sagan_tf.distribution import strategies
from sagan_tf.distribution.workers import Workers
from sagan_tf.errors import (
    COLLAPSED,
    FINISHED,
    NOT_FINITE,
    STOPPED,
    WORKER_LOST,
    BadInput,
)
from sagan_tf.evaluation.evaluator import open_how
from sagan_tf.run import directory, versions
from sagan_tf.run.building import describe_data, make_model, open_data
from sagan_tf.training import examiner
from sagan_tf.training.callbacks.checkpoint_writer import CheckpointWriter
from sagan_tf.training.callbacks.metric_log import (
    MetricLog,
    MetricPlot,
    MetricReset,
    TensorBoardLog,
)
from sagan_tf.training.callbacks.periodic_evaluation import PeriodicEvaluation
from sagan_tf.training.callbacks.progress import Progress
from sagan_tf.training.callbacks.sample_grid import SampleGrid
from sagan_tf.training.callbacks.stopping import NonfiniteStop, SignalStop
from sagan_tf.training.collapse_watch import COLLAPSED as COLLAPSED_FOLDER
from sagan_tf.training.collapse_watch import CollapseWatch

_NORMALIZED_TABLES = (
    "spectral_norm_conditional_batch_norm normalizes the tables of class gains and "
    "biases, which neither the paper nor the official code does; BigGAN's authors saw "
    "it cripple the generator at random. It is here to be measured."
)

# Real images, and as many generated ones, that each look at a training sees.
_WATCHED_IMAGES = 32


def train_and_evaluate(config, workdir):
    """Trains, from the beginning or from the newest good checkpoint in `workdir`.

    Args:
        config: `Config`.
        workdir: path, see `rundir.py`.

    Returns:
        0 if all steps are done, 3 if SIGTERM or Ctrl-C stopped the run (a checkpoint
        is written), 4 if a loss became NaN or infinite (none is), 5 if another worker
        is gone, 6 if the generator collapsed and `on_collapse` says to stop then.

    Raises:
        BadInput: config, data or run directory cannot be used; one line says why.
        OSError: the run directory cannot be written.
    """
    strategy = set_up(config)
    workers = Workers.of(strategy)
    try:
        status = _train(config, pathlib.Path(workdir), strategy, workers)
        workers.wait()  # Until the chief has written the last checkpoint.
    except tf.errors.OpError as error:
        loss = workers.loss(error)
        if loss is None:
            raise
        print(f"error: {loss}", file=sys.stderr)
        return WORKER_LOST
    return status


def _train(config, workdir, strategy, workers):
    with SignalStop(workers) as signals:
        source, config = open_data(config)
        config.validate()  # Now that the number of classes is known.
        checkpoints = directory.prepare(workdir, config, describe_data(source), workers)

        with strategy.scope():
            model = make_model(config)
        start = directory.find_start(checkpoints, model.checkpoint_items(), workers)
        set_learning_rates(model, config)
        if workers.is_chief:
            versions.record_versions(workdir, start)
        if start >= config.total_steps:
            print(f"All {config.total_steps:,} steps are done: {workdir}")
            return FINISHED
        check_executions(config, config.total_steps - start)

        dataset = make_training_data(config, source, strategy, start)
        guard = NonfiniteStop(config.log_every_steps, workers)
        writer = CheckpointWriter(
            config.checkpoint_every_steps, checkpoints, guard, workers
        )
        watches = make_watch(config, source, workdir, checkpoints, writer)
        callbacks = [guard, signals, *make_callbacks(config, workdir, workers), writer]
        if workers.is_chief:
            callbacks += [
                *watches,
                *make_evaluation(config, workdir, strategy, checkpoints, writer),
                MetricPlot(config.sample_every_steps, workdir),
            ]
        _fit(model, dataset, callbacks, config, source, start, workers)
        for watch in watches:
            if watch.reason:
                return report_collapse(workdir, watch)
        return report_end(workdir, checkpoints, model, guard, signals, config, workers)


def _fit(model, dataset, callbacks, config, source, start, workers):
    """Trains until the last step, or until a callback says stop."""
    try:
        model.fit(
            dataset,
            steps_per_epoch=config.total_steps - start,
            callbacks=callbacks,
            shuffle=False,  # The data set has its own, seeded order.
            verbose=0,
        )
    except tf.errors.OpError as error:
        if workers.loss(error):
            raise
        raise explain(error, config, source, int(model.step.numpy())) from error


def set_up(config):
    """Prepares TensorFlow and Keras: strategy, random numbers, precision.

    Returns:
        `tf.distribute.Strategy`.

    Raises:
        BadInput: the strategy is not to be had, or does not go with `batch_size`.
    """
    if config.spectral_norm_conditional_batch_norm:
        print(f"warning: {_NORMALIZED_TABLES}", file=sys.stderr)
    strategy = strategies.make_strategy(
        config.strategy,
        config.tpu_name,
        config.tpu_zone,
        config.tpu_project,
        config.worker_timeout_seconds,
    )
    strategies.per_replica_batch_size(
        strategy, config.batch_size, config.gradient_accumulation_steps
    )
    keras.utils.set_random_seed(config.seed)
    if config.deterministic:
        tf.config.experimental.enable_op_determinism()
    keras.config.set_dtype_policy(config.dtype_policy)
    strategies.leave_graphs_as_they_are_on_cpus()
    return strategy


def set_learning_rates(model, config):
    """Gives a restored model the config's rates: a checkpoint brings its own."""
    model.generator_optimizer.learning_rate = config.generator_learning_rate
    model.discriminator_optimizer.learning_rate = config.discriminator_learning_rate


def check_executions(config, steps_left):
    """Checks that the last execution would not go beyond the last step.

    Raises:
        BadInput: it would.
    """
    if steps_left % config.steps_per_execution:
        raise BadInput(
            "steps_per_execution must divide the steps that are left. Received: "
            f"steps_per_execution={config.steps_per_execution}, {steps_left} steps "
            "left. Try --steps_per_execution=1."
        )


def make_training_data(config, source, strategy, start):
    """The batches from step `start` on: those that an unbroken run would have seen."""

    def of_pipeline(count, index):
        return data.make_dataset(
            source,
            resolution=config.resolution,
            image_channels=config.image_channels,
            batch_size=config.images_per_step,
            seed=config.seed,
            start_image=start * config.images_per_step,
            shuffle_buffer_images=config.shuffle_buffer_images,
            resize=config.resize,
            flip=config.flip,
            num_input_pipelines=count,
            input_pipeline_index=index,
            labelled=config.num_classes > 0,
        )

    return strategies.share_out(strategy, of_pipeline)


def make_callbacks(config, workdir, workers):
    """What is shown and logged, by the chief: before a checkpoint says that it is."""
    every = config.log_every_steps
    if not workers.is_chief:
        return [MetricReset(every)]
    callbacks = [
        Progress(every, config.total_steps, config.images_per_step),
        MetricLog(every, workdir, config.images_per_step),
        SampleGrid(
            config.sample_every_steps,
            workdir / "samples",
            config.samples_per_class,
            config.seed,
            scale=max(1, 64 // config.resolution),
        ),
    ]
    if config.tensorboard and importlib.util.find_spec("tensorboard"):
        callbacks.insert(0, TensorBoardLog(every, workdir / "tensorboard"))
    return callbacks


def make_evaluation(config, workdir, strategy, checkpoints, writer):
    """The callback that `--evaluate_every_steps` asks for, in a list, or none.

    Raises:
        BadInput: the feature network or the reference statistics cannot be had.
    """
    if not config.evaluate_every_steps:
        return []
    return [
        PeriodicEvaluation(
            config.evaluate_every_steps,
            open_how(config, workdir, strategy=strategy),
            checkpoints,
            writer,
            workdir,
        )
    ]


def make_watch(config, source, workdir, checkpoints, writer):
    """The callback that `--watch_every_steps` asks for, in a list, or none.

    Raises:
        BadInput: an image that it looks at cannot be read.
    """
    if not config.watch_every_steps or config.strategy == "multi_worker":
        return []
    if source.num_images < 2:  # Diversity is that of several images.
        return []
    return [
        CollapseWatch(
            config.watch_every_steps,
            make_fixed_batch(config, source),
            workdir,
            config.on_collapse,
            writer,
            checkpoints,
        )
    ]


def make_fixed_batch(config, source):
    """The `health.FixedBatch` of a run: the same whenever it goes on.

    Raises:
        BadInput: an image of it cannot be read.
    """
    labelled = config.num_classes > 0
    count = min(_WATCHED_IMAGES, source.num_images)
    dataset = data.make_dataset(
        source,
        resolution=config.resolution,
        image_channels=config.image_channels,
        batch_size=count,
        seed=config.seed,
        shuffle_buffer_images=_WATCHED_IMAGES,
        resize=config.resize,
        labelled=labelled,
        cache_bytes=0,  # For a batch, not all of the data set is read.
    )
    try:
        batch = next(dataset.take(1).as_numpy_iterator())
    except tf.errors.OpError as error:
        problem = data.name_bad_image(
            source,
            seed=config.seed,
            count=count,
            shuffle_buffer_images=_WATCHED_IMAGES,
        )
        if problem is None:
            raise
        raise _bad_image(problem) from error
    images, labels = batch if labelled else (batch, None)
    return examiner.make_fixed_batch(
        images, labels, z_dim=config.z_dim, seed=config.seed
    )


def report_collapse(workdir, watch):
    """Says why the training was stopped; steps back if asked to. Returns the status."""
    print(f"Stopped. {watch.reason}")
    step = watch.roll_back()
    if step is not None:
        print(
            f"The run is back at step {step:,}, where it was well; what it had become "
            f"is in {workdir / COLLAPSED_FOLDER}. Try other settings or another --seed."
        )
    return COLLAPSED


def explain(error, config, source, step):
    """An error of TensorFlow as one line that names the cause, if it can be found.

    Returns:
        `ValueError` if data or memory are to blame, else `error` itself.
    """
    if isinstance(error, tf.errors.ResourceExhaustedError):
        return BadInput(
            f"The device has too little memory. Received: batch_size="
            f"{config.batch_size}. Try a smaller --batch_size, "
            "--gradient_accumulation_steps=2, or --dry_run for an estimate."
        )
    problem = data.name_bad_image(
        source,
        seed=config.seed,
        start_image=step * config.images_per_step,
        count=config.images_per_step * (config.steps_per_execution + 1),
        shuffle_buffer_images=config.shuffle_buffer_images,
    )
    return error if problem is None else _bad_image(problem)


def _bad_image(problem):
    return BadInput(
        f"{problem} Try replacing it, or --skip_bad_images to leave it out."
    )


def report_end(workdir, checkpoints, model, guard, signals, config, workers):
    """Says how the run ended and where its results are; returns the exit status."""
    step = int(model.step.numpy())
    if guard.reason:
        steps = checkpoints.steps()
        last = (
            f"Last good checkpoint: {checkpoints.path(steps[-1])}"
            if steps
            else ("There is no checkpoint yet.")
        )
        print(f"Stopped. {guard.reason} {last}")
        return NOT_FINITE
    if workers.is_chief:
        print(f"Step {step:,} is saved: {checkpoints.path(step)}")
    if step < config.total_steps:
        print(f"Stopped by {signals.received}. The same command goes on from here.")
        return STOPPED
    if workers.is_chief:
        print(f"Pictures: {workdir / 'samples'}")
    return FINISHED

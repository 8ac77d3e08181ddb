"""Trains a whole run, from a config to trained weights."""

import dataclasses
import errno
import os
import pathlib
import sys

import keras
import tensorflow as tf

from sagan_tf import data
from sagan_tf.distribution import strategies
from sagan_tf.distribution.workers import Workers
from sagan_tf.errors import FINISHED, NOT_FINITE, STOPPED, WORKER_LOST, BadInput
from sagan_tf.evaluation.evaluator import open_how
from sagan_tf.run import directory, initialization, versions
from sagan_tf.run.building import (
    describe_data,
    make_model,
    open_training_data,
    survey_data,
)
from sagan_tf.run.lock import locked_run
from sagan_tf.run.records import EVALUATIONS, is_missing, read_metrics
from sagan_tf.training import examiner
from sagan_tf.training.callbacks.checkpoint_writer import CheckpointWriter
from sagan_tf.training.callbacks.metric_log import (
    MetricLog,
    MetricPlot,
    MetricReset,
    TensorBoardLog,
    writes_events,
)
from sagan_tf.training.callbacks.periodic_evaluation import PeriodicEvaluation
from sagan_tf.training.callbacks.progress import Progress
from sagan_tf.training.callbacks.run_description import RunDescription
from sagan_tf.training.callbacks.run_log import check_installed, make_run_logs
from sagan_tf.training.callbacks.sample_grid import SampleGrid, real_rows
from sagan_tf.training.callbacks.stopping import NonfiniteStop, SignalStop
from sagan_tf.training.collapse_watch import HEALTH, CollapseWatch
from sagan_tf.training.heading import heading, survey_lines

_NORMALIZED_TABLES = (
    "spectral_norm_conditional_batch_norm normalizes the tables of class gains and "
    "biases. Neither the paper nor the official code does so, and BigGAN's authors saw "
    "it cripple the generator in some runs. The option is here for measurements."
)

_IMITATED_BFLOAT16 = (
    "this processor has no bfloat16 instructions, so mixed_bfloat16 is about ten times "
    "slower than float32 here. Use --dtype_policy=float32."
)

# Real images of each class beside a sample grid.
_REAL_COLUMNS = 4
# Real images, and as many generated images, that the watch compares at each look.
_WATCHED_IMAGES = 32


def train_and_evaluate(config, workdir):
    """Trains, from the beginning or from the newest good checkpoint in `workdir`.

    Args:
        config: `Config`.
        workdir: path, see `run/directory.py`.

    Returns:
        The exit status: 0 if all steps are done, 3 if SIGTERM, SIGHUP, Ctrl-C or a
        closed output stopped the run (a checkpoint is saved), 4 if a loss or a weight
        became NaN or infinite (none is saved), 5 if another worker is gone, 6 if the
        generator collapsed and `on_collapse` says to stop.

    Raises:
        BadInput: config, data or run directory cannot be used, or another training
            uses the directory.
        OSError: the run directory cannot be read or written.
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
        source, config = open_training_data(config)
        with locked_run(workdir, workers):
            return _train_run(config, source, workdir, strategy, workers, signals)


def _train_run(config, source, workdir, strategy, workers, signals):
    """Trains a run whose data and directory are open: see `train_and_evaluate`."""
    restored = _restored(config, source, workdir, strategy, workers)
    config, model, checkpoints, start, initialized = restored
    survey = _survey(config, source, start) if workers.is_chief else None

    def describe():
        if workers.is_chief:
            directory.describe(workdir, config, describe_data(source, survey))
            versions.record_versions(workdir, start)
            initialization.write_record(workdir, initialized)

    is_done = start >= config.total_steps
    if is_done:
        describe()
        if not is_unexamined(config, source, workdir, start):
            done = f"All {config.total_steps:,} steps are done: {workdir}."
            print(f"{done} A larger --total_steps continues the run.")
            return FINISHED
    check_executions(config, config.total_steps - start)
    if workers.is_chief and not is_done:
        lines = heading(config, source, workdir, model, start, initialized)
        print("\n".join(lines), flush=True)

    callbacks = make_callbacks(config, source, workdir, strategy, checkpoints, workers)
    if is_done:
        make_up(model, [signals, *callbacks])
        return report_end(model, workdir, checkpoints, config.total_steps, workers)
    dataset = make_training_data(config, source, strategy, start)
    try:
        model.fit(
            dataset,
            steps_per_epoch=config.total_steps - start,
            callbacks=[signals, RunDescription(describe), *callbacks],
            shuffle=False,  # The data set has its own, seeded order.
            verbose=0,
        )
    except tf.errors.OpError as error:
        if workers.loss(error):
            raise
        raise_explained(error, config, source, int(model.step.numpy()))
    return report_end(model, workdir, checkpoints, config.total_steps, workers)


def _restored(config, source, workdir, strategy, workers):
    """Returns a run's config, `SAGAN`, checkpoints, step, and what initialized it."""
    checkpoints = directory.open_run(workdir, config, workers, source.class_names)
    with strategy.scope():
        model = make_model(config)
    start = directory.find_start(checkpoints, model.checkpoint_items(), workers)
    # A checkpoint restores its own learning rates. Those of the config replace them.
    model.generator_optimizer.learning_rate = config.generator_learning_rate
    model.discriminator_optimizer.learning_rate = config.discriminator_learning_rate
    initialized = None
    if config.initialize_from and not checkpoints.steps():
        initialized = initialization.initialize(
            model, config, source.class_names, workdir, workers
        )
    # With fewer steps than are done, the run's files would contradict one another.
    total_steps = max(start, config.total_steps)
    config = dataclasses.replace(config, total_steps=total_steps).validate()
    return config, model, checkpoints, start, initialized


def _survey(config, source, start):
    """Surveys the data, see `survey_data`; prints the survey of a new run."""
    survey = survey_data(config, source)
    if survey and not start:
        print("\n".join(survey_lines(survey, config)), flush=True)
    return survey


def is_unexamined(config, source, workdir, step):
    """Returns True if a run was killed between its last step and its last examination.

    Its look at the training or its evaluation is then missing.
    """
    watch_every = config.watch_interval if is_watched(config, source) else 0
    return any(
        is_missing({line["step"] for line in read_metrics(workdir / log)}, every, step)
        for log, every in (
            (HEALTH, watch_every),
            (EVALUATIONS, config.evaluate_every_steps),
        )
    )


def make_up(model, callbacks):
    """Does what a killed run has left undone after its last step; trains nothing."""
    callbacks = keras.callbacks.CallbackList(callbacks, model=model)
    model.stop_training = False
    callbacks.on_train_begin()
    callbacks.on_train_end()


def set_up(config):
    """Prepares TensorFlow and Keras: strategy, random numbers, precision.

    Returns:
        `tf.distribute.Strategy`.

    Raises:
        BadInput: the strategy is not available, or does not fit `batch_size`; a
            package of `logger` is missing.
    """
    check_installed(config.logger)
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
        strategy,
        config.batch_size,
        config.gradient_accumulation_steps,
        config.mode_seeking_weight > 0,
    )
    if config.dtype_policy == "mixed_bfloat16" and strategies.lacks_bfloat16():
        print(f"warning: {_IMITATED_BFLOAT16}", file=sys.stderr)
    keras.utils.set_random_seed(config.seed)
    if config.deterministic:
        tf.config.experimental.enable_op_determinism()
    keras.config.set_dtype_policy(config.dtype_policy)
    strategies.leave_graphs_as_they_are_on_cpus()
    return strategy


def check_executions(config, steps_left):
    """Checks that the last execution ends at the last step.

    Raises:
        BadInput: it would end after the last step.
    """
    if steps_left % config.steps_per_execution:
        raise BadInput(
            "steps_per_execution must divide the steps that are left. Received: "
            f"steps_per_execution={config.steps_per_execution}, {steps_left} steps "
            "left. Try --steps_per_execution=1."
        )


def make_training_data(config, source, strategy, start):
    """Makes the batches from step `start` on that an uninterrupted run would see."""

    if config.balance_classes:
        source = source.balanced()

    def make_pipeline(count, index):
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

    return strategies.share_out(strategy, make_pipeline)


def make_callbacks(config, source, workdir, strategy, checkpoints, workers):
    """Makes the callbacks of a run; most of them are only for the chief.

    Logs and samples come before the checkpoint of their step: a killed run resumes from
    the checkpoint, and would not write them again.

    Raises:
        BadInput: an image, the feature network or the reference statistics that a
            callback needs cannot be read.
    """
    every = config.log_interval
    guard = NonfiniteStop(every, workers)
    writer = CheckpointWriter(
        config.checkpoint_every_steps, checkpoints, guard, workers
    )
    if not workers.is_chief:
        return [guard, MetricReset(every), writer]
    callbacks = [
        guard,
        Progress(every, config.total_steps, config.images_per_step),
        MetricLog(every, workdir, config.images_per_step),
        make_sample_grid(config, source, workdir),
        writer,
    ]
    if writes_events(config.logger, config.tensorboard):
        # Before the log, which resets the metrics.
        callbacks.insert(1, TensorBoardLog(every, workdir / "tensorboard"))
    if is_watched(config, source):
        callbacks.append(
            CollapseWatch(
                config.watch_interval,
                make_fixed_batch(config, source),
                workdir,
                config.on_collapse,
                writer,
                checkpoints,
            )
        )
    if config.evaluate_every_steps:
        how = open_how(workdir, config, strategy=strategy)
        every = config.evaluate_every_steps
        callbacks.append(PeriodicEvaluation(every, how, checkpoints, writer, workdir))
    settings = dataclasses.asdict(config)
    callbacks += make_run_logs(config.logger, config.log_interval, workdir, settings)
    return [*callbacks, MetricPlot(config.sample_interval, workdir)]


def make_sample_grid(config, source, workdir):
    """Makes the `SampleGrid` of a run, with real images beside it.

    Raises:
        BadInput: a real image cannot be read.
    """
    columns = config.samples_per_class
    real, names = real_rows(config, source, min(_REAL_COLUMNS, columns), columns)
    return SampleGrid(
        config.sample_interval,
        workdir / "samples",
        columns,
        config.seed,
        scale=max(1, 64 // config.resolution),
        also=(max(1, config.total_steps // 100),)
        if config.sample_every_steps is None
        else (),
        names=names,
        real=real,
    )


def is_watched(config, source):
    """Returns True if a run has a `CollapseWatch`, which compares several images."""
    if config.strategy == "multi_worker":
        return False
    return config.watch_interval > 0 and source.num_images > 1


def make_fixed_batch(config, source):
    """Makes the `examiner.FixedBatch` of a run, the same whenever the run resumes.

    Raises:
        BadInput: one of its images cannot be read.
    """
    ((images, labels, _),) = data.read_once(
        source,
        resolution=config.resolution,
        image_channels=config.image_channels,
        count=_WATCHED_IMAGES,
        batch_size=_WATCHED_IMAGES,
        seed=config.seed,
        shuffle_buffer_images=_WATCHED_IMAGES,
        resize=config.resize,
        labelled=config.num_classes > 0,
    )
    return examiner.make_fixed_batch(
        images, labels, z_dim=config.z_dim, seed=config.seed
    )


def raise_explained(error, config, source, step):
    """Raises a TensorFlow error again, or one line that names its cause.

    Raises:
        BadInput: an image or too little memory is the cause.
    """
    # The error of a full disk has the same type, but its own message.
    is_full = os.strerror(errno.ENOSPC) in (error.message or "")
    if isinstance(error, tf.errors.ResourceExhaustedError) and not is_full:
        raise BadInput(
            f"The device has too little memory. Received: batch_size="
            f"{config.batch_size}. Try a smaller --batch_size, "
            "--gradient_accumulation_steps=2, or --dry_run for an estimate."
        ) from error
    with data.naming_bad_image(
        source,
        seed=config.seed,
        start_image=step * config.images_per_step,
        count=None
        if config.balance_classes
        else config.images_per_step * (config.steps_per_execution + 1),
        shuffle_buffer_images=config.shuffle_buffer_images,
    ):
        raise error


def report_end(model, workdir, checkpoints, total_steps, workers):
    """Prints how the training ended and where its results are.

    Returns:
        The exit status.
    """
    stop, step = model.stop, int(model.step.numpy())
    if stop is not None and stop.status != STOPPED:
        print(f"Stopped. {stop.reason}")
        if stop.status == NOT_FINITE:
            steps = checkpoints.steps()
            last = checkpoints.path(steps[-1]) if steps else "none yet"
            print(f"Last good checkpoint: {last}.")
        return stop.status
    if workers.is_chief:
        print(f"Step {step:,} is saved: {checkpoints.path(step)}")
    if step < total_steps:
        print(f"{stop.reason} The same command resumes from here.")
        return STOPPED
    if workers.is_chief:
        print(f"Images: {workdir / 'samples'}")
    return FINISHED

"""Builds the data set, the networks and the model of a `Config`."""

import dataclasses
import pathlib

from sagan_tf import data
from sagan_tf.data.survey import survey_folder
from sagan_tf.errors import BadInput
from sagan_tf.model import latents
from sagan_tf.model.adam import Adam
from sagan_tf.model.sagan import SAGAN
from sagan_tf.model.standing_statistics import use_standing_statistics
from sagan_tf.networks.augmentation import Augmentation
from sagan_tf.networks.builders import build_discriminator, build_generator
from sagan_tf.run.checkpoints import Checkpoints
from sagan_tf.run.directory import BEST, read_class_names, read_config

# Standing statistics are measured with z that no drawn image has.
_FIRST_STANDING_SEED, _STANDING_BATCH_SIZE = 10**9, 64


def open_source(config):
    """Opens the data set of a config: `data.Source`.

    Raises:
        BadInput: the data set cannot be used.
    """
    return data.open_source(
        config.dataset,
        split=config.split,
        data_dir=config.data_dir,
        manual_dir=config.manual_dir,
        label_offset=config.label_offset,
        skip_bad_images=config.skip_bad_images,
    )


def open_data(config):
    """Opens the data set and resolves the number of classes.

    Returns:
        `data.Source`, and the config with `num_classes` as an int.

    Raises:
        BadInput: the data set cannot be used, or has other classes.
    """
    source = open_source(config)
    num_classes = data.resolve_num_classes(source, config.num_classes)
    return source, config.replace(num_classes=num_classes)


def open_training_data(config):
    """Opens the data set of a training, and checks all settings that depend on it.

    Returns:
        `data.Source`, and the config with `num_classes` as an int and, with mode
        seeking, `mode_seeking_distance` as a number.

    Raises:
        BadInput: the data do not fit the config, or have fewer images than a batch.
    """
    source, config = open_data(config)
    config.validate()  # Now that the number of classes is known.
    data.check_batch(source, config.images_per_step)
    if config.balance_classes:
        source.balanced()  # Refuses data without classes.
    return source, _with_pair_distance(config, source)


def _with_pair_distance(config, source):
    """Returns the config with a measured `mode_seeking_distance`, if it seeks modes.

    The distance is the mean distance of two real images of a class.
    """
    if not config.mode_seeking_weight or config.mode_seeking_distance is not None:
        return config
    mean = data.pair_distance(
        source, config.resolution, config.image_channels, config.resize, config.seed
    )
    # Rounded, so that machines that sum in different orders agree.
    distance = round(mean, 4)
    if distance <= 0:
        raise BadInput(
            "mode_seeking_distance cannot be measured: the real images of a class are "
            f"all the same. Received: {source.description}. Try without "
            "--mode_seeking_weight."
        )
    return dataclasses.replace(config, mode_seeking_distance=distance)


def survey_data(config, source):
    """Surveys a folder data set, see `data.survey`: dict; `None` for other kinds."""
    if not config.dataset.startswith("folder:"):
        return None
    return survey_folder(source, config.resolution)


def describe_data(source, survey=None):
    """Returns the content of data.json: dict. `survey`: result of `survey_data`."""
    about = {
        "description": source.description,
        "num_images": source.num_images,
        "num_classes": source.num_classes,
        "class_names": list(source.class_names),
    }
    return about if survey is None else {**about, "survey": survey}


def networks_from_config(config):
    """Builds the networks that a config with resolved `num_classes` describes.

    Returns:
        generator, discriminator: `keras.Model`, with new weights.

    Raises:
        BadInput: the networks are impossible.
    """
    common = {
        "resolution": config.resolution,
        "num_classes": config.num_classes,
        "image_channels": config.image_channels,
        "attention_variant": config.attention_variant,
        "attention_chunk_size": config.attention_chunk_size,
        "power_iterations": config.power_iterations,
        "stop_gradient": config.spectral_norm_stop_gradient,
        "clamp_sigma": config.spectral_norm_clamp,
        "initializer": config.initializer,
    }
    generator = build_generator(
        z_dim=config.z_dim,
        channels=config.generator_channels,
        attention_resolution=config.generator_attention,
        spectral_norm=config.spectral_norm == "both",
        batch_norm_momentum=config.batch_norm_momentum,
        final_batch_norm_momentum=config.final_batch_norm_momentum,
        batch_norm_epsilon=config.batch_norm_epsilon,
        batch_norm_debias=config.batch_norm_debias,
        cross_replica_batch_norm=config.cross_replica_batch_norm,
        normalize_tables=config.spectral_norm_conditional_batch_norm,
        **common,
    )
    discriminator = build_discriminator(
        channels=config.discriminator_channels,
        attention_resolution=config.discriminator_attention,
        spectral_norm=config.spectral_norm != "none",
        head=config.discriminator_head,
        **common,
    )
    return generator, discriminator


def load_generator(workdir, checkpoint="newest", ema=True, standing_batches=0):
    """Loads the generator of a run.

    Args:
        workdir: path of the run.
        checkpoint: `"newest"` for the newest good one, `"best"` for the one that
            `--evaluate_every_steps` keeps, or a step.
        ema: bool, whether to read the averaged weights, if the run has them.
        standing_batches: int, batches of 64 z that measure the statistics of batch
            normalization again, see `standing_statistics.py`; 0 for moving averages.

    Returns:
        generator (`keras.Model`), `Config`, class names (tuple of str, may be empty),
        step (int).

    Raises:
        BadInput: there is no run, or its checkpoint is missing or damaged.
    """
    loaded = _load(workdir, checkpoint, ema, with_discriminator=False)
    generator, _, config, names, step = loaded
    if standing_batches:
        batches = _standing_batches(config, standing_batches)
        use_standing_statistics(generator, batches)
    return generator, config, names, step


def _standing_batches(config, count):
    for number in range(count):
        first = _FIRST_STANDING_SEED + number * _STANDING_BATCH_SIZE
        seeds = range(first, first + _STANDING_BATCH_SIZE)
        z = latents.draw_z(seeds, config.z_dim)
        if not config.num_classes:
            yield z
        else:
            yield z, latents.draw_labels(seeds, config.num_classes)


def load_networks(workdir, checkpoint="newest", ema=True):
    """Loads both networks of a run.

    Args:
        workdir, checkpoint, ema: see `load_generator`. Only the generator is averaged.

    Returns:
        generator, discriminator (`keras.Model`; `None` if the run was imported without
        one), `Config`, class names (tuple of str, may be empty), step (int).

    Raises:
        BadInput: see `load_generator`.
    """
    return _load(workdir, checkpoint, ema, with_discriminator=True)


def _load(workdir, checkpoint, ema, with_discriminator):
    config = read_config(workdir)
    checkpoints, step = find_checkpoint(workdir, config, checkpoint)
    generator, discriminator = networks_from_config(config)
    if not with_discriminator or "discriminator" not in checkpoints.items(step):
        discriminator = None
    _restore(checkpoints, step, config, (generator, discriminator), ema)
    names = read_class_names(workdir)
    if names and config.num_classes and len(names) != config.num_classes:
        raise BadInput(
            f"{workdir}/data.json must name the {config.num_classes} classes of "
            f"config.json. Received: {len(names)} names. Try the files of one run."
        )
    return generator, discriminator, config, names, step


def restore_networks(workdir, config, networks, checkpoint="newest", ema=True):
    """Reads another checkpoint into networks.

    Args:
        workdir, checkpoint, ema: see `load_generator`.
        config: the run's `Config`.
        networks: generator and discriminator, as `networks_from_config` builds them;
            `None` in place of the discriminator leaves it out.

    Returns:
        The step.

    Raises:
        BadInput: see `load_generator`.
    """
    checkpoints, step = find_checkpoint(workdir, config, checkpoint)
    _restore(checkpoints, step, config, networks, ema)
    return step


def _restore(checkpoints, step, config, networks, ema):
    generator, discriminator = networks
    has_average = config.ema_decay is not None
    items = {"ema_generator" if ema and has_average else "generator": generator}
    if discriminator is not None:
        items["discriminator"] = discriminator
    checkpoints.restore(step, items)


def find_checkpoint(workdir, config, checkpoint):
    """Finds the `Checkpoints` that have a checkpoint, and its step.

    Args:
        workdir, checkpoint: see `load_generator`.
        config: the run's `Config`.

    Raises:
        BadInput: see `load_generator`. A given step need not exist.
    """
    checkpoints, best = _checkpoints(workdir)
    if checkpoint not in ("best", "newest"):
        step = int(checkpoint)
        is_only_best = step in best.steps() and step not in checkpoints.steps()
        return (best if is_only_best else checkpoints), step
    chosen = best if checkpoint == "best" else checkpoints
    step = chosen.newest_good()
    if step is not None:
        return chosen, step
    if checkpoint == "best":
        raise BadInput(
            f"{workdir} has no best checkpoint. Try training with "
            "--evaluate_every_steps, or --checkpoint=newest."
        )
    raise BadInput(
        f"{workdir} has no checkpoints yet. Try again when the run has written "
        f"one (every {config.checkpoint_every_steps} steps and at the end)."
    )


def checkpoint_steps(workdir):
    """Returns the steps of a run's checkpoints and its best one, oldest first."""
    return sorted({step for kept in _checkpoints(workdir) for step in kept.steps()})


def _checkpoints(workdir):
    folders = (pathlib.Path(workdir) / name for name in ("checkpoints", BEST))
    return [Checkpoints(folder) for folder in folders]


def make_model(config):
    """Returns the compiled `SAGAN` of a config with resolved `num_classes`."""
    generator, discriminator = networks_from_config(config)
    model = SAGAN(
        generator,
        discriminator,
        z_dim=config.z_dim,
        num_classes=config.num_classes,
        discriminator_steps=config.discriminator_steps,
        gradient_accumulation_steps=config.gradient_accumulation_steps,
        freeze_discriminator_blocks=config.freeze_discriminator_blocks,
        fake_labels=config.fake_labels,
        class_loss_weight=config.class_loss_weight,
        mode_seeking_weight=config.mode_seeking_weight,
        mode_seeking_distance=config.mode_seeking_distance or 1.0,
        augmentation=make_augmentation(config),
        ema_decay=config.ema_decay,
        ema_start_step=config.ema_start_step,
        seed=config.seed,
    )
    generator_adam, discriminator_adam = (
        Adam(rate, config.adam_beta1, config.adam_beta2, config.adam_epsilon)
        for rate in (config.generator_learning_rate, config.discriminator_learning_rate)
    )
    model.compile(
        generator_adam,
        discriminator_adam,
        loss=config.loss,
        jit_compile=config.jit_compile,
        steps_per_execution=config.steps_per_execution,
    )
    return model


def make_augmentation(config):
    """Returns the `Augmentation` of a config, `None` if it has none."""
    if not config.augment:
        return None
    return Augmentation(
        config.augment,
        config.augment_fill,
        config.augment_target,
        config.augment_adaptation_images,
        name="augmentation",
    )

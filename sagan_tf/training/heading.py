"""The lines that a training prints before its first step."""

from sagan_tf.data import survey as surveys
from sagan_tf.distribution.strategies import describe_devices
from sagan_tf.model.overview import count_values
from sagan_tf.run import initialization

_NAMED_CLASSES = 8


def heading(config, source, workdir, model, start, initialized=None):
    """Describes a run in a few lines: list of str.

    Args:
        config: `Config` with resolved `num_classes`.
        source: `data.Source`.
        workdir: path.
        model: `SAGAN`.
        start: int, the step from which the run resumes.
        initialized: dict of `initialization.initialize`, `None` for new weights.
    """
    left = config.total_steps - start
    seen = config.total_steps * config.images_per_step / source.num_images
    sizes = (
        count_values(network.trainable_variables)
        for network in (model.generator, model.discriminator)
    )
    rows = {
        "run": f"{workdir}, {f'resumes from step {start:,}' if start else 'new'}",
        "data": f"{source.description}{_classes(config, source)}",
        "networks": "{} pixels; parameters: {:,} generator, {:,} discriminator".format(
            config.resolution, *sizes
        )
        + _frozen(config.freeze_discriminator_blocks),
        "device": describe_devices(),
        "steps": f"{left:,} of {config.total_steps:,}, {config.batch_size} images each;"
        f" every image is seen about {seen:,.1f} times in all",
        "time": "an estimate follows after 10 steps",
    }
    if initialized:
        rows["weights"] = initialization.describe(initialized)
    return [f"{name + ':':<10}{text}" for name, text in rows.items()]


def _frozen(blocks):
    if not blocks:
        return ""
    which = "block is" if blocks == 1 else f"{blocks} blocks are"
    return f", whose first {which} frozen and not counted"


def survey_lines(survey, config):
    """Describes a folder, what it means, and the advised preset: list of str."""
    meaning = surveys.meaning(
        survey, config.balance_classes, config.skip_bad_images, bool(config.augment)
    )
    preset = surveys.advised_preset(survey)
    return [
        *surveys.describe(survey),
        *(f"- {line}" for line in meaning),
        f"The preset for this many images: --flagfile=configs/{preset}.flags",
    ]


def _classes(config, source):
    if not config.num_classes:
        return "; trained without classes"
    names = source.class_names[:_NAMED_CLASSES]
    more = len(source.class_names) - len(names)
    return f": {', '.join(names)}{f' and {more} more' if more else ''}" if names else ""

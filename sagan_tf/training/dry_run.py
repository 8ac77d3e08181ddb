"""Prints what a run would be, and trains nothing."""

import pathlib

import numpy as np

from sagan_tf import data, images
from sagan_tf.distribution import strategies
from sagan_tf.drawing import captions
from sagan_tf.model import latents, overview
from sagan_tf.run import building, directory, initialization
from sagan_tf.training.callbacks.sample_grid import real_rows
from sagan_tf.training.heading import survey_lines
from sagan_tf.training.loop import set_up

# Images of each class in data.png.
_EXAMPLES = 8
# Columns of real images, and rows with their augmented copies.
_COLUMNS, _ROWS = 8, 7


def dry_run(config, folder=None):
    """Prints what a run would be, and draws `data.png`: a row for each class.

    With `config.augment` it draws `augmented.png` too.

    Args:
        config: `Config`.
        folder: path of the folder for the drawings, which may hold a run; `None` for
            the current folder.

    Raises:
        BadInput: a training would also refuse the config, the data or the run.
    """
    strategy = set_up(config)
    source, config = building.open_training_data(config)
    if folder and (pathlib.Path(folder) / "config.json").exists():
        directory.check_same_networks(folder, config, source.class_names)
    elif config.initialize_from:
        initialization.load_source(config)
    generator, discriminator = building.networks_from_config(config)
    print(f"Config\n{config.to_json()}")
    print(f"Data\n  {source.description}")
    if source.class_names:
        print(f"  classes: {', '.join(source.class_names[:20])}")
    survey = building.survey_data(config, source)
    for line in survey_lines(survey, config) if survey else ():
        print(f"  {line}")
    for network in (generator, discriminator):
        print(f"\n{overview.network_table(network)}")
    memory = overview.memory_estimate(
        generator,
        discriminator,
        batch_size=strategies.per_replica_batch_size(strategy, config.batch_size)
        // config.gradient_accumulation_steps,
        has_ema=config.ema_decay is not None,
    )
    print(f"\n{overview.memory_table(memory)}")
    folder = pathlib.Path(folder or ".")
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "data.png"
    draw_data(config, source, path)
    print(f"\nThe data as the networks will see it: {path}")
    if config.augment:
        path = folder / "augmented.png"
        _draw_augmented(config, source, path)
        print(f"\nReal images, and below them what the discriminator sees: {path}")


def draw_data(config, source, path):
    """Draws real images as the networks see them, a row for each of up to 20 classes.

    Args:
        config: `Config` with resolved `num_classes`.
        source: `data.Source`.
        path: of the PNG.

    Raises:
        BadInput: an image cannot be read.
        OSError: the file cannot be written.
    """
    pixels, names = real_rows(config, source, _EXAMPLES, _EXAMPLES)
    scale = max(1, 64 // config.resolution)
    flat = images.enlarge(pixels.reshape(-1, *pixels.shape[2:]), scale)
    sheet = images.grid(flat, _EXAMPLES, 2 * scale)
    if names:
        sheet = captions.beside(sheet, names, flat.shape[1], 2 * scale)
    images.write_png(path, sheet)


def _draw_augmented(config, source, path):
    ((real, *_),) = data.read_once(
        source,
        resolution=config.resolution,
        image_channels=config.image_channels,
        count=_COLUMNS,
        batch_size=_COLUMNS,
        seed=config.seed,
        resize=config.resize,
        labelled=False,
    )
    augmentation = building.make_augmentation(config)
    if config.augment_target is not None:
        # The probability starts at 0, which would show nothing.
        augmentation.probability.assign(1.0)
    rows = [real]
    for row in range(_ROWS):
        uniforms = latents.draw_training_uniforms(config.seed, row, 0, len(real))
        rows.append(np.clip(augmentation([real, uniforms]), -1, 1))
    pixels = images.to_pixels(np.concatenate(rows))
    scale = max(1, 64 // config.resolution)
    images.write_png(path, images.grid(pixels, len(real)), scale=scale)

"""What a run would be, printed: nothing is trained."""

import pathlib

import numpy as np

from sagan_tf import data, images
from sagan_tf.distribution import strategies
from sagan_tf.model import latents, overview
from sagan_tf.run import building
from sagan_tf.training.loop import set_up

# Columns of real images, and rows of what the augmentation makes of them.
_COLUMNS, _ROWS = 8, 7


def dry_run(config, folder=None):
    """Prints what a run would be. With `config.augment` it draws `augmented.png`.

    Args:
        config: `Config`.
        folder: path of the picture's folder; `None`: the current one.
    """
    strategy = set_up(config)
    source, config = building.open_data(config)
    config.validate()
    generator, discriminator = building.networks_from_config(config)
    print(f"Config\n{config.to_json()}")
    print(f"Data\n  {source.description}")
    if source.class_names:
        print(f"  classes: {', '.join(source.class_names[:20])}")
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
    if config.augment:
        path = pathlib.Path(folder or ".") / "augmented.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        _draw_augmented(config, source, path)
        print(f"\nReal images, and below them what the discriminator sees: {path}")


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
        # It starts at 0, which would show nothing.
        augmentation.probability.assign(1.0)
    rows = [real]
    for row in range(_ROWS):
        uniforms = latents.draw_training_uniforms(config.seed, row, 0, len(real))
        rows.append(np.clip(augmentation([real, uniforms]), -1, 1))
    pixels = images.to_pixels(np.concatenate(rows))
    scale = max(1, 64 // config.resolution)
    images.write_png(path, images.grid(pixels, len(real)), scale=scale)

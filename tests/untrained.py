"""A complete run directory in a second: its networks were never trained."""

import numpy as np

from sagan_tf.run import building, directory
from sagan_tf.settings.config import Config

NAMES = tuple(f"digit {number}" for number in range(10))
STEP = 7


def write_run(workdir, **changes):
    """Writes config.json, data.json and one checkpoint; returns the generator.

    Its classes differ, like those of a trained generator and unlike those of a new
    one.
    """
    settings = {
        "dataset": "digits",
        "resolution": 32,
        "image_channels": 1,
        "num_classes": 10,
        "z_dim": 8,
        "generator_channels": 4,
        "discriminator_channels": 4,
        "attention_resolution": (8,),
        **changes,
    }
    config = Config(**settings).validate()
    names = list(NAMES[: config.num_classes])
    data = {"description": "digits", "num_images": 1797, "class_names": names}
    checkpoints = directory.prepare(workdir, config, data)
    generator, _ = building.networks_from_config(config)
    random = np.random.default_rng(0)
    for variable in generator.trainable_variables:
        if "gamma" in variable.path or "beta" in variable.path:
            variable.assign(variable + random.normal(0, 0.5, variable.shape))
    checkpoints.write(STEP, {"generator": generator})
    return generator

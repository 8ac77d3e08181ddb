"""A run directory without training: networks whose gammas are set."""

from sagan_tf.networks.attention_scores import attention_layers
from sagan_tf.run import building, directory
from sagan_tf.settings.config import Config

FIELDS = {
    "dataset": "digits",
    "resolution": 32,
    "image_channels": 1,
    "num_classes": 10,
    "z_dim": 8,
    "generator_channels": 4,
    "discriminator_channels": 4,
    "attention_resolution": (16,),
    "ema_decay": 0.5,
}
DATA = {
    "description": "digits",
    "num_images": 1797,
    "num_classes": 10,
    "class_names": [str(i) for i in range(10)],
}
# Gammas of the averaged generator, the generator and the discriminator at each step.
GAMMAS = {2: (0.0, 0.0, 0.0), 4: (0.25, 0.5, -0.5)}


def make_run(workdir, gammas=None, **changes):
    """Writes config.json, data.json and checkpoints with random weights.

    Returns:
        The `Config`.
    """
    config = Config(**{**FIELDS, **changes})
    checkpoints = directory.prepare(workdir, config, DATA)
    generator, discriminator = building.networks_from_config(config)
    average, _ = building.networks_from_config(config)
    networks = {"generator": generator, "discriminator": discriminator}
    if config.ema_decay is not None:
        networks["ema_generator"] = average
    for step, values in (gammas or GAMMAS).items():
        for network, gamma in zip((average, generator, discriminator), values):
            for layer in attention_layers(network):
                layer.gamma.assign(gamma)
        checkpoints.write(step, networks)
    return config

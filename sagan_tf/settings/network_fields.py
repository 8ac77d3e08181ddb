"""The fields of `Config` that say what the weights are."""

import dataclasses

from sagan_tf.errors import BadInput
from sagan_tf.settings.checks import as_text

# A run cannot resume with another value of one of these: the weights would not fit, or
# would mean something else.
NETWORK_FIELDS = (
    "resolution",
    "image_channels",
    "num_classes",
    "z_dim",
    "generator_channels",
    "discriminator_channels",
    "attention_resolution",
    "discriminator_attention_resolution",
    "attention_variant",
    "discriminator_head",
    "spectral_norm",
    "spectral_norm_clamp",
    "spectral_norm_conditional_batch_norm",
    "power_iterations",
    "batch_norm_epsilon",
    "batch_norm_debias",
)


def check_starting_weights(source, config):
    """Checks that a new run can start with the weights of another one.

    The number of classes may differ, see `run/initialization.py`.

    Args:
        source: `Config` of the other run.
        config: `Config` of the new run, with `initialize_from`; need not be valid.

    Raises:
        BadInput: the layers differ. The message has the settings that differ.
    """
    theirs, ours = (
        # `None` means the same as the generator.
        dataclasses.replace(
            each, discriminator_attention_resolution=each.discriminator_attention
        )
        for each in (source, config)
    )
    changes = {
        name: values
        for name, values in theirs.difference(ours).items()
        if name in NETWORK_FIELDS and name != "num_classes"
    }
    if not changes:
        return
    expected, received = (
        [f"{name}={as_text(name, pair[side])}" for name, pair in changes.items()]
        for side in (0, 1)
    )
    remedy = " ".join(f"--{each}" for each in expected)
    raise BadInput(
        f"The networks must be those of {config.initialize_from}, with "
        f"{', '.join(expected)}. Received: {', '.join(received)}. Try {remedy}, or "
        "without these flags."
    )

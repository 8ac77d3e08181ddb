"""Checks of the networks, the settings and the data of a `SAGAN`."""

import keras
import tensorflow as tf

from sagan_tf.errors import BadInput
from sagan_tf.layers import AuxiliaryClassifierHead, ProjectionHead

FAKE_LABELS = ("uniform", "data")


def head_of(discriminator):
    """The discriminator's last layer if it is one of ours, else `None`."""
    for layer in discriminator.layers:
        if isinstance(layer, (ProjectionHead, AuxiliaryClassifierHead)):
            return layer
    return None


def has_classifier(discriminator):
    """Whether the discriminator has an `AuxiliaryClassifierHead`."""
    return isinstance(head_of(discriminator), AuxiliaryClassifierHead)


def check_arguments(model):
    """Raises `BadInput` if an argument is out of range, or does not fit the networks.

    Args:
        model: a `SAGAN`.
    """
    for network in (model.generator, model.discriminator):
        needs_labels = model.num_classes and not has_classifier(network)
        expected = 2 if needs_labels else 1
        if len(network.inputs) != expected:
            raise BadInput(
                f"With num_classes={model.num_classes} {network.name} must have "
                f"{expected} input(s). Received: {len(network.inputs)}. Try the same "
                "num_classes in build_generator, build_discriminator and SAGAN."
            )
    classes = getattr(head_of(model.discriminator), "num_classes", None)
    z_dim = model.generator.inputs[0].shape[-1]
    steps = model.discriminator_steps, model.gradient_accumulation_steps
    seeking = model.mode_seeking_weight, model.mode_seeking_distance
    checks = {
        f"num_classes must be that of the discriminator, {classes}. "
        f"Received: {model.num_classes}.": classes in (None, model.num_classes),
        f"z_dim must be that of the generator, {z_dim}. "
        f"Received: {model.z_dim}.": model.z_dim == z_dim,
        f"fake_labels must be one of {', '.join(FAKE_LABELS)}. "
        f"Received: {model.fake_labels!r}.": model.fake_labels in FAKE_LABELS,
        "discriminator_steps and gradient_accumulation_steps must be at least 1. "
        f"Received: {steps}.": min(steps) >= 1,
        f"class_loss_weight must be at least 0. Received: {model.class_loss_weight}. "
        "Try 1.0.": 0 <= model.class_loss_weight < float("inf"),
        "mode_seeking_weight must be at least 0 and mode_seeking_distance above 0. "
        f"Received: {seeking}. Try 2.0 and 0.4.": 0 <= seeking[0] < float("inf")
        and 0 < seeking[1] < float("inf"),
        "ema_decay must be between 0 and 1, or None for no average. "
        f"Received: {model.ema_decay}. Try 0.9999.": model.ema_decay is None
        or 0 < model.ema_decay < 1,
    }
    for message, holds in checks.items():
        if not holds:
            raise BadInput(message)


def check_labels(labels, num_classes):
    """Raises `BadInput` unless labels suit a generator of `num_classes`, or `None`."""
    if (labels is None) != (num_classes is None):
        raise BadInput(
            f"A model with num_classes={num_classes} generates "
            f"{'without' if num_classes is None else 'with'} labels. "
            f"Received: labels={labels!r}."
        )
    if labels is not None and tf.reduce_any((labels < 0) | (labels >= num_classes)):
        raise BadInput(
            f"labels must be in [0, {num_classes}). "
            f"Received: {labels.numpy().tolist()}."
        )


def split_batch(model, data):
    """The batch of a training step, cut into those of its passes.

    Args:
        model: a `SAGAN`.
        data: see `SAGAN.train_step`.

    Returns:
        List of (images, labels), labels `None` when unconditional.

    Raises:
        BadInput: labels are missing, or the batch has another size.
    """
    images, labels, _ = keras.utils.unpack_x_y_sample_weight(data)
    if model.num_classes is not None and labels is None:
        raise BadInput(
            "A model with classes is fitted on (images, labels). "
            "Received: images alone. Try networks of num_classes=0."
        )
    parts = model.discriminator_steps * model.gradient_accumulation_steps
    if images.shape[0] is not None and images.shape[0] % parts:
        raise BadInput(
            "The batch must be a multiple of discriminator_steps * "
            f"gradient_accumulation_steps = {parts}. "
            f"Received: a batch of {images.shape[0]} per replica."
        )
    labels = [None] * parts if model.num_classes is None else tf.split(labels, parts)
    return list(zip(tf.split(images, parts), labels, strict=True))

"""Checks of the networks, the settings and the data of a `SAGAN`."""

import math
import numbers

import numpy as np
import tensorflow as tf

from sagan_tf.errors import BadInput
from sagan_tf.layers import AuxiliaryClassifierHead, ProjectionHead
from sagan_tf.model.batches import (
    check_label_type,
    check_label_values,
    check_types,
    unpacked,
)
from sagan_tf.networks.augmentation import Augmentation

FAKE_LABELS = ("uniform", "data")


def head_of(discriminator):
    """Returns the discriminator's head if it is one of our layers, else `None`."""
    for layer in discriminator.layers:
        if isinstance(layer, (ProjectionHead, AuxiliaryClassifierHead)):
            return layer
    return None


def has_classifier(discriminator):
    """Returns True if the discriminator has an `AuxiliaryClassifierHead`."""
    return isinstance(head_of(discriminator), AuxiliaryClassifierHead)


def check_networks(*networks):
    """Raises `BadInput` unless the networks declare their inputs and outputs."""
    for network in networks:
        if not getattr(network, "inputs", None):
            raise BadInput(
                "generator and discriminator must be Functional or built Sequential "
                f"models. Received: a {type(network).__name__}. Try "
                "keras.Model(inputs, outputs)."
            )


def check_arguments(model):
    """Raises `BadInput` if an argument is out of range, or does not fit the networks.

    Args:
        model: a `SAGAN`.
    """
    _check_inputs(model)
    for message, holds in {**_fits(model), **_settings(model)}.items():
        if not holds:
            raise BadInput(message)


def _fits(model):
    """Returns a dict of message to bool: whether the networks fit each other."""
    classes = getattr(head_of(model.discriminator), "num_classes", None)
    z_dim = model.generator.inputs[0].shape[-1]
    shapes = model.generator.output_shape[1:], model.discriminator.inputs[0].shape[1:]
    layers = model.generator._flatten_layers()
    drawn = {getattr(layer, "num_classes", None) for layer in layers} - {None, 0}
    logits = model.discriminator.output_shape
    gives_one = isinstance(logits, tuple) and (len(logits) == 1 or logits[-1] == 1)
    return {
        f"num_classes must be that of the discriminator, {classes}. "
        f"Received: {model.num_classes}.": classes in (None, model.num_classes),
        "The networks must have the same num_classes. Received: "
        f"{sorted(drawn)} in the generator, {model.num_classes} in the "
        "discriminator.": drawn <= {model.num_classes},
        "The discriminator must take the generator's images. Received: "
        f"images {shapes[0]} and {shapes[1]}. Try the same resolution and "
        "image_channels.": len(shapes[0]) == len(shapes[1])
        and all(a == b or None in (a, b) for a, b in zip(*shapes)),
        "The discriminator must return one logit per image, (B, 1), or end in an "
        f"AuxiliaryClassifierHead. Received: {logits}. Try keras.layers.Dense(1).": (
            gives_one or has_classifier(model.discriminator)
        ),
        f"z_dim must be that of the generator, {z_dim}. "
        f"Received: {model.z_dim}.": model.z_dim == z_dim,
    }


def _settings(model):
    """Returns a dict of message to bool: whether the other arguments are in range."""
    steps = model.discriminator_steps, model.gradient_accumulation_steps
    seeking = model.mode_seeking_weight, model.mode_seeking_distance
    return {
        f"fake_labels must be one of {', '.join(FAKE_LABELS)}. "
        f"Received: {model.fake_labels!r}.": model.fake_labels in FAKE_LABELS,
        "discriminator_steps and gradient_accumulation_steps must be ints of at least "
        f"1. Received: {steps}. Try 1.": all(is_whole(each, 1) for each in steps),
        f"class_loss_weight must be at least 0. Received: {model.class_loss_weight}. "
        "Try 1.0.": _is_finite(model.class_loss_weight)
        and model.class_loss_weight >= 0,
        "mode_seeking_weight must be at least 0 and mode_seeking_distance above 0. "
        f"Received: {seeking}. Try 2.0 and 0.4.": all(map(_is_finite, seeking))
        and seeking[0] >= 0
        and seeking[1] > 0,
        "ema_decay must be between 0 and 1, or None for no average. "
        f"Received: {model.ema_decay!r}. Try 0.9999.": model.ema_decay is None
        or (isinstance(model.ema_decay, numbers.Real) and 0 < model.ema_decay < 1),
        "ema_start_step must be an int of at least 0. Received: "
        f"{model.ema_start_step!r}. Try 0.": is_whole(model.ema_start_step, 0),
        "augmentation must be an Augmentation or None. Received: "
        f"{model.augmentation!r}. Try Augmentation(['translation']).": (
            model.augmentation is None or isinstance(model.augmentation, Augmentation)
        ),
        f"seed must be an int of at most 64 bits. Received: {model.seed!r}. "
        "Try 0.": is_whole(model.seed, -(2**63), 2**63),
    }


def _is_finite(value):
    return isinstance(value, numbers.Real) and math.isfinite(value)


def _check_inputs(model):
    for network in (model.generator, model.discriminator):
        needs_labels = model.num_classes and not has_classifier(network)
        expected = 2 if needs_labels else 1
        if len(network.inputs) != expected:
            raise BadInput(
                f"With num_classes={model.num_classes} {network.name} must have "
                f"{expected} input(s). Received: {len(network.inputs)}. Try the same "
                "num_classes in build_generator, build_discriminator and SAGAN."
            )


def refuse_arguments_of_keras(optimizer, metrics, weighted_metrics, loss_weights):
    """Raises `BadInput` for arguments of `compile` that a `SAGAN` does not have."""
    if optimizer is not None:
        raise BadInput(
            "A SAGAN has two optimizers. Received: optimizer. Try "
            "compile(generator_optimizer=..., discriminator_optimizer=...)."
        )
    if any(each is not None for each in (metrics, weighted_metrics, loss_weights)):
        raise BadInput(
            "A SAGAN has its own metrics and loss weights. Received: metrics, "
            "weighted_metrics or loss_weights. Try SAGAN(class_loss_weight=...), and "
            "python -m sagan_tf.evaluate for FID."
        )


def computes_in_float16(networks):
    """Returns True if a layer computes in float16, which needs a loss scale.

    Raises:
        BadInput: a weight has 16 bits, so the networks cannot be trained.
    """
    for variable in (v for network in networks for v in network.trainable_variables):
        if variable.dtype in ("float16", "bfloat16"):
            raise BadInput(
                "Trainable weights must be float32. Received: "
                f"{variable.path}, {variable.dtype}. Try "
                f"keras.config.set_dtype_policy('mixed_{variable.dtype}') before the "
                "networks are built."
            )
    layers = (layer for network in networks for layer in network._flatten_layers())
    return any(layer.compute_dtype == "float16" for layer in layers)


def refuse_shared_optimizers(networks, optimizers):
    """Raises `BadInput` if an optimizer is shared, or was built for other weights."""
    shared = "one for both" if optimizers[0] is optimizers[1] else ""
    for network, optimizer in zip(networks, optimizers):
        optimizer = getattr(optimizer, "inner_optimizer", optimizer)
        own = {id(variable) for variable in network.trainable_variables}
        if optimizer.built and own != set(map(id, optimizer._trainable_variables)):
            shared = "one that was built for other weights"
    if shared:
        raise BadInput(
            f"Each network needs its own optimizer. Received: {shared}. Try "
            "new objects, with the discriminator's learning rate four times as high."
        )


def checked_z(z, z_dim, dtype):
    """Checks z and returns it as a tensor.

    Args:
        z: `(N, z_dim)` array or tensor of numbers, N at least 1, finite.
        z_dim: int.
        dtype: dtype of the result.

    Raises:
        BadInput: z is something else.
    """
    try:
        z = tf.convert_to_tensor(z)
        kind = z.dtype.name
        is_number = z.dtype.is_floating or z.dtype.is_integer
    except (TypeError, ValueError):
        kind, is_number = "something else", False
    if not is_number:
        raise BadInput(
            f"z must be an array of numbers, (N, {z_dim}). Received: {kind}. Try "
            f"tf.random.normal((16, {z_dim}))."
        )
    z = tf.cast(z, dtype)
    if z.shape.rank != 2 or z.shape[1] != z_dim or not z.shape[0]:
        raise BadInput(
            f"z must have the shape (N, {z_dim}), N at least 1. "
            f"Received: {tuple(z.shape)}. Try tf.random.normal((16, {z_dim}))."
        )
    if not tf.reduce_all(tf.math.is_finite(z)):
        raise BadInput("z must be finite. Received: NaN or infinity. Try other z.")
    return z


def check_draw(count, seed, truncation):
    """Raises `BadInput` unless the arguments are what `SAGAN.sample` accepts."""
    allowed = {
        f"count must be an int of at least 1. Received: {count!r}. Try 16.": (
            is_whole(count, 1, 2**31)
        ),
        f"seed must be an int of at most 64 bits. Received: {seed!r}. Try 0.": (
            is_whole(seed, -(2**63), 2**63)
        ),
        "truncation must be a number from 0 to 100, or None for no truncation. "
        f"Received: {truncation!r}. Try 0.5.": truncation is None
        or (isinstance(truncation, numbers.Real) and 0 <= truncation <= 100),
    }
    for message, holds in allowed.items():
        if not holds:
            raise BadInput(message)


def is_whole(value, low, end=2**63):
    """Returns True if a value is an int from `low` to below `end`."""
    return isinstance(value, numbers.Integral) and low <= value < end


def check_numbers(least, named):
    """Raises `BadInput` unless all values of a dict are ints of at least `least`."""
    for name, value in named.items():
        if not is_whole(value, least):
            raise BadInput(
                f"{name} must be an int of at least {least}. Received: {value!r}. "
                f"Try {max(least, 1)}."
            )


def check_optional(named):
    """Raises `BadInput` unless all values of a dict are `None` or ints above 0."""
    check_numbers(1, {name: v for name, v in named.items() if v is not None})


def check_labels(labels, num_classes, count=None):
    """Checks the labels of images to generate.

    Args:
        labels: `(count,)` or `(count, 1)` ints, or `None` when unconditional.
        num_classes: int, or `None` when unconditional.
        count: int, number of images, or `None` for any number.

    Returns:
        `(count,)` int32 tensor, or `None`.

    Raises:
        BadInput: the labels do not fit a generator with `num_classes` classes.
    """
    if (labels is None) != (num_classes is None):
        raise BadInput(
            f"A model with num_classes={num_classes} generates "
            f"{'without' if num_classes is None else 'with'} labels. "
            f"Received: labels={labels!r}."
        )
    if labels is None:
        return None
    labels = label_array(labels)
    check_label_type(labels.shape, labels.dtype, num_classes, count)
    check_label_values(labels, num_classes)
    return tf.constant(labels.astype(np.int32).reshape(-1))


def label_array(labels):
    """Returns labels as an array. Raises `BadInput` for lists of different lengths."""
    try:
        return np.asarray(labels)
    except ValueError:
        raise BadInput(
            "labels must be ints, one per image. Received: lists of different lengths. "
            "Try labels=3, or a list of ints."
        ) from None


def labels_of(model, images, labels):
    """Returns the labels of a batch, `(B,)` int32, or `None` when unconditional.

    Raises:
        BadInput: the type or shape of images or labels does not fit the networks.
    """
    image_shape = model.discriminator.inputs[0].shape[1:]
    check_types((images, labels), image_shape, model.num_classes)
    if model.num_classes is None:
        return None
    labels = tf.cast(labels, tf.int32)
    return labels if labels.shape.rank == 1 else tf.reshape(labels, [-1])


def split_batch(model, data):
    """Splits the batch of a training step into the batches of its passes.

    Args:
        model: a `SAGAN`.
        data: see `SAGAN.train_step`.

    Returns:
        List of (images, labels), labels `None` when unconditional.

    Raises:
        BadInput: the types do not fit, or the batch cannot be cut into equal parts.
    """
    images, labels = unpacked(data)
    labels = labels_of(model, images, labels)
    parts = model.discriminator_steps * model.gradient_accumulation_steps
    if images.shape[0] is not None and images.shape[0] % parts:
        raise BadInput(
            "The batch size must be a multiple of discriminator_steps * "
            f"gradient_accumulation_steps = {parts}. "
            f"Received: a batch of {images.shape[0]} per replica."
        )
    labels = [None] * parts if labels is None else tf.split(labels, parts)
    return list(zip(tf.split(images, parts), labels, strict=True))

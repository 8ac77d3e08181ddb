"""Checks a `Config`: each field by itself, and fields against one another."""

import dataclasses
import math
import operator
import types
import typing

from sagan_tf.errors import BadInput

# No flag takes larger numbers: some whole ones become int32, and others overflow.
MOST_WHOLE = 2**31 - 1
MOST = 1_000_000


def between(least, most):
    """Returns the limits of a number, both included: in words, and as a function."""
    return f"from {least} to {most}", lambda value: least <= value <= most


# The limits of a number: in words, and as a function.
ABOVE_0 = (f"above 0 and at most {MOST}", lambda value: 0 < value <= MOST)
ANY_WHOLE = between(-MOST_WHOLE, MOST_WHOLE)
AT_LEAST_0 = between(0, MOST)
AT_LEAST_1 = between(1, MOST_WHOLE)
BELOW_1 = ("at least 0 and below 1", lambda value: 0 <= value < 1)
SEED = WHOLE = between(0, MOST_WHOLE)

_WATCHED = (ABOVE_0[0], lambda value: value is None or ABOVE_0[1](value))
_CLASSES = ("above 0, or none", lambda value: value != 0)
_WITH_CLASSES = "without it, or a data set with classes and --num_classes=none"
_ONE_MACHINE = ("other than multi_worker", lambda value: value != "multi_worker")
_SOME = ("one name or more", bool)
_TPU = ("tpu", lambda value: value == "tpu")
# A field, another field that it needs when it is not at its default, the limits of that
# other field, and what to try.
_NEEDS = (
    (
        "spectral_norm_conditional_batch_norm",
        "spectral_norm",
        ("both", lambda value: value == "both"),
        "--spectral_norm=both",
    ),
    ("spectral_norm_conditional_batch_norm", "num_classes", _CLASSES, _WITH_CLASSES),
    ("discriminator_head", "num_classes", _CLASSES, _WITH_CLASSES),
    (
        "ema_start_step",
        "ema_decay",
        ("a number", lambda value: value is not None),
        "--ema_decay=0.9999",
    ),
    ("augment_fill", "augment", _SOME, "--augment=translation,cutout"),
    ("augment_target", "augment", _SOME, "--augment=translation,cutout"),
    (
        "augment_adaptation_images",
        "augment_target",
        ("a number", lambda value: value is not None),
        "--augment_target=0.6",
    ),
    (
        "mode_seeking_distance",
        "mode_seeking_weight",
        ABOVE_0,
        "--mode_seeking_weight=3",
    ),
    ("on_collapse", "watch_every_steps", _WATCHED, "--watch_every_steps=1000"),
    # XLA has no deterministic gradient of max pooling: Keras would silently omit XLA.
    ("jit_compile", "deterministic", ("False", operator.not_), "--nodeterministic"),
    ("tpu_name", "strategy", _TPU, "--strategy=tpu"),
    ("tpu_zone", "strategy", _TPU, "--strategy=tpu"),
    ("tpu_project", "strategy", _TPU, "--strategy=tpu"),
    # TensorFlow 2.21 loses an input of the collective operations inside the loop that
    # Keras builds ("You must feed a value for placeholder tensor").
    ("steps_per_execution", "strategy", _ONE_MACHINE, "--steps_per_execution=1"),
    ("on_collapse", "strategy", _ONE_MACHINE, "--on_collapse=warn"),
    ("report", "strategy", _ONE_MACHINE, "python -m sagan_tf.report afterwards"),
    (
        "evaluate_every_steps",
        "strategy",
        _ONE_MACHINE,
        "without it, and python -m sagan_tf.evaluate --watch beside the training",
    ),
)


def check(config):
    """Checks every field of a config, and fields against one another.

    Raises:
        BadInput: names the flag, its possible values, its value, and what to try.
    """
    for field in dataclasses.fields(config):
        check_field(field, getattr(config, field.name))
    _check_attention(config)
    _check_frozen_blocks(config)
    _check_multiples(config)
    defaults = {field.name: field.default for field in dataclasses.fields(config)}
    for name, other, (wanted, fits), remedy in _NEEDS:
        value, received = getattr(config, name), getattr(config, other)
        if value != defaults[name] and not fits(received):
            received = "none" if received is None else received
            raise BadInput(
                f"{name}={value} needs {other} to be {wanted}. Received: "
                f"{name}={value}, {other}={received}. Try {remedy}."
            )


def check_field(field, value):
    """Checks the type and the limits of one field of `Config`.

    Raises:
        BadInput: names the flag, its possible values, its value, and what to try.
    """
    _check_type(field, value)
    _check_limits(field, value)


def value_type(field):
    """Returns the type of a field's values, and whether they may be `None`."""
    if isinstance(field.type, types.UnionType):
        (kind,) = (t for t in typing.get_args(field.type) if t is not type(None))
        return kind, True
    return field.type, False


def item_type(kind):
    """Returns the item type of `tuple[..., ...]`, `None` for a kind without items."""
    return typing.get_args(kind)[0] if typing.get_origin(kind) is tuple else None


def _check_type(field, value):
    kind, optional = value_type(field)
    if value is None and optional:
        return
    if item := item_type(kind):
        fits = isinstance(value, tuple) and all(type(each) is item for each in value)
    else:
        # In Python a bool is an int; here it is not. 1 is a valid float, 1.0 is no int.
        fits = type(value) is kind or (kind is float and type(value) is int)
    if not fits:
        name = getattr(kind, "__name__", str(kind))
        expected = f"{name}{' or none' if optional else ''}"
        raise BadInput(f"{field.name} must be {expected}. Received: {value!r}.")


def _check_limits(field, value):
    choices = field.metadata["choices"]
    if choices:
        values = value if type(value) is tuple else (value,)
        several = "different names among" if type(value) is tuple else "one of"
        allowed = f"{several} {', '.join(str(choice) for choice in choices)}"
        fits = set(values) <= set(choices) and len(set(values)) == len(values)
    elif type(value) in (int, float):
        usual = AT_LEAST_1 if type(value) is int else ABOVE_0
        allowed, is_within = field.metadata["limits"] or usual
        fits = is_within(value)
    else:
        return
    if fits:
        return
    default = "none" if field.default in (None, ()) else field.default
    value = ",".join(value) if type(value) is tuple else value
    raise BadInput(
        f"{field.name} must be {allowed}. Received: {value}. "
        f"Try --{field.name}={default}."
    )


def _check_attention(config):
    resolution, discriminator = config.resolution, config.discriminator_attention
    # Without its own flag, the discriminator has the generator's sizes.
    is_shared = config.discriminator_attention_resolution is None
    for owner, sizes, largest in (
        ("", config.generator_attention, resolution),
        ("discriminator_", discriminator, resolution // 2),
    ):
        allowed = [2**k for k in range(3, 9) if 2**k <= largest]
        if all(size in allowed for size in sizes) and len(set(sizes)) == len(sizes):
            continue
        own = f"{owner}attention_resolution"
        name = "attention_resolution" if is_shared else own
        where = f"at {resolution} pixels"
        if is_shared and owner:
            where += " in the discriminator, which shares it"
        best = min(32, largest)
        remedies = [f"--{each}={best}" for each in dict.fromkeys((name, own))]
        raise BadInput(
            f"{name} must be different sizes among {allowed} {where}. Received: "
            f"{list(sizes)}. Try {', '.join(remedies)}, or --{name}=none for no "
            "attention."
        )


def _check_frozen_blocks(config):
    count, blocks = config.freeze_discriminator_blocks, num_blocks(config.resolution)
    if count > blocks:
        raise BadInput(
            f"freeze_discriminator_blocks must be from 0 to {blocks}, the number of "
            f"blocks at {config.resolution} pixels. Received: {count}. Try "
            f"--freeze_discriminator_blocks={blocks - 1}."
        )


def num_blocks(resolution):
    """Returns the discriminator's blocks at a resolution, a power of two: int."""
    return resolution.bit_length() - 2


def _check_multiples(config):
    unit, parts = config.steps_per_execution, config.gradient_accumulation_steps
    intervals = ("log", "sample", "checkpoint", "evaluate", "watch")
    steps = ["total_steps", *(f"{interval}_every_steps" for interval in intervals)]
    multiples = [("batch_size", "gradient_accumulation_steps", parts)]
    multiples += [(name, "steps_per_execution", unit) for name in steps]
    defaults = {field.name: field.default for field in dataclasses.fields(config)}
    for name, other, factor in multiples:
        value = getattr(config, name)
        if value is None or value % factor == 0:
            continue
        received = f"{name}={value}, {other}={factor}"
        multiple = f"--{name}={-(-value // factor) * factor}"
        if value != defaults[name]:
            raise BadInput(
                f"{name} must be a multiple of {other}. Received: {received}. "
                f"Try {multiple}."
            )
        raise BadInput(
            f"{other} must divide {name}. Received: {received}. Try "
            f"--{other}={math.gcd(value, factor)}, or {multiple}."
        )


def as_text(name, value):
    """Returns the value of a flag as a user types it: str."""
    if isinstance(value, tuple):
        return ",".join(map(str, value)) or "none"
    if value is None:
        return "same" if name.startswith("discriminator_attention") else "none"
    return str(value)

"""What a `Config` may hold: each field by itself, and fields against one another."""

import dataclasses
import operator
import types
import typing

from sagan_tf.errors import BadInput

# The limits of a number: in words, and as a function.
ABOVE_0 = ("above 0", lambda value: 0 < value < float("inf"))
ANY = ("a number", lambda value: True)
AT_LEAST_0 = ("at least 0", lambda value: 0 <= value < float("inf"))
BELOW_1 = ("at least 0 and below 1", lambda value: 0 <= value < 1)
SEED = ("at least 0 and below 2147483648", lambda value: 0 <= value < 2**31)

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
        "--mode_seeking_weight=2",
    ),
    ("on_collapse", "watch_every_steps", ABOVE_0, "--watch_every_steps=1000"),
    # XLA has no deterministic gradient of max pooling. Keras would silently not use it.
    ("jit_compile", "deterministic", ("False", operator.not_), "--nodeterministic"),
    ("tpu_name", "strategy", _TPU, "--strategy=tpu"),
    ("tpu_zone", "strategy", _TPU, "--strategy=tpu"),
    ("tpu_project", "strategy", _TPU, "--strategy=tpu"),
    # TensorFlow 2.21 loses an input of the collective operations inside the loop that
    # Keras builds ("You must feed a value for placeholder tensor").
    ("steps_per_execution", "strategy", _ONE_MACHINE, "--steps_per_execution=1"),
    ("on_collapse", "strategy", _ONE_MACHINE, "--on_collapse=warn"),
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
        BadInput: with the flag, its possible values, its value, and what to try.
    """
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        _check_type(field, value)
        _check_limits(field, value)
    _check_attention(config)
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


def value_type(field):
    """The type of a field's values, and whether `None` is one of them."""
    if isinstance(field.type, types.UnionType):
        (kind,) = (t for t in typing.get_args(field.type) if t is not type(None))
        return kind, True
    return field.type, False


def item_type(kind):
    """The type of the items of `tuple[..., ...]`, `None` for a kind without items."""
    return typing.get_args(kind)[0] if typing.get_origin(kind) is tuple else None


def _check_type(field, value):
    kind, optional = value_type(field)
    if value is None and optional:
        return
    if item := item_type(kind):
        fits = isinstance(value, tuple) and all(type(each) is item for each in value)
    else:
        # To Python a bool is an int; here it is not. 1 is a fine float, 1.0 no int.
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
        allowed, is_within = field.metadata["limits"] or ABOVE_0
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
    for name, sizes, largest in (
        ("attention_resolution", config.generator_attention, resolution),
        ("discriminator_attention_resolution", discriminator, resolution // 2),
    ):
        allowed = [2**k for k in range(3, 9) if 2**k <= largest]
        if any(size not in allowed for size in sizes) or len(set(sizes)) < len(sizes):
            raise BadInput(
                f"{name} must be different sizes among {allowed} at "
                f"{config.resolution} pixels. Received: {list(sizes)}. "
                f"Try --{name}={min(32, largest)}, or --{name}=none for no attention."
            )


def _check_multiples(config):
    unit, parts = config.steps_per_execution, config.gradient_accumulation_steps
    intervals = ("log", "sample", "checkpoint", "evaluate", "watch")
    steps = ["total_steps", *(f"{interval}_every_steps" for interval in intervals)]
    multiples = [("batch_size", "gradient_accumulation_steps", parts)]
    multiples += [(name, "steps_per_execution", unit) for name in steps]
    for name, other, factor in multiples:
        value = getattr(config, name)
        if value % factor:
            raise BadInput(
                f"{name} must be a multiple of {other}. Received: {name}={value}, "
                f"{other}={factor}. Try --{name}={-(-value // factor) * factor}."
            )

"""What a `Config` may hold: each field by itself, and fields against one another."""

import dataclasses
import types
import typing

from sagan_tf.errors import BadInput

# The limits of a number: in words, and as a function.
ABOVE_0 = ("above 0", lambda value: 0 < value < float("inf"))
ANY = ("a number", lambda value: True)
AT_LEAST_0 = ("at least 0", lambda value: 0 <= value < float("inf"))
BELOW_1 = ("at least 0 and below 1", lambda value: 0 <= value < 1)


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
    _check_networks(config)
    _check_training(config)
    _check_steps(config)
    _check_strategy(config)


def value_type(field):
    """The type of a field's values, and whether `None` is one of them."""
    if isinstance(field.type, types.UnionType):
        (kind,) = (t for t in typing.get_args(field.type) if t is not type(None))
        return kind, True
    return field.type, False


def _check_type(field, value):
    kind, optional = value_type(field)
    if value is None and optional:
        return
    if kind == tuple[int, ...]:
        fits = isinstance(value, tuple) and all(type(size) is int for size in value)
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
        allowed = f"one of {', '.join(str(choice) for choice in choices)}"
        fits = value in choices
    elif type(value) in (int, float):
        allowed, is_within = field.metadata["limits"] or ABOVE_0
        fits = is_within(value)
    else:
        return
    if fits:
        return
    default = "none" if field.default is None else field.default
    raise BadInput(
        f"{field.name} must be {allowed}. Received: {value}. "
        f"Try --{field.name}={default}."
    )


def _refuse(config, rule, names, remedy):
    """Raises `BadInput` about fields that contradict one another."""
    values = {name: getattr(config, name) for name in names}
    received = ", ".join(
        f"{name}={'none' if value is None else value}" for name, value in values.items()
    )
    raise BadInput(f"{rule} Received: {received}. Try {remedy}.")


def _check_attention(config):
    networks = (
        ("attention_resolution", config.generator_attention, config.resolution),
        (
            "discriminator_attention_resolution",
            config.discriminator_attention,
            config.resolution // 2,
        ),
    )
    for name, sizes, largest in networks:
        allowed = [2**k for k in range(3, 9) if 2**k <= largest]
        if any(size not in allowed for size in sizes) or len(set(sizes)) < len(sizes):
            raise BadInput(
                f"{name} must be different sizes among {allowed} at "
                f"{config.resolution} pixels. Received: {list(sizes)}. "
                f"Try --{name}={min(32, largest)}, or --{name}=none for no attention."
            )


def _check_networks(config):
    tables = "spectral_norm_conditional_batch_norm"
    head = "discriminator_head"
    if config.spectral_norm_conditional_batch_norm and config.spectral_norm != "both":
        _refuse(
            config,
            f"{tables} needs a generator with spectral norm.",
            [tables, "spectral_norm"],
            "--spectral_norm=both",
        )
    needs_classes = {
        tables: config.spectral_norm_conditional_batch_norm,
        f"{head}=auxiliary_classifier": config.discriminator_head != "projection",
    }
    for name, is_set in needs_classes.items():
        if is_set and config.num_classes == 0:
            _refuse(
                config,
                f"{name} needs classes.",
                ["num_classes"],
                "without it, or a data set with classes and --num_classes=none",
            )


def _check_training(config):
    if config.seed >= 2**31:
        _refuse(config, "seed must be below 2147483648.", ["seed"], "--seed=0")
    if config.ema_start_step and config.ema_decay is None:
        _refuse(
            config,
            "ema_start_step needs a moving average.",
            ["ema_start_step", "ema_decay"],
            "--ema_decay=0.9999",
        )
    if config.on_collapse != "warn" and not config.watch_every_steps:
        _refuse(
            config,
            f"on_collapse={config.on_collapse} needs a watch over the training.",
            ["watch_every_steps"],
            "--watch_every_steps=1000",
        )
    if config.jit_compile and config.deterministic:
        # Keras would leave XLA out without a word.
        _refuse(
            config,
            "jit_compile does not go with deterministic: XLA has no deterministic "
            "gradient of max pooling.",
            ["jit_compile", "deterministic"],
            "--nodeterministic",
        )


def _check_steps(config):
    accumulated = config.gradient_accumulation_steps
    if config.batch_size % accumulated:
        _refuse(
            config,
            "batch_size must be a multiple of gradient_accumulation_steps.",
            ["batch_size", "gradient_accumulation_steps"],
            f"--batch_size={-(-config.batch_size // accumulated) * accumulated}",
        )
    unit = config.steps_per_execution
    intervals = ("log", "sample", "checkpoint", "evaluate", "watch")
    for name in ("total_steps", *(f"{interval}_every_steps" for interval in intervals)):
        value = getattr(config, name)
        if value % unit:
            _refuse(
                config,
                f"{name} must be a multiple of steps_per_execution.",
                [name, "steps_per_execution"],
                f"--{name}={-(-value // unit) * unit}",
            )


def _check_strategy(config):
    for name in ("tpu_name", "tpu_zone", "tpu_project"):
        if getattr(config, name) is not None and config.strategy != "tpu":
            rule = f"{name} is for strategy=tpu."
            _refuse(config, rule, [name, "strategy"], "--strategy=tpu")
    if config.strategy != "multi_worker":
        return
    if config.steps_per_execution > 1:
        # TensorFlow 2.21 loses an input of the collective operations inside the loop
        # that Keras builds ("You must feed a value for placeholder tensor").
        _refuse(
            config,
            "steps_per_execution must be 1 with strategy=multi_worker.",
            ["steps_per_execution", "strategy"],
            "--steps_per_execution=1",
        )
    if config.evaluate_every_steps:
        _refuse(
            config,
            "evaluate_every_steps is for one machine.",
            ["evaluate_every_steps", "strategy"],
            "without it, and python -m sagan_tf.evaluate --watch beside the training",
        )
    if config.on_collapse != "warn":
        _refuse(
            config,
            "on_collapse is for one machine.",
            ["on_collapse", "strategy"],
            "--on_collapse=warn",
        )

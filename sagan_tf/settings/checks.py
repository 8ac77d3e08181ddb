"""What a `Config` may hold: each field by itself, and fields against one another."""

import dataclasses
import types
import typing

from sagan_tf.errors import BadInput

_AT_LEAST_1 = (
    *("z_dim", "generator_channels", "discriminator_channels", "power_iterations"),
    *("shuffle_buffer_images", "batch_size", "discriminator_steps", "total_steps"),
    *("gradient_accumulation_steps", "steps_per_execution", "log_every_steps"),
    *("keep_checkpoints", "samples_per_class", "worker_timeout_seconds"),
)
_AT_LEAST_0 = (
    *("num_classes", "seed", "ema_start_step"),
    *("sample_every_steps", "checkpoint_every_steps", "evaluate_every_steps"),
    *("attention_chunk_size", "watch_every_steps", "class_loss_weight"),
)
_ABOVE_0 = (
    *("generator_learning_rate", "discriminator_learning_rate", "adam_epsilon"),
    "batch_norm_epsilon",
)
_FROM_0_BELOW_1 = (
    *("adam_beta1", "adam_beta2"),
    *("batch_norm_momentum", "final_batch_norm_momentum", "ema_decay"),
)


def check(config):
    """Checks every field of a config, and fields against one another.

    Raises:
        BadInput: with the flag, what it may be, what it is, and what to try.
    """
    for field in dataclasses.fields(config):
        _check_type(field, getattr(config, field.name))
    _check_ranges(config)
    _check_attention(config)
    _check_classes(config)
    _check_steps(config)
    _check_evaluation(config)
    _check_strategy(config)
    _check_watch(config)


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
    choices = field.metadata["choices"]
    if choices and value not in choices:
        allowed = ", ".join(str(choice) for choice in choices)
        raise BadInput(
            f"{field.name} must be one of {allowed}. Received: {value}. "
            f"Try --{field.name}={field.default}."
        )


def _check_ranges(config):
    limits = (
        (_AT_LEAST_1, "at least 1", lambda value: value >= 1),
        (_AT_LEAST_0, "at least 0", lambda value: 0 <= value < float("inf")),
        (_ABOVE_0, "above 0", lambda value: 0 < value < float("inf")),
        (_FROM_0_BELOW_1, "at least 0 and below 1", lambda value: 0 <= value < 1),
    )
    defaults = {field.name: field.default for field in dataclasses.fields(config)}
    for names, wanted, fits in limits:
        for name in names:
            value = getattr(config, name)
            if value is not None and not fits(value):
                default = "none" if defaults[name] is None else defaults[name]
                raise BadInput(
                    f"{name} must be {wanted}. Received: {value}. "
                    f"Try --{name}={default}."
                )
    if config.seed >= 2**31:
        raise BadInput(
            f"seed must be below 2147483648. Received: {config.seed}. Try --seed=0."
        )
    if config.ema_start_step and config.ema_decay is None:
        raise BadInput(
            "ema_start_step needs a moving average. Received: ema_start_step="
            f"{config.ema_start_step}, ema_decay=none. Try --ema_decay=0.9999."
        )


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


def _check_classes(config):
    normalized = config.spectral_norm_conditional_batch_norm
    if normalized and config.spectral_norm != "both":
        raise BadInput(
            "spectral_norm_conditional_batch_norm needs a generator with spectral "
            f"norm. Received: spectral_norm={config.spectral_norm}. "
            "Try --spectral_norm=both."
        )
    for name, needs_classes in (
        ("spectral_norm_conditional_batch_norm", normalized),
        (
            "discriminator_head=auxiliary_classifier",
            config.discriminator_head == "auxiliary_classifier",
        ),
    ):
        if needs_classes and config.num_classes == 0:
            raise BadInput(
                f"{name} needs classes. Received: num_classes=0. Try without it, or "
                "a data set with classes and --num_classes=none."
            )


def _check_evaluation(config):
    if config.evaluate_every_steps and config.strategy == "multi_worker":
        raise BadInput(
            "evaluate_every_steps is for one machine. Received: evaluate_every_steps="
            f"{config.evaluate_every_steps}, strategy=multi_worker. Try without it, "
            "and python -m sagan_tf.evaluate --watch beside the training."
        )


def _check_watch(config):
    if config.on_collapse != "warn" and config.strategy == "multi_worker":
        raise BadInput(
            "on_collapse is for one machine. Received: on_collapse="
            f"{config.on_collapse}, strategy=multi_worker. Try --on_collapse=warn."
        )
    if config.on_collapse != "warn" and not config.watch_every_steps:
        raise BadInput(
            f"on_collapse={config.on_collapse} needs looks at the training. Received: "
            "watch_every_steps=0. Try --watch_every_steps=1000."
        )


def _check_strategy(config):
    for name in ("tpu_name", "tpu_zone", "tpu_project"):
        value = getattr(config, name)
        if value is not None and config.strategy != "tpu":
            raise BadInput(
                f"{name} is for strategy=tpu. Received: {name}={value}, "
                f"strategy={config.strategy}. Try --strategy=tpu."
            )
    if config.strategy == "multi_worker" and config.steps_per_execution > 1:
        # TensorFlow 2.21 loses an input of the collective operations inside the loop
        # that Keras builds ("You must feed a value for placeholder tensor").
        raise BadInput(
            "steps_per_execution must be 1 with strategy=multi_worker. Received: "
            f"steps_per_execution={config.steps_per_execution}. "
            "Try --steps_per_execution=1."
        )


def _check_steps(config):
    accumulated = config.gradient_accumulation_steps
    if config.batch_size % accumulated:
        nearest = -(-config.batch_size // accumulated) * accumulated
        raise BadInput(
            "batch_size must be a multiple of gradient_accumulation_steps. Received: "
            f"batch_size={config.batch_size}, gradient_accumulation_steps="
            f"{accumulated}. Try --batch_size={nearest}."
        )
    if config.jit_compile and config.deterministic:
        raise BadInput(
            "jit_compile goes without deterministic operations alone: XLA has no such "
            "gradient of max pooling, and Keras would leave XLA out. Received: "
            "jit_compile=True, deterministic=True. Try --nodeterministic."
        )
    unit = config.steps_per_execution
    intervals = (
        *("log_every", "sample_every", "checkpoint_every", "evaluate_every"),
        "watch_every",
    )
    for name in ("total", *intervals):
        value = getattr(config, f"{name}_steps")
        if value % unit:
            raise BadInput(
                f"{name}_steps must be a multiple of steps_per_execution. Received: "
                f"{name}_steps={value}, steps_per_execution={unit}. "
                f"Try --{name}_steps={-(-value // unit) * unit}."
            )

"""What a `Config` may not hold, and what the error says."""

import pytest

from sagan_tf.settings.config import Config


@pytest.mark.parametrize(
    ("values", "received", "remedy"),
    [
        ({"resolution": 48}, "48", "--resolution=128"),
        ({"loss": "hinges"}, "hinges", "--loss=hinge"),
        ({"seed": 1.5}, "1.5", "int"),
        ({"flip": 1}, "1", "bool"),
        ({"num_classes": -1}, "-1", "--num_classes=none"),
        ({"batch_size": 0}, "0", "--batch_size=256"),
        ({"adam_beta1": 1.0}, "1.0", "--adam_beta1=0.0"),
        ({"ema_decay": 1.0}, "1.0", "--ema_decay=none"),
        ({"ema_start_step": 5}, "ema_decay=none", "--ema_decay=0.9999"),
        ({"generator_learning_rate": 0.0}, "0.0", "--generator_learning_rate=0.0001"),
        ({"generator_learning_rate": float("nan")}, "nan", "--generator_learning"),
        ({"seed": 2**31}, "2147483648", "--seed=0"),
        (
            {"batch_size": 250, "gradient_accumulation_steps": 4},
            "batch_size=250",
            "--batch_size=252",
        ),
        (
            {"total_steps": 7, "steps_per_execution": 5, "log_every_steps": 5},
            "total_steps=7",
            "--total_steps=10",
        ),
        ({"resolution": 64, "attention_resolution": (128,)}, "[128]", "=32"),
        ({"attention_resolution": (32, 32)}, "[32, 32]", "none"),
        (
            {"attention_resolution": (64,), "resolution": 64},
            "[64]",
            "--attention_resolution=32, --discriminator_attention_resolution=32",
        ),
        (
            {"discriminator_attention_resolution": (64,), "resolution": 64},
            "[64]",
            "Try --discriminator_attention_resolution=32, or",
        ),
        # It is not the default that is wrong.
        ({"steps_per_execution": 7}, "=7", "Try --steps_per_execution=1"),
        (
            {"gradient_accumulation_steps": 6},
            "batch_size=256",
            "Try --gradient_accumulation_steps=2, or --batch_size=258",
        ),
        ({"attention_resolution": (12,)}, "[12]", "=32"),
        (
            {"evaluate_every_steps": 5, "strategy": "multi_worker"},
            "multi_worker",
            "sagan_tf.evaluate --watch",
        ),
        ({"worker_timeout_seconds": 0}, "0", "--worker_timeout_seconds=60"),
        ({"tpu_name": "local"}, "strategy=default", "--strategy=tpu"),
        (
            {"strategy": "multi_worker", "steps_per_execution": 10},
            "steps_per_execution=10",
            "--steps_per_execution=1",
        ),
        ({"tpu_zone": "a", "strategy": "mirrored"}, "tpu_zone=a", "--strategy=tpu"),
        ({"jit_compile": True}, "deterministic=True", "--nodeterministic"),
        (
            {"freeze_discriminator_blocks": 7},
            "7",
            "--freeze_discriminator_blocks=5",
        ),
        ({"freeze_discriminator_blocks": -1}, "-1", "--freeze_discriminator_blocks=0"),
        ({"logger": ("wandb", "neptune")}, "wandb,neptune", "--logger=none"),
        ({"attention_chunk_size": -1}, "-1", "--attention_chunk_size=none"),
        ({"protocol": "mine"}, "mine", "--protocol=quick-5k"),
        ({"evaluate_every_steps": -1}, "-1", "--evaluate_every_steps=0"),
        ({"resolution": 32}, "[32]", "--discriminator_attention_resolution=16"),
        ({"discriminator_head": "ac-gan"}, "ac-gan", "--discriminator_head=projection"),
        ({"attention_variant": "none"}, "none", "--attention_variant=official"),
        ({"on_collapse": "halt"}, "halt", "--on_collapse=warn"),
        ({"class_loss_weight": -0.5}, "-0.5", "--class_loss_weight=1.0"),
        ({"class_loss_weight": float("inf")}, "inf", "--class_loss_weight=1.0"),
        ({"watch_every_steps": -1}, "-1", "--watch_every_steps=none"),
        (
            {"watch_every_steps": 1001, "steps_per_execution": 10},
            "watch_every_steps=1001",
            "--watch_every_steps=1010",
        ),
        (
            {"discriminator_head": "auxiliary_classifier", "num_classes": 0},
            "num_classes=0",
            "--num_classes=none",
        ),
        (
            {"spectral_norm_conditional_batch_norm": True, "num_classes": 0},
            "num_classes=0",
            "--num_classes=none",
        ),
        (
            {
                "spectral_norm_conditional_batch_norm": True,
                "spectral_norm": "discriminator",
            },
            "spectral_norm=discriminator",
            "--spectral_norm=both",
        ),
        (
            {"on_collapse": "stop", "strategy": "multi_worker"},
            "strategy=multi_worker",
            "--on_collapse=warn",
        ),
        (
            {"on_collapse": "rollback", "watch_every_steps": 0},
            "watch_every_steps=0",
            "--watch_every_steps=1000",
        ),
    ],
    ids=lambda value: ",".join(value) if isinstance(value, dict) else None,
)
def test_a_bad_value_is_named_with_a_remedy(values, received, remedy):
    with pytest.raises(ValueError) as error:
        Config(**values).validate()
    text = str(error.value)
    assert next(iter(values)) in text
    assert received in text.split("Received:")[1]
    assert remedy in text
    assert "\n" not in text


@pytest.mark.parametrize(
    "values",
    [
        {"discriminator_head": "auxiliary_classifier"},
        {"discriminator_head": "auxiliary_classifier", "class_loss_weight": 0.0},
        {"discriminator_head": "auxiliary_classifier", "num_classes": 1},
        {"attention_variant": "residual", "num_classes": 0},
        {"spectral_norm_conditional_batch_norm": True, "spectral_norm_clamp": True},
        {"spectral_norm_clamp": True, "spectral_norm": "discriminator"},
        {"watch_every_steps": 0},
        {"watch_every_steps": 0, "strategy": "multi_worker"},
        {"strategy": "multi_worker"},
        {"on_collapse": "stop"},
        {"on_collapse": "rollback", "strategy": "mirrored"},
        {"watch_every_steps": 20, "steps_per_execution": 10},
    ],
    ids=lambda values: ",".join(f"{name}={value}" for name, value in values.items()),
)
def test_a_good_value_passes(values):
    config = Config(**values)
    assert config.validate() is config

"""`Config`: what it accepts, and that nothing is lost on the way to JSON and back."""

import dataclasses

import pytest

from sagan_tf import images
from sagan_tf.model import arguments
from sagan_tf.networks import augmentation, builders, losses
from sagan_tf.settings.config import Config
from sagan_tf.settings.network_fields import NETWORK_FIELDS


def other_value(field):
    """A valid value that is not the field's default."""
    special = {
        "attention_resolution": (8, 16),
        "discriminator_attention_resolution": (),
        "batch_size": 128,
        "ema_decay": 0.999,
        "num_classes": 7,
    }
    if field.name in special:
        return special[field.name]
    if field.metadata["choices"]:
        return next(c for c in field.metadata["choices"] if c != field.default)
    if field.type is bool:
        return not field.default
    if isinstance(field.default, float):
        return field.default / 2 + 0.001
    if isinstance(field.default, int):
        return field.default + 1
    return "something"


@pytest.mark.parametrize("field", dataclasses.fields(Config), ids=lambda f: f.name)
def test_every_field_survives_json(field):
    config = Config(**{field.name: other_value(field)})
    assert config != Config()
    assert Config.from_json(config.to_json()) == config


def test_json_names_a_key_that_is_no_field():
    with pytest.raises(ValueError, match="learning_rate"):
        Config.from_json('{"learning_rate": 1}')


def test_a_key_that_is_missing_takes_the_default():
    assert Config.from_json('{"seed": 3}') == Config(seed=3, batch_norm_debias=False)


def test_the_defaults_are_valid():
    assert Config().validate() == Config()


@pytest.mark.parametrize("field", dataclasses.fields(Config), ids=lambda f: f.name)
def test_every_field_has_a_help_text_and_a_group(field):
    assert field.metadata["help"]
    assert field.metadata["group"] in (
        *("data", "networks", "training", "evaluation", "run"),
    )


def test_the_discriminator_follows_the_generators_attention_unless_told_otherwise():
    assert Config(attention_resolution=(8, 16)).discriminator_attention == (8, 16)
    own = Config(discriminator_attention_resolution=())
    assert (own.generator_attention, own.discriminator_attention) == ((32,), ())


def test_a_step_takes_the_images_of_all_discriminator_steps():
    assert Config(batch_size=6, discriminator_steps=5).images_per_step == 30


@pytest.mark.parametrize("name", NETWORK_FIELDS)
def test_a_field_that_changes_the_network_is_a_network_difference(name):
    (field,) = (f for f in dataclasses.fields(Config) if f.name == name)
    other = Config(**{name: other_value(field)})
    assert set(Config().network_difference(other)) == {name}


def test_learning_rates_and_steps_may_change():
    other = Config(generator_learning_rate=1.0, total_steps=3, seed=5)
    assert Config().network_difference(other) == {}
    assert Config().difference(other)["seed"] == (0, 5)


def test_a_moving_average_may_change_its_decay_but_not_appear():
    some = Config(ema_decay=0.9)
    assert not some.network_difference(Config(ema_decay=0.99))
    assert set(Config().network_difference(some)) == {"ema_decay"}


def test_an_augmentation_may_change_its_target_but_not_begin_to_adapt():
    some = Config(augment=("flip",), augment_target=0.6)
    assert not some.network_difference(Config(augment=("cutout",), augment_target=0.5))
    assert set(Config().network_difference(some)) == {"augment_target"}


def test_half_precision_may_change_but_not_its_loss_scaling():
    bfloat16, float16 = (Config(dtype_policy=f"mixed_{x}float16") for x in ("b", ""))
    assert not Config().network_difference(bfloat16)
    assert set(bfloat16.network_difference(float16)) == {"dtype_policy"}


def test_frozen_blocks_may_not_change_because_adam_has_no_state_of_them():
    some = Config(freeze_discriminator_blocks=2)
    assert set(Config().network_difference(some)) == {"freeze_discriminator_blocks"}


def test_the_choices_are_those_of_the_parts():
    """`config.py` imports no part, so the names stand in two places."""
    choices = {f.name: f.metadata["choices"] for f in dataclasses.fields(Config)}
    assert set(choices["loss"]) == set(losses.LOSSES)
    assert set(choices["fake_labels"]) == set(arguments.FAKE_LABELS)
    assert set(choices["resolution"]) == set(builders.RESOLUTIONS)
    assert set(choices["resize"]) == set(images.RESIZE_METHODS)
    assert set(choices["augment"]) == set(augmentation.KINDS)
    assert set(choices["augment_fill"]) == set(augmentation.FILLS)


@pytest.mark.parametrize(
    ("settings", "log", "watch", "sample"),
    [
        ({"total_steps": 1_000_000}, 100, 1000, 100_000),
        ({"total_steps": 150}, 3, 30, 15),
        ({"total_steps": 5}, 1, 20, 1),
        ({"total_steps": 150, "steps_per_execution": 10}, 10, 30, 20),
        ({"log_every_steps": 7, "watch_every_steps": 0}, 7, 0, 100_000),
    ],
)
def test_short_runs_have_short_intervals(settings, log, watch, sample):
    config = Config(**settings)
    found = config.log_interval, config.watch_interval, config.sample_interval
    assert found == (log, watch, sample)

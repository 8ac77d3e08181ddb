"""NaN, infinity and absurd sizes for every number of every command.

The flags are those that the commands have: a new one cannot be forgotten.
"""

import dataclasses

import pytest
from absl import flags

from sagan_tf.settings import command
from sagan_tf.settings.config import Config
from tests.architecture_test import COMMANDS
from tests.hostile.commands import flags_of, module, refused

pytestmark = pytest.mark.usefixtures("nothing_is_loaded")

FLOATS = ("nan", "inf", "-inf", "1e30", "-1", "two")
INTS = ("-1", "0", str(10**10), str(10**23), "9" * 5000, "nan", "1e3", "0x", "")
# What a number may be, although it looks wrong.
GOOD = {
    ("label_offset", "-1"),
    ("label_offset", "0"),
    ("num_classes", "0"),
    ("attention_chunk_size", "0"),
    ("ema_start_step", "0"),
    ("freeze_discriminator_blocks", "0"),
    ("seed", "0"),
    ("sample_every_steps", "0"),
    ("checkpoint_every_steps", "0"),
    ("watch_every_steps", "0"),
    ("evaluate_every_steps", "0"),
    ("standing_batches", "0"),
}


def numbers_of(name):
    """The flags of a command that are numbers: dict of name to hostile values."""
    fields = {field.name: str(field.type) for field in dataclasses.fields(Config)}
    values, found = flags_of(name), {}
    for flag in values:
        parser, kind = values[flag].parser, ""
        if isinstance(parser, (flags.IntegerParser, flags.FloatParser)):
            kind = "int" if isinstance(parser, flags.IntegerParser) else "float"
        elif isinstance(parser, command._FieldParser) and "tuple" not in fields[flag]:
            kind = fields[flag]
        if "float" in kind:
            found[flag] = FLOATS
        elif "int" in kind:
            found[flag] = INTS
    return found


def own_numbers_of(name):
    """Without the flags of `Config`, which all commands define alike: of `train`."""
    config = {} if name == "train" else numbers_of("train")
    parsers = {flag: type(flags_of(name)[flag].parser) for flag in numbers_of(name)}
    return {
        flag: hostile
        for flag, hostile in numbers_of(name).items()
        if flag not in config or parsers[flag] is not command._FieldParser
    }


@pytest.mark.parametrize("name", COMMANDS)
def test_no_number_of_a_command_is_absurd(name, capsys):
    for flag, hostile in own_numbers_of(name).items():
        for value in hostile:
            if (flag, value) in GOOD:
                command.parse([name, f"--{flag}={value}"], module(name)._define)
            else:
                line = refused(capsys, name, f"--{flag}={value}")
                assert line.startswith(f"{flag} must be "), line
                assert f"Try --{flag}=" in line, line
                assert len(line) < 500


def test_the_walk_finds_the_numbers():
    assert {"z_dim", "adam_beta1", "total_steps"} <= set(own_numbers_of("train"))
    assert {"frame_seconds", "columns"} <= set(own_numbers_of("sample"))
    assert {"watch_seconds", "truncation", "seed"} <= set(own_numbers_of("evaluate"))
    assert {"utilisation", "h100_price_per_hour"} <= set(own_numbers_of("plan"))
    assert {"seeds", "learning_rate_scale"} <= set(own_numbers_of("ablate"))
    assert len(own_numbers_of("train")) > 35


@pytest.mark.parametrize(
    ("name", "flag", "value"),
    [
        ("sample", "seeds", "0-99999999999999999999"),
        ("sample", "seeds", "0-2000000000"),
        ("sample", "seeds", "9" * 5000),
        ("sample", "seeds", str(2**31)),
        ("sample", "seeds", "0-99999,5"),
        ("sample", "truncation", "1e30"),
        ("sample", "truncation", "nan"),
        ("sample", "truncation", "0.5,inf"),
        ("sample", "checkpoint", "9" * 5000),
        ("sample", "checkpoint", "-1"),
        ("attention", "seeds", "0-99999999999999999999"),
        ("attention", "queries", f"{'9' * 5000},1"),
        ("attention", "checkpoint", str(10**23)),
        ("export", "checkpoint", "1e3"),
        ("evaluate", "checkpoint", "9" * 5000),
        ("ablate", "cells", f"1/{'9' * 5000}"),
        ("train", "attention_resolution", str(10**23)),
        ("train", "attention_resolution", "-8"),
        ("train", "discriminator_attention_resolution", "nan"),
        ("plan", "attention_resolution", "9" * 5000),
    ],
    ids=lambda value: value[:24],
)
def test_numbers_in_a_text_are_as_safe(name, flag, value, capsys, tmp_path):
    given = {"workdir": tmp_path / "run", "output": tmp_path / "a.png"}
    given = [f"--{key}={path}" for key, path in given.items() if key in flags_of(name)]
    line = refused(capsys, name, *given, f"--{flag}={value}")
    assert f"{flag} must be " in line
    assert f"Try --{flag}=" in line
    assert len(line) < 700


@pytest.mark.parametrize("flag", ["resolution", "image_channels"])
@pytest.mark.parametrize("value", INTS)
def test_a_classifier_has_limits_of_its_own(flag, value, capsys):
    line = refused(capsys, "train_classifier", "--output=a", f"--{flag}={value}")
    assert line.startswith(f"{flag} must be ") and f"Try --{flag}=" in line


def test_the_last_seed_of_an_ablation_is_a_seed(capsys, tmp_path):
    arguments = (f"--workdir={tmp_path}", f"--seed={2**31 - 1}", "--seeds=2")
    assert "The last seed must be" in refused(capsys, "ablate", *arguments)

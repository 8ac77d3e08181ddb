"""Every file in configs/ parses, is valid, and says what it is for."""

import pathlib
import re

import pytest

from sagan_tf.settings import command
from sagan_tf.settings.config import Config

ROOT = pathlib.Path(__file__).parent.parent
FILES = sorted((ROOT / "configs").rglob("*.flags"))


def load(path):
    values = command.parse(["test", f"--flagfile={path}"], command.define_flags)
    return command.config_from_flags(values)


def comment(path):
    lines = path.read_text(encoding="utf-8").splitlines()
    head = []
    while lines and lines[0].startswith("#"):
        head.append(lines.pop(0)[1:].strip())
    return " ".join(head)


def test_there_are_the_configs_that_the_readme_promises():
    names = {path.stem for path in FILES}
    assert names >= {
        *("digits", "fashion_mnist", "emoji128", "cifar10", "celeba64", "folder"),
        *("imagenet", "imagenet_feat64", "imagenet_biggan_schedule", "imagenet_tpu"),
    }


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_config_is_valid(path):
    load(path)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_config_opens_with_command_hardware_expectation_and_source(path):
    text = comment(path)
    for part in ("Command:", "Hardware:", "Expected:", "Source:"):
        assert re.search(rf"{part} \S", text), f"{path.name} lacks '# {part}'"
    name = path.relative_to(ROOT).as_posix()
    assert f"python -m sagan_tf.train --flagfile={name}" in text


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_line_is_a_comment_or_a_flag(path):
    # absl has no inline comments: `--seed=3  # three` would be the value.
    for line in path.read_text(encoding="utf-8").splitlines():
        assert re.fullmatch(r"#( .*)?|--[a-z0-9_]+(=[^\s#]+)?", line), line


def test_imagenet_is_the_official_network_and_schedule():
    """Only the paper's beta2 and how often things are written differ."""
    config = load(ROOT / "configs" / "imagenet.flags")
    assert set(config.difference(Config())) == {
        *("dataset", "num_classes", "adam_beta2"),
        *("sample_every_steps", "checkpoint_every_steps"),
    }
    assert config.adam_beta2 == 0.9

"""Command lines: values, flagfiles, `--help`, and how a command ends."""

import dataclasses
import os
import pathlib
import subprocess
import sys

import pytest
from absl import flags as absl_flags

from sagan_tf.settings import command as flags
from sagan_tf.settings.config import Config

ROOT = pathlib.Path(__file__).parent.parent.parent


def config_from(*arguments):
    return flags.config_from_flags(
        flags.parse(["train", *arguments], flags.define_flags)
    )


def run(main, *arguments):
    return flags.run_command(main, flags.define_flags, "About.", ["train", *arguments])


def test_no_arguments_are_the_defaults():
    assert config_from() == Config()


@pytest.mark.parametrize(
    ("argument", "values"),
    [
        ("--batch_size=64", {"batch_size": 64}),
        ("--total_steps=2_000", {"total_steps": 2000}),
        ("--generator_learning_rate=2e-4", {"generator_learning_rate": 2e-4}),
        ("--flip", {"flip": True}),
        ("--nodeterministic", {"deterministic": False}),
        ("--attention_resolution=8,16", {"attention_resolution": (8, 16)}),
        ("--attention_resolution=none", {"attention_resolution": ()}),
        (
            "--discriminator_attention_resolution=none",
            {"discriminator_attention_resolution": ()},
        ),
        ("--discriminator_attention_resolution=same", {}),
        ("--ema_decay=0.99", {"ema_decay": 0.99}),
        ("--ema_decay=none", {}),
        ("--num_classes=none", {}),
        ("--num_classes=0", {"num_classes": 0}),
        ("--spectral_norm=none", {"spectral_norm": "none"}),
        ("--data_dir=none", {}),
        ("--dataset=npz:a=b,c.npz", {"dataset": "npz:a=b,c.npz"}),
    ],
)
def test_text_becomes_a_value(argument, values):
    assert config_from(argument) == Config(**values)


def test_a_flagfile_is_read_and_the_last_value_wins(tmp_path):
    (tmp_path / "a.flags").write_text("# a comment\n--seed=1\n--z_dim=7\n\n--seed=2\n")
    config = config_from(f"--flagfile={tmp_path}/a.flags", "--z_dim=8")
    assert config == Config(seed=2, z_dim=8)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--batch_sise=4"], ["batch_sise", "Did you mean", "batch_size"]),
        (["--batch_size=many"], ["batch_size", "int", "'many'"]),
        (["--attention_resolution=big"], ["attention_resolution", "'big'"]),
        (["seed=3"], ["seed=3", "Try --seed=3"]),
        (["--flagfile=/no/such.flags"], ["/no/such.flags"]),
        (["--resolution=48"], ["resolution", "48"]),
    ],
)
def test_bad_arguments_are_one_line_and_status_2(arguments, words, capsys):
    assert run(lambda values: flags.config_from_flags(values) and 0, *arguments) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("error: ")
    for word in words:
        assert word in lines[0]


def test_a_flagfile_line_without_dashes_is_refused(tmp_path, capsys):
    (tmp_path / "a.flags").write_text("seed=1\n")
    assert run(lambda values: 0, f"--flagfile={tmp_path}/a.flags") == 2
    assert "seed=1" in capsys.readouterr().err


def test_the_status_of_a_command_is_what_it_returns():
    assert run(lambda values: 3) == 3


def test_a_bug_keeps_its_traceback():
    def main(values):
        raise ValueError("not from this package: a library was used wrongly")

    with pytest.raises(ValueError, match="library"):
        run(main)


def test_an_unwritable_file_is_one_line_and_status_2(capsys):
    def main(values):
        raise PermissionError(13, "Permission denied", "/runs/x")

    assert run(main) == 2
    assert capsys.readouterr().err == (
        "error: Permission denied: /runs/x. Try another path, or change its "
        "permissions.\n"
    )


def test_help_lists_every_flag_once_and_ends_well(capsys):
    assert run(lambda values: 1 / 0, "--help") == 0
    text = capsys.readouterr().out
    assert text.startswith("About.")
    for field in dataclasses.fields(Config):
        flag = f"--[no]{field.name} " if field.type is bool else f"--{field.name}="
        assert text.count(flag) == 1
    assert max(len(line) for line in text.splitlines()) <= 88


def test_help_shows_a_commands_own_flags_first(capsys):
    def define(values):
        absl_flags.DEFINE_string("workdir", None, "folder", flag_values=values)
        flags.define_flags(values)

    flags.run_command(lambda values: 0, define, "About.", ["train", "--help"])
    text = capsys.readouterr().out
    assert text.index("--workdir") < text.index("--dataset")


@pytest.mark.parametrize(
    ("argument", "value"),
    [
        ("--dataset=~/a.npz", "/home/me/a.npz"),
        ("--dataset=tfrecord:~/a-*", "tfrecord:/home/me/a-*"),
        ("--dataset=folder:b~/a", "folder:b~/a"),
        ("--dataset=folder:~you/a", "folder:~you/a"),
        ("--flagfile=~/a.flags", "folder:/home/me/b"),
    ],
)
def test_the_home_folder_is_found_where_a_shell_leaves_it(
    monkeypatch, tmp_path, argument, value
):
    home = tmp_path if "flagfile" in argument else "/home/me"
    monkeypatch.setenv("HOME", str(home))
    (tmp_path / "a.flags").write_text("--dataset=folder:~/b\n")
    dataset = config_from(argument).dataset
    assert dataset == value.replace("/home/me", str(home))


def test_two_commands_in_one_process_do_not_share_flags():
    first = flags.parse(["a", "--seed=1"], flags.define_flags)
    second = flags.parse(["b"], flags.define_flags)
    assert (first.seed, second.seed) == (1, 0)


def test_a_reader_that_has_gone_is_no_bug():
    """`--help | head` closes the pipe before everything is written."""
    command = f"{sys.executable} -m sagan_tf.evaluate --help"
    program = f"{command} | head -1; exit ${{PIPESTATUS[0]}}"
    ended = subprocess.run(
        ["bash", "-c", program], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert ended.stderr == ""
    assert ended.stdout.startswith("Measures generated images")
    assert ended.returncode in (0, 141)  # 0: it was quicker than head.


def test_no_file_takes_the_place_of_a_closed_stream(tmp_path):
    """As `train >&- 2>&-`: what the libraries print would land in a checkpoint."""
    program = """
import os, sys
from sagan_tf.settings.command import run_command

def main(values):
    with open("file", "w"):
        os.write(1, b"lost")
        os.write(2, b"lost")
        sys.stdout.flush()
        sys.stderr.flush()
    return 0

sys.exit(run_command(main, lambda values: None, "About.", ["command"]))
"""
    shell = ["bash", "-c", '"$@" <&- >&- 2>&-', "bash", sys.executable, "-c", program]
    path = {**os.environ, "PYTHONPATH": str(ROOT)}
    assert subprocess.run(shell, cwd=tmp_path, env=path, check=False).returncode == 0
    assert (tmp_path / "file").read_text() == ""


def test_a_run_that_goes_on_has_its_own_settings_and_flags_change_them():
    before = Config(seed=5, z_dim=7, batch_size=8, mode_seeking_weight=2.0)
    before = dataclasses.replace(before, mode_seeking_distance=0.5)

    def going_on(*arguments):
        values = flags.parse(["train", *arguments], flags.define_flags)
        return flags.config_from_flags(values, before=before)

    assert going_on() == before
    # A flag counts if it is given, also with the default's value.
    changed = going_on("--seed=0", "--batch_size=16")
    assert changed == dataclasses.replace(before, seed=0, batch_size=16)
    # Classes are those of the data: other data may have others, which is then said.
    before = dataclasses.replace(before, num_classes=10)
    assert going_on("--dataset=npz:other.npz").num_classes is None
    assert going_on("--dataset=digits", "--num_classes=10").num_classes == 10
    assert going_on().num_classes == 10
    without = going_on("--mode_seeking_weight=0")
    assert without.mode_seeking_distance is None
    with pytest.raises(ValueError, match="batch_size"):
        going_on("--batch_size=0")

"""Exit statuses have one meaning each; bad input is told from bugs."""

import subprocess
import sys

import pytest

from sagan_tf import errors
from sagan_tf.settings.command import run_command


def run(main):
    return run_command(main, lambda values: None, "Does something.", ["command"])


def test_each_status_has_one_meaning():
    statuses = {n: v for n, v in vars(errors).items() if isinstance(v, int)}
    assert len(statuses) > 8
    assert len(set(statuses.values())) == len(statuses)


def test_bad_input_is_one_line_and_status_2(capsys):
    def main(values):
        raise errors.BadInput("z_dim must be at least 1.\nReceived: 0. Try 128.")

    assert run(main) == errors.BAD_INPUT
    shown = capsys.readouterr().err
    assert shown == "error: z_dim must be at least 1. Received: 0. Try 128.\n"


@pytest.mark.parametrize(
    "bug",
    [
        lambda: int("x"),
        lambda: list(zip([1], [], strict=True)),
        lambda: (lambda a, b: None)(*(1, 2)) or [][1:][0],
        lambda: dict([(1, 2, 3)]),
        lambda: {}["missing"],
    ],
)
def test_a_bug_of_ours_keeps_its_traceback(bug):
    with pytest.raises((ValueError, LookupError)) as caught:
        run(lambda values: bug())
    assert not isinstance(caught.value, errors.BadInput)


def test_a_bug_in_a_process_ends_with_status_1():
    program = """
import sys
from sagan_tf.settings.command import run_command

def main(values):
    first, second = "one"

sys.exit(run_command(main, lambda values: None, "Does something.", ["command"]))
"""
    ended = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True
    )
    assert ended.returncode == errors.BUG
    assert "Traceback" in ended.stderr and "too many values" in ended.stderr

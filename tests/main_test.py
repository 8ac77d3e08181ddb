"""The console command `sagan`."""

import subprocess
import sys

import pytest
from architecture_test import COMMANDS

from sagan_tf import __main__ as sagan


def test_every_command_is_in_its_help(capsys):
    assert sagan.main(["sagan"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert {line.split()[0] for line in lines if line.startswith("  ")} == {*COMMANDS}


def test_a_command_gets_its_arguments(capsys):
    assert sagan.main(["sagan", "sample", "--seeds=1-x"]) == 2
    assert "--workdir is needed" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "remedy"), [("trian", "sagan train"), ("xyz", "sagan --help")]
)
def test_another_command_is_refused(name, remedy, capsys):
    assert sagan.main(["sagan", name]) == 2
    assert f"Received: {name}. Try {remedy}." in capsys.readouterr().err


def test_the_package_runs_as_a_module():
    command = [sys.executable, "-m", "sagan_tf", "plan", "--no_such_flag"]
    run = subprocess.run(command, capture_output=True, text=True)
    assert run.returncode == 2
    assert "There is no flag --no_such_flag" in run.stderr

"""One training at a time in a run directory."""

import errno
import os
import signal
import subprocess
import sys

import pytest
import tiny

from sagan_tf.distribution.workers import Workers
from sagan_tf.run import lock
from sagan_tf.run.lock import LOCK, InUse, claim, locked_run


def test_a_second_training_of_a_run_is_refused_with_the_name_of_the_first(tmp_path):
    with locked_run(tmp_path / "run", Workers()):
        with pytest.raises(ValueError, match=f"process {os.getpid()} on.*--workdir"):
            with locked_run(tmp_path / "run", Workers()):
                pass
    with locked_run(tmp_path / "run", Workers()):
        pass


def test_the_command_refuses_a_run_that_is_in_use_and_changes_nothing(tmp_path, capsys):
    with claim(tmp_path / LOCK):
        before = {path: path.read_bytes() for path in tmp_path.rglob("*")}
        assert tiny.run(tmp_path) == 2
        assert {path: path.read_bytes() for path in tmp_path.rglob("*")} == before
    line = capsys.readouterr().err.splitlines()[-1]
    assert line.startswith(f"error: {tmp_path} must not be in use")


def test_the_lock_of_a_killed_process_is_taken_over(tmp_path):
    program = (
        "import pathlib, sys, time\n"
        "from sagan_tf.run.lock import claim\n"
        "with claim(sys.argv[1]): print('locked', flush=True); time.sleep(60)\n"
    )
    arguments = [sys.executable, "-c", program, str(tmp_path / LOCK)]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"locked\n"
        with pytest.raises(InUse, match=f"process {process.pid} on"):
            with claim(tmp_path / LOCK):
                pass
        process.send_signal(signal.SIGKILL)
    with claim(tmp_path / LOCK):
        assert f"process {os.getpid()} on" in (tmp_path / LOCK).read_text()


def test_only_the_chief_locks(tmp_path):
    with locked_run(tmp_path, Workers()), locked_run(tmp_path, Workers(1, 2)):
        pass


def test_without_locks_a_warning_is_all(tmp_path, monkeypatch, capsys):
    def fail(file, operation):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(lock.fcntl, "flock", fail)
    with claim(tmp_path / LOCK):
        pass
    assert "No locks available" in capsys.readouterr().err

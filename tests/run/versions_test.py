"""What a run was trained with."""

import json
import pathlib
import subprocess

import pytest

import sagan_tf
from sagan_tf.run import versions


def test_versions_are_added_when_they_change(tmp_path, monkeypatch):
    def entries():
        return json.loads((tmp_path / "versions.json").read_text())

    versions.record_versions(tmp_path, 0)
    versions.record_versions(tmp_path, 10)
    assert len(entries()) == 1
    assert entries()[0]["sagan_tf"] == sagan_tf.__version__
    monkeypatch.setattr(versions, "git_state", lambda: {"git_commit": "abc"})
    versions.record_versions(tmp_path, 20)
    assert [entry["from_step"] for entry in entries()] == [0, 20]
    assert entries()[1]["git_commit"] == "abc"


def test_the_commit_is_that_of_the_checkout():
    root = pathlib.Path(versions.__file__).parents[2]
    if not (root / ".git").exists():
        pytest.skip("the package is not in a git checkout")
    head = subprocess.run(
        ["git", "-C", root, "rev-parse", "HEAD"], capture_output=True, text=True
    )
    assert versions.git_state()["git_commit"] == head.stdout.strip()


def test_without_git_there_is_no_commit(monkeypatch):
    monkeypatch.setenv("PATH", "")
    assert versions.git_state() == {"git_commit": None, "git_changed": None}

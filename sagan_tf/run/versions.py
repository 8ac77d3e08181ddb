"""Records the versions of libraries and the git commit that trained a run."""

import json
import pathlib
import platform
import subprocess

import keras
import numpy as np
import tensorflow as tf

from sagan_tf import __version__
from sagan_tf.distribution.strategies import describe_devices
from sagan_tf.files import write_text
from sagan_tf.run.records import find_json


def record_versions(workdir, step):
    """Adds the present versions and device to versions.json, if they have changed.

    Raises:
        BadInput: the file is damaged.
        OSError: the file cannot be read or written.
    """
    path = pathlib.Path(workdir) / "versions.json"
    entries = find_json(path, [{}]) or []
    now = {**versions(), "device": describe_devices()}
    last = {k: v for k, v in entries[-1].items() if k != "from_step"} if entries else {}
    if now != last:
        entries.append({"from_step": step, **now})
        write_text(path, json.dumps(entries, indent=2) + "\n")


def versions():
    """Returns the versions of Python and the libraries, and the git commit: dict."""
    return {
        "sagan_tf": __version__,
        "python": platform.python_version(),
        "tensorflow": tf.__version__,
        "keras": keras.__version__,
        "numpy": np.__version__,
        **git_state(),
    }


def git_state():
    """Returns the commit of this package's checkout, and if files were changed: dict.

    Both are `None` for an installed package and on a machine without git.
    """

    def git(*arguments):
        command = ["git", "-C", str(pathlib.Path(__file__).parent.parent), *arguments]
        return subprocess.run(
            command, capture_output=True, text=True, check=True
        ).stdout

    try:
        # A package installed inside another project's checkout is not part of it.
        git("ls-files", "--error-unmatch", __file__)
        commit = git("rev-parse", "HEAD").strip()
        changed = bool(git("status", "--porcelain", "--", "."))
    except (OSError, subprocess.CalledProcessError):
        return {"git_commit": None, "git_changed": None}
    return {"git_commit": commit, "git_changed": changed}

"""A command that succeeds writes nothing to stderr."""

import os
import subprocess
import sys

import pytest

from tests import tiny

# What the tests set, and a person does not.
SET_HERE = ("TF_CPP_MIN_LOG_LEVEL", "CUDA_VISIBLE_DEVICES", "TF_ENABLE_ONEDNN_OPTS")


@pytest.mark.slow
def test_nothing_of_the_libraries_is_shown():
    flags = [f"--{name}={value}" for name, value in tiny.FLAGS.items()]
    ended = subprocess.run(
        [sys.executable, "-m", "sagan_tf.plan", *flags, "--nocount"],
        env={name: os.environ[name] for name in os.environ if name not in SET_HERE},
        capture_output=True,
        text=True,
        check=True,
    )
    assert ended.stderr == ""
    assert ended.stdout.startswith("--num_classes is not set.")

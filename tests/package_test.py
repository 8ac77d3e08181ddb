"""What `import sagan_tf` does before TensorFlow is loaded."""

import os
import platform
import subprocess
import sys

import pytest

_SHOW = "import sagan_tf, sys; print(os.environ.get('TF_ENABLE_ONEDNN_OPTS'))"


def shown(before, setting=None):
    """What the environment says after `before` and the import, in a new process."""
    environment = {k: v for k, v in os.environ.items() if k != "TF_ENABLE_ONEDNN_OPTS"}
    if setting is not None:
        environment["TF_ENABLE_ONEDNN_OPTS"] = setting
    code = f"import os, platform, sys; {before}; {_SHOW}"
    return subprocess.run(
        [sys.executable, "-c", code],
        env=environment,
        check=True,
        capture_output=True,
        text=True,
    ).stdout.strip()


@pytest.mark.skipif(
    platform.machine() not in ("x86_64", "AMD64"), reason="oneDNN is for x86"
)
def test_onednn_is_on_unless_the_user_chose():
    assert shown("pass") == "1"
    assert shown("pass", "0") == "0"


def test_onednn_is_left_alone_where_it_is_too_late_or_not_for_this_processor():
    assert shown("sys.modules['tensorflow'] = sys") == "None"
    assert shown("platform.machine = lambda: 'aarch64'") == "None"


def test_no_framework_is_loaded():
    code = "assert not {'tensorflow', 'keras', 'numpy'} & set(sys.modules)"
    assert shown(f"import sagan_tf; {code}") == "1" or platform.machine() == "aarch64"

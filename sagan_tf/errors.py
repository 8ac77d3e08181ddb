"""How a command ends: exit statuses, the error for bad input, missing packages."""

import importlib.util
import struct
import zlib

FINISHED = 0
# Python's own status for an exception, which prints its traceback.
BUG = 1
BAD_INPUT = 2
# SIGTERM, SIGHUP, Ctrl-C or a closed output ended a training; a checkpoint is saved.
STOPPED = 3
# A loss or a weight became NaN or infinite; no checkpoint of it is saved.
NOT_FINITE = 4
WORKER_LOST = 5
# The generator collapsed, and `on_collapse` says to stop.
COLLAPSED = 6
# `evaluate --self_check` found a metric that disagrees with its peers.
SELF_CHECK_FAILED = 7
# As a shell reports a command that Ctrl-C or a closed pipe has ended.
INTERRUPTED = 128 + 2
BROKEN_PIPE = 128 + 13


class BadInput(ValueError):
    """Input from a person that we refuse on purpose.

    The text says what was expected, what was received and what to try. A command
    prints it on one line and ends with `BAD_INPUT`. Every other exception is a bug and
    keeps its traceback.
    """


# What readers of files (NumPy's, Pillow's) raise for damaged ones, besides their own.
DAMAGE = (
    ArithmeticError,
    AttributeError,
    EOFError,
    LookupError,
    OSError,
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
    struct.error,
    zlib.error,
)


def missing_packages(names):
    """Those of some Python packages that are not installed: list of str.

    A folder of that name in the current one is no package: W&B, MLflow and exports make
    such folders.

    Args:
        names: iterable of str, as they are imported.
    """
    found = {name: importlib.util.find_spec(name) for name in names}
    return [name for name, spec in found.items() if not (spec and spec.origin)]

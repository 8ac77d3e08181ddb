"""Exit statuses of the commands, the error for bad input, and missing packages."""

import importlib.util
import struct
import zlib

FINISHED = 0
# Python's own status for an exception, which prints its traceback.
BUG = 1
BAD_INPUT = 2
# SIGTERM, SIGHUP, Ctrl-C or a closed output ended a training; a checkpoint is saved.
STOPPED = 3
# A loss or a weight became NaN or infinite; no checkpoint of that state is saved.
NOT_FINITE = 4
WORKER_LOST = 5
# The generator collapsed, and `on_collapse` says to stop.
COLLAPSED = 6
# `evaluate --self_check` found a metric that disagrees with its peers.
SELF_CHECK_FAILED = 7
# What a shell reports for a command that Ctrl-C or a closed pipe ended.
INTERRUPTED = 128 + 2
BROKEN_PIPE = 128 + 13


class BadInput(ValueError):
    """Input from a person that we refuse on purpose.

    The text says what was expected, what was received and what to try. A command
    prints it on one line and ends with `BAD_INPUT`. Every other exception is a bug and
    keeps its traceback.
    """


# Errors of file readers (NumPy, Pillow) for damaged files, besides their own types.
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
    """Returns the names of the packages that are not installed: list of str.

    A folder with the name of a package in the current folder does not count: W&B,
    MLflow and exports make such folders.

    Args:
        names: iterable of str, the import names of Python packages.
    """
    specs = {name: importlib.util.find_spec(name) for name in names}
    return [name for name, spec in specs.items() if not (spec and spec.origin)]

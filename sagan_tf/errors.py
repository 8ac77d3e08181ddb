"""How a command ends: its exit statuses, and what it refuses.

A shell sees the status; `train`, `evaluate` and `ablate` promise more than 0 and 2.
"""

FINISHED = 0
# Python's own: an exception that nobody expected, with its traceback.
BUG = 1
BAD_INPUT = 2
# SIGTERM, SIGHUP or Ctrl-C ended a training; a checkpoint is saved.
STOPPED = 3
# A loss, a gradient or a weight became NaN or infinite; nothing of it is saved.
NOT_FINITE = 4
WORKER_LOST = 5
# The generator collapsed, and `on_collapse` says to stop then.
COLLAPSED = 6
# `evaluate --self_check` found a metric that disagrees with its peers.
SELF_CHECK_FAILED = 7
# As a shell reports a command that Ctrl-C, or a reader that has gone, has ended.
INTERRUPTED = 128 + 2
BROKEN_PIPE = 128 + 13


class BadInput(ValueError):
    """Something that a person gave us and that we refuse on purpose.

    Its text is one sentence or several: what was expected, what was received, what to
    try. A command prints it on one line and ends with `BAD_INPUT`. Every other
    exception is a bug and keeps its traceback.
    """

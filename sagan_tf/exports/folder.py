"""The folder of an export: whole or absent, and never lost while it is replaced."""

import contextlib
import pathlib
import signal
import threading

from sagan_tf.errors import BadInput
from sagan_tf.exports.formats import FILES
from sagan_tf.files import replacing_folder

# What makes a folder an export, besides one of `FILES`.
RECORD = "export.json"


@contextlib.contextmanager
def export_folder(path, overwrite=False):
    """`files.replacing_folder` for an export, which SIGTERM ends as Ctrl-C does.

    The temporary name is no number, so TensorFlow Serving does not take it for a new
    version.

    Args:
        path: of the folder; its parents are made.
        overwrite: bool, whether an existing export is replaced.

    Yields:
        `pathlib.Path` of an empty folder.

    Raises:
        BadInput: see `check_output`.
        OSError: it cannot be written.
    """
    with _ended_by_sigterm(), replacing_folder(path) as temporary:
        # Not before: an export that a killed process had moved is back now.
        check_output(path, overwrite)
        yield temporary


def check_output(path, overwrite=False):
    """Checks that an export may be written to a path.

    Raises:
        BadInput: the path exists, and `overwrite` is not set or it is no export.
    """
    path = pathlib.Path(path)
    if not path.exists():
        return
    # "." has no name.
    own = path if path.name else path.absolute()
    number = str(int(own.name) + 1 if own.name.isdecimal() else 1)
    other = own.with_name(number) if own.name else own / number
    if not overwrite:
        raise BadInput(
            f"The output must be a new folder. Received: {path}, which exists. "
            f"Try --output={other}, or --overwrite to replace it."
        )
    has_model = any((path / name).is_file() for name in FILES)
    if not (has_model and (path / RECORD).is_file()):
        raise BadInput(
            f"--overwrite replaces only exports. Received: {path}, which has no "
            f"{RECORD} or no model. Try --output={other}."
        )


@contextlib.contextmanager
def _ended_by_sigterm():
    """Lets SIGTERM raise an exception, as Ctrl-C does: `finally` clauses run."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def end(number, frame):
        raise SystemExit(128 + number)  # As a shell reports it.

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)

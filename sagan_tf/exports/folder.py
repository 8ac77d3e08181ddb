"""The folder of an export: complete or absent, and never lost during replacement."""

import contextlib
import pathlib
import signal
import threading

from sagan_tf.errors import BadInput
from sagan_tf.exports.formats import FILES
from sagan_tf.files import replacing_folder

# An export is a folder with this file and one of `FILES`.
RECORD = "export.json"


@contextlib.contextmanager
def export_folder(path, overwrite=False):
    """Does `files.replacing_folder` for an export; SIGTERM ends it like Ctrl-C.

    The temporary name is not a number, so TensorFlow Serving does not mistake it for a
    new version.

    Args:
        path: path of the folder; its parents are created.
        overwrite: bool, whether to replace an existing export.

    Yields:
        `pathlib.Path` of an empty folder.

    Raises:
        BadInput: see `check_output`.
        OSError: the folder cannot be written.
    """
    with _ended_by_sigterm(), replacing_folder(path) as temporary:
        # Only now: an export that a killed process had moved is back in place.
        check_output(path, overwrite)
        yield temporary


def check_output(path, overwrite=False):
    """Checks that a path can take an export.

    Raises:
        BadInput: the path exists, and `overwrite` is False or the path is no export.
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
    """Makes SIGTERM raise an exception like Ctrl-C, so that `finally` clauses run."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def end(number, frame):
        raise SystemExit(128 + number)  # The status that a shell reports.

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)

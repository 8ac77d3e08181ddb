"""The folder of an export: whole or absent, and never lost while it is replaced."""

import contextlib
import pathlib
import signal
import threading

from sagan_tf.errors import BadInput
from sagan_tf.files import replacing_folder, tidy_up

# What makes a folder an export.
RECORD, MODEL = "export.json", "saved_model.pb"


@contextlib.contextmanager
def export_folder(path, overwrite=False):
    """Lets a folder be filled under a temporary name, which becomes its own at the end.

    The temporary name, in the same parent folder, is no number: TensorFlow Serving,
    which looks for new versions all the time, does not take it for one. If the body
    fails or is interrupted, by Ctrl-C or SIGTERM, nothing is left of it, and what was
    at `path` is still there. What a process leaves that is killed otherwise is put in
    order by the next one that writes to `path`.

    Args:
        path: of the folder, which may not exist yet; its parents are made.
        overwrite: bool, whether an export that is there is replaced.

    Yields:
        `pathlib.Path` of an empty folder.

    Raises:
        BadInput: there is something already, and `overwrite` is not set, or it is no
            export.
        OSError: it cannot be written.
    """
    tidy_up(pathlib.Path(path))
    check_output(path, overwrite)
    with _ended_by_sigterm(), replacing_folder(path) as temporary:
        yield temporary


def check_output(path, overwrite=False):
    """Raises the `ValueError` of `export_folder` if an export may not go there."""
    path = pathlib.Path(path)
    if not path.exists():
        return
    other = path.with_name(str(int(path.name) + 1 if path.name.isdecimal() else 1))
    if not overwrite:
        raise BadInput(
            f"The output must be a new folder. Received: {path}, which is there "
            f"already. Try --output={other}, or --overwrite to replace it."
        )
    if not all((path / name).is_file() for name in (RECORD, MODEL)):
        raise BadInput(
            f"Only an export is replaced. Received: {path}, which has no {RECORD} or "
            f"no {MODEL}. Try --output={other}."
        )


@contextlib.contextmanager
def _ended_by_sigterm():
    """Lets SIGTERM end the program as Ctrl-C does, with what `finally` is to do."""
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

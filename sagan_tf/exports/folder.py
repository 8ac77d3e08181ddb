"""The folder of an export: whole or absent, and never lost while it is replaced."""

import contextlib
import os
import pathlib
import re
import shutil
import signal
import sys
import threading

from sagan_tf.errors import BadInput
from sagan_tf.files import TEMPORARY, naming

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
    path = pathlib.Path(path)
    with naming(path):
        _put_in_order(path)
        check_output(path, overwrite)
        missing = [p for p in (path.parent, *path.parent.parents) if not p.exists()]
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f"{path.name}.{os.getpid()}{TEMPORARY}")
        with _ended_by_sigterm():
            try:
                temporary.mkdir()
                yield temporary
                _publish(temporary, path)
            finally:
                # Still there only if something failed, or somebody interrupted it.
                shutil.rmtree(temporary, ignore_errors=True)
                for folder in missing:
                    with contextlib.suppress(OSError):  # It is in use.
                        folder.rmdir()


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


def _publish(temporary, path):
    """Gives a finished folder its name, and removes what had that name before."""
    if not path.exists():
        os.rename(temporary, path)
        return
    old = path.with_name(f"{path.name}.old.{os.getpid()}{TEMPORARY}")
    os.rename(path, old)
    try:
        os.rename(temporary, path)
    finally:
        if not path.exists():
            os.rename(old, path)
    shutil.rmtree(old)


def _put_in_order(path):
    """Undoes what exports to this path have left that were killed."""
    name = re.compile(rf"{re.escape(path.name)}\.(old\.)?(\d+){re.escape(TEMPORARY)}")
    if not path.parent.is_dir():
        return
    for found in path.parent.iterdir():
        match = name.fullmatch(found.name)
        if match is None or _is_at_work(int(match[2])):
            continue
        if match[1] and not path.exists():
            os.rename(found, path)
            print(f"{path}: an export that was killed had moved it.", file=sys.stderr)
        else:
            shutil.rmtree(found)


def _is_at_work(pid):
    """Whether another process has this number."""
    if pid == os.getpid():
        return False
    try:
        os.kill(pid, 0)  # Signal 0 only asks.
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


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

"""Locks a folder that only one process at a time may write to."""

import contextlib
import errno
import fcntl
import os
import socket
import sys

from sagan_tf.errors import BadInput
from sagan_tf.files import naming

# A training holds this lock of its run directory.
LOCK = "run.lock"
# The errors of a file system without locks.
_NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL)


class InUse(Exception):
    """Another process holds the lock. The text says which process."""


@contextlib.contextmanager
def claim(path):
    """Locks a file and yields it open, so that a child process may inherit it.

    The system releases the lock when the last process that has the file open ends, even
    by SIGKILL, so nobody has to find out whether the owner is alive. The lock holds
    across machines if the network file system passes `flock` on, as NFS does. The file
    stays: removing it would let two processes lock two files of one name.

    Args:
        path: path of the lock file; its folder must exist.

    Raises:
        InUse: another process has locked it.
        OSError: the file cannot be opened.
    """
    with naming(path), open(path, "a+", encoding="utf-8", errors="replace") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            raise InUse(file.read().strip() or "another process") from None
        except OSError as error:
            if error.errno not in _NO_LOCKS:
                raise
            print(
                f"warning: {path} cannot be locked ({error.strerror}). Make sure that "
                "no other process writes to this folder.",
                file=sys.stderr,
            )
        file.truncate(0)
        file.write(f"process {os.getpid()} on {socket.gethostname()} or its child\n")
        file.flush()
        yield file


@contextlib.contextmanager
def locked_run(workdir, workers):
    """Makes a run directory and keeps other trainings out of it.

    Args:
        workdir: `pathlib.Path`.
        workers: `Workers`; only the chief locks, for all of them.

    Raises:
        BadInput: another training uses the directory.
        OSError: the directory cannot be made or written.
    """
    if not workers.is_chief:
        yield
        return
    workdir.mkdir(parents=True, exist_ok=True)
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(claim(workdir / LOCK))
        except InUse as other:
            raise BadInput(
                f"{workdir} must not be in use. Received: {other} is training it. Try "
                "again when that has ended, or another --workdir."
            ) from None
        yield

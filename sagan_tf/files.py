"""Text files that are whole or absent, and errors that name the file."""

import contextlib
import os

TEMPORARY = ".tmp"


def write_text(path, text):
    """Writes a text file: whole, or not at all.

    Args:
        path: where to; the folder exists already.
        text: str.

    Raises:
        OSError: it cannot be written.
    """
    temporary = f"{os.fspath(path)}.{os.getpid()}{TEMPORARY}"
    try:
        with naming(path), open(temporary, "w", encoding="utf-8") as file:
            file.write(text)
        os.replace(temporary, path)
    finally:
        # Still there only if something failed.
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)


def append_text(path, text):
    """Adds to the end of a text file.

    Raises:
        OSError: it cannot be written.
    """
    with naming(path), open(path, "a", encoding="utf-8") as file:
        file.write(text)


@contextlib.contextmanager
def naming(path):
    """Adds the path to an error that names no file, as that of a full disk."""
    try:
        yield
    except OSError as error:
        if error.filename is not None or error.errno is None:
            raise
        raise OSError(error.errno, error.strerror, os.fspath(path)) from error

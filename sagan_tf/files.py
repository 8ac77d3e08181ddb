"""Files that are whole or absent, and errors that name the file."""

import contextlib
import os

TEMPORARY = ".tmp"


@contextlib.contextmanager
def replacing(path):
    """Lets a file be written under a temporary name, which becomes its own at the end.

    If the body fails or is interrupted, what was at `path` before stays as it was, and
    nothing is left beside it.

    Args:
        path: where to; the folder exists already.

    Yields:
        str, the temporary name in the same folder, for the body to write to.

    Raises:
        OSError: it cannot be written; the error names `path` if it named no file.
    """
    temporary = f"{os.fspath(path)}.{os.getpid()}{TEMPORARY}"
    try:
        with naming(path):
            yield temporary
            os.replace(temporary, path)
    finally:
        # Still there only if something failed, or somebody pressed Ctrl-C.
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)


def write_text(path, text):
    """Writes a text file: whole, or not at all.

    Args:
        path: where to; the folder exists already.
        text: str.

    Raises:
        OSError: it cannot be written.
    """
    with replacing(path) as temporary, open(temporary, "w", encoding="utf-8") as file:
        file.write(text)


def append_lines(path, text):
    """Adds lines to the end of a text file.

    A last line without its end, which a killed process has left, is taken away first.

    Args:
        path: of the file, which need not exist yet.
        text: str, whole lines.

    Raises:
        OSError: it cannot be written.
    """
    with naming(path), open(path, "ab+") as file:
        if file.seek(0, os.SEEK_END):
            file.seek(-1, os.SEEK_END)
            if file.read(1) != b"\n":
                file.seek(0)
                file.truncate(file.read().rfind(b"\n") + 1)
        file.write(text.encode())


@contextlib.contextmanager
def naming(path):
    """Adds the path to an error that names no file, as that of a full disk."""
    try:
        yield
    except OSError as error:
        if error.filename is not None or error.errno is None:
            raise
        raise OSError(error.errno, error.strerror, os.fspath(path)) from error

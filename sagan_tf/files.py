"""Writes files and folders completely or not at all; errors name the file."""

import contextlib
import errno
import hashlib
import os
import pathlib
import re
import shutil
import stat
import sys
import tempfile

TEMPORARY = ".tmp"


@contextlib.contextmanager
def replacing(path):
    """Replaces a file with one that the body writes under a temporary name.

    If the body fails or is interrupted, `path` stays as it was, and nothing is left
    beside it. A link stays, and its target is replaced. A device or a pipe stays too:
    it receives the bytes when the body has ended.

    Args:
        path: of the file; its folder must exist.

    Yields:
        str, the temporary name, in the same folder.

    Raises:
        OSError: the file cannot be written. An error that named no file names `path`.
    """
    if is_stream(path):
        with tempfile.TemporaryDirectory() as folder, naming(path):
            yield (temporary := os.path.join(folder, "file"))
            with open(temporary, "rb") as file, open(path, "ab") as stream:
                shutil.copyfileobj(file, stream)
        return
    target = os.path.realpath(path)
    if os.path.isdir(target):
        raise IsADirectoryError(
            errno.EISDIR, os.strerror(errno.EISDIR), os.fspath(path)
        )
    temporary = f"{target}.{os.getpid()}{TEMPORARY}"
    try:
        with naming(path):
            yield temporary
            os.replace(temporary, target)
    finally:
        # It still exists if something failed, or somebody pressed Ctrl-C.
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)


def is_stream(path):
    """Returns True for a device, a pipe or the like, which must not be replaced."""
    # /dev/stdout may be a link to a regular file that other processes write to.
    if os.path.abspath(path).startswith(("/dev/std", "/dev/fd/")):
        return True
    return os.path.exists(path) and not (os.path.isfile(path) or os.path.isdir(path))


def check_writable(path, make_parents=False):
    """Checks that a file can be written, before the work that fills it.

    Args:
        path: of the file, which stays as it is.
        make_parents: bool, whether parents may be missing because the caller makes
            them when it writes.

    Raises:
        OSError: the file cannot be written.
    """
    if is_stream(path):
        return  # Opening a pipe would wait for its reader.
    parents = pathlib.Path(path).parents if make_parents else ()
    missing = [parent for parent in parents if not parent.exists()]
    was_there = os.path.exists(path)
    try:
        for parent in reversed(missing):
            parent.mkdir()
        with naming(path), open(path, "ab"):
            pass
        if not was_there:
            os.unlink(os.path.realpath(path))
    finally:
        for parent in missing:
            if parent.exists():
                parent.rmdir()


def write_text(path, text):
    """Writes a text file, completely or not at all.

    Args:
        path: of the file; its folder must exist.
        text: str.

    Raises:
        OSError: the file cannot be written.
    """
    with replacing(path) as temporary, open(temporary, "w", encoding="utf-8") as file:
        file.write(text)


def append_lines(path, text):
    """Adds lines to the end of a text file.

    If a killed process has left an incomplete last line of JSON, it is removed first.
    Any other last line stays, and gets its newline.

    Args:
        path: of the file, which need not exist yet.
        text: str, whole lines.

    Raises:
        OSError: the file cannot be written.
    """
    if is_stream(path):
        with naming(path), open(path, "ab") as file:
            file.write(text.encode())
        return
    with naming(path), open(path, "ab+") as file:
        if file.seek(0, os.SEEK_END):
            file.seek(-1, os.SEEK_END)
            if file.read(1) != b"\n":
                file.seek(0)
                before, newline, last = file.read().rpartition(b"\n")
                if last.startswith(b"{") and not last.endswith(b"}"):
                    file.truncate(len(before + newline))
                else:
                    file.write(b"\n")
        file.write(text.encode())


@contextlib.contextmanager
def naming(path):
    """Adds the path to an error that names no file, e.g. the error of a full disk."""
    try:
        yield
    except OSError as error:
        if error.filename is not None or error.errno is None:
            raise
        raise OSError(error.errno, error.strerror, os.fspath(path)) from error


@contextlib.contextmanager
def replacing_folder(path, flush=False):
    """Replaces a folder with one that the body fills under a temporary name.

    If the body fails or is interrupted, `path` stays as it was, and nothing is left
    beside it. A killed process leaves its temporary folder. The next process that
    writes to `path` removes that folder, or moves back the folder that was replaced.

    Args:
        path: of the folder; missing parents are made.
        flush: bool, whether to flush the files to disk before the folder is renamed.

    Yields:
        `pathlib.Path` of an empty folder beside `path`.

    Raises:
        OSError: the folder cannot be written. An error that named no file names `path`.
    """
    path = pathlib.Path(os.path.realpath(path))
    temporary = path.with_name(f"{path.name}.{os.getpid()}{TEMPORARY}")
    missing = [p for p in (path.parent, *path.parent.parents) if not p.exists()]
    try:
        with naming(path):
            tidy_up(path)
            path.parent.mkdir(parents=True, exist_ok=True)
            temporary.mkdir()
            yield temporary
            if flush:
                for file in (*temporary.iterdir(), temporary):
                    flush_to_disk(file)
            _rename_folder(temporary, path)
            if flush:
                flush_to_disk(path.parent)
    finally:
        # They still exist if something failed, or somebody pressed Ctrl-C.
        shutil.rmtree(temporary, ignore_errors=True)
        for folder in missing:
            with contextlib.suppress(OSError):  # It is in use.
                folder.rmdir()


def flush_to_disk(path):
    """Writes a file's bytes, or a folder's names, from the system's memory to disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sha256_of_file(path):
    """Returns the SHA-256 of a file: str of 64 hexadecimal digits."""
    digest = hashlib.sha256()
    with naming(path), open(path, "rb") as file:
        while chunk := file.read(2**20):
            digest.update(chunk)
    return digest.hexdigest()


def _rename_folder(temporary, path):
    """Gives a finished folder its name, and removes the folder that had the name."""
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


def is_real_folder(path):
    """Returns True if a path is a folder itself, not a link to a folder."""
    try:
        return stat.S_ISDIR(os.lstat(path).st_mode)
    except FileNotFoundError:
        return False


def tidy_up(path):
    """Removes what killed writers of a path left, or moves back what they replaced."""
    name = re.compile(rf"{re.escape(path.name)}\.(old\.)?(\d+){re.escape(TEMPORARY)}")
    for entry in path.parent.iterdir() if path.parent.is_dir() else ():
        match = name.fullmatch(entry.name)
        is_ours = match is not None and is_real_folder(entry)
        if not is_ours or _is_another_process(int(match[2])):
            continue
        if match[1] and not path.exists():
            os.rename(entry, path)
            print(f"{path} is back: a killed process had moved it.", file=sys.stderr)
        else:
            shutil.rmtree(entry)


def _is_another_process(pid):
    """Returns True if a process other than this one has this number."""
    try:
        os.kill(pid, 0)  # Signal 0 only asks.
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return pid != os.getpid()

"""Explains errors of the system and of TensorFlow, and says what to do."""

import errno
import os
import re
import sys

from sagan_tf.errors import BadInput

# What to try, by the number of the system's error.
_REMEDIES = {
    errno.ENOSPC: "another disk, or free some space: the disk is full",
    errno.EDQUOT: "another disk, or free some space: your share of it is used up",
    errno.EFBIG: "another disk, or a higher limit (ulimit -f): the file is too large",
    errno.EACCES: "another path, or change its permissions",
    errno.EPERM: "another path, or change its permissions",
    errno.EROFS: "another path: nothing can be written there",
    errno.ENOENT: "a path that exists",
    errno.EISDIR: "the path of a file: this is a folder",
    errno.ENOTDIR: "another path: a part of it is a file, not a folder",
    errno.EEXIST: "another path, or remove what is there",
    errno.ENOTEMPTY: "another path, or remove what is there",
    errno.ENAMETOOLONG: "a shorter name",
    errno.ELOOP: "another path: its links lead in a circle",
    errno.EIO: "another disk: this one fails",
    errno.EMFILE: "a higher limit of open files (ulimit -n)",
    errno.ENFILE: "fewer programs at a time",
    errno.ENOMEM: "smaller sizes, or a machine with more memory",
    errno.EBUSY: "again when no other program uses it, or a folder inside it if it is "
    "a mount point",
    errno.ETXTBSY: "again when no other program uses it",
}
# Letters to keep at either end of a long word.
_ENDS = 100
_LITTLE_MEMORY = (
    "There is too little memory. Received: {}. Try smaller sizes (--batch_size, "
    "--resolution, --generator_channels), or a machine with more memory."
)


def explained():
    """Returns the types of exceptions that `explain` may explain: tuple.

    They include TensorFlow's if TensorFlow is loaded. It is not loaded for this.
    """
    tensorflow = sys.modules.get("tensorflow")
    errors = getattr(tensorflow, "errors", None)
    return BadInput, OSError, MemoryError, *([errors.OpError] if errors else [])


def explain(error):
    """Explains an exception in one line; returns `None` if it is a bug.

    Args:
        error: one of `explained()`.
    """
    if isinstance(error, BadInput):
        text = str(error)
    elif isinstance(error, OSError):
        text = _of_system(error)
    elif isinstance(error, MemoryError):
        text = _LITTLE_MEMORY.format(str(error).strip(". ") or "a size that exceeds it")
    else:
        text = _of_tensorflow(error)
    if text is None:
        return None
    # Our text may quote TensorFlow's, which names the operation.
    text = re.sub(r"\{\{.*?\}\}\s*", "", text)
    text = re.sub(r"\s*\[Op:\w+\]( name:)?", ".", text)
    return " ".join(map(_shortened, text.split()))


def _shortened(word):
    """Shortens a word to fit a line: a user may have typed thousands of digits."""
    return word if len(word) <= 2 * _ENDS else f"{word[:_ENDS]}...{word[-_ENDS:]}"


def _of_system(error):
    if error.errno is None or not error.strerror:
        return str(error) or type(error).__name__
    path = "" if error.filename is None else f": {os.fspath(error.filename)}"
    remedy = _REMEDIES.get(error.errno)
    return f"{error.strerror}{path}." + (f" Try {remedy}." if remedy else "")


def _of_tensorflow(error):
    """Explains a system error that TensorFlow reports without its number."""
    text = error.message or ""
    for number, remedy in _REMEDIES.items():
        if os.strerror(number) in text:
            path = re.search(r"(?<=[\s}:])(/[^\s;:]*)|^(/[^\s;:]*)", text)
            where = f": {path[0]}" if path else ""
            return f"{os.strerror(number)}{where}. Try {remedy}."
    if type(error).__name__ == "ResourceExhaustedError":
        what = re.search(r"OOM when allocating [^.]*?(?= on | by |\.|$)", text)
        return _LITTLE_MEMORY.format(what[0] if what else "what TensorFlow allocates")
    return None

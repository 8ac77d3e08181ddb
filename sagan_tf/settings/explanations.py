"""What the system and TensorFlow report, in words that say what to do."""

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
    errno.EBUSY: "again when no other program uses it or, of a mount point, a folder "
    "inside it",
    errno.ETXTBSY: "again when no other program uses it",
}
# Letters that are kept of either end of a long word.
_ENDS = 100
_LITTLE_MEMORY = (
    "There is too little memory. Received: {}. Try smaller sizes (--batch_size, "
    "--resolution, --generator_channels), or a machine with more memory."
)


def explained():
    """The types of exceptions that `explain` may have words for: tuple.

    TensorFlow's are among them if it is loaded; it is not loaded for this.
    """
    tensorflow = sys.modules.get("tensorflow")
    errors = getattr(tensorflow, "errors", None)
    return BadInput, OSError, MemoryError, *([errors.OpError] if errors else [])


def explain(error):
    """One line about an exception, or `None` if it is a bug.

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
    # TensorFlow's own words may stand within ours: which operation it was.
    text = re.sub(r"\{\{.*?\}\}\s*", "", text)
    text = re.sub(r"\s*\[Op:\w+\]( name:)?", ".", text)
    return " ".join(map(_shortened, text.split()))


def _shortened(word):
    """A word that fits a line: somebody may have given thousands of digits."""
    return word if len(word) <= 2 * _ENDS else f"{word[:_ENDS]}...{word[-_ENDS:]}"


def _of_system(error):
    if error.errno is None or not error.strerror:
        return str(error) or type(error).__name__
    path = "" if error.filename is None else f": {os.fspath(error.filename)}"
    remedy = _REMEDIES.get(error.errno)
    return f"{error.strerror}{path}." + (f" Try {remedy}." if remedy else "")


def _of_tensorflow(error):
    """TensorFlow's files report what the system says, without its number."""
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

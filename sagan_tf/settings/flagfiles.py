"""Expands the flagfiles of a command line; records where each argument stands."""

import os
import re
from typing import NamedTuple

from sagan_tf.errors import BadInput

_DIRECTIVES = ("--flagfile", "-flagfile")
# A flagfile is small: a larger file is something else, or does not end.
_MOST_BYTES = 2**20
# What a shell would remove from a line: its pattern, the problem, what was meant.
_OF_A_SHELL = (
    (r"(.*\S)\s+#(\s.*)?", "must have comments on lines of their own only", r"\1"),
    (r"(.*\S)\s+\\", "must have no \\ at the end of a line: no shell reads it", r"\1"),
    (r"([^=]+=)([\"'])(.*)\2", "must have no quotes: no shell reads it", r"\1\3"),
)
_BYTE_ORDER_MARKS = (
    (b"\xef\xbb\xbf", "utf-8-sig"),
    (b"\xff\xfe", "utf-16"),  # Windows PowerShell writes it.
    (b"\xfe\xff", "utf-16"),
)


class Argument(NamedTuple):
    """An argument: its text, and the file and line that it comes from, if any."""

    text: str
    place: str = ""


def expand(arguments, takes_value):
    """Replaces each `--flagfile=FILE` by the lines of the file.

    A flagfile has one flag per line. Blank lines and those that start with # or // are
    left out. It may name other flagfiles. A flag and its value in two arguments become
    one.

    Args:
        arguments: list of str, without the command itself.
        takes_value: function that returns True if a name is a flag that needs a value.

    Returns:
        List of `Argument`.

    Raises:
        BadInput: a file cannot be read, is not text, names itself, or is written for a
            shell; or an argument is not UTF-8.
    """
    return _expand([Argument(text) for text in arguments], takes_value, ())


def _expand(arguments, takes_value, files):
    expanded, rest = [], iter(arguments)
    for text, place in rest:
        _check_text(text, place)
        name = text.lstrip("-")
        if text in _DIRECTIVES or (text.startswith("-") and takes_value(name)):
            value = next(rest, None)
            if value is None:
                raise BadInput(f"--{name} needs a value{place}. Try --{name}=VALUE.")
            _check_text(value.text, value.place)
            text = f"--{name}={value.text}"
        directive, equals, file = text.partition("=")
        if equals and directive in _DIRECTIVES:
            file = os.path.expanduser(file)
            if os.path.abspath(file) in files:
                raise BadInput(
                    f"A flagfile must not name itself{place}. Received: "
                    f"--flagfile={file}. Try without this line."
                )
            lines = _lines(file, place)
            expanded += _expand(lines, takes_value, (*files, os.path.abspath(file)))
        else:
            expanded.append(Argument(text, place))
    return expanded


def _check_text(text, place):
    try:
        text.encode()
    except UnicodeEncodeError:
        raise BadInput(
            f"Arguments must be UTF-8{place}. Received: {ascii(text)}. Try another "
            "name for the file or the folder."
        ) from None


def _lines(file, place):
    """The `Argument` of each line of a flagfile."""
    lines = []
    for number, line in enumerate(_text(file, place).splitlines(), 1):
        line = line.strip()
        if line and not line.startswith(("#", "//")):
            lines.append(Argument(line, f" (line {number} of {file})"))
            _check_line(*lines[-1])
    return lines


def _check_line(line, place):
    for pattern, problem, meant in _OF_A_SHELL:
        match = re.fullmatch(pattern, line)
        if match:
            raise BadInput(
                f"A flagfile {problem}{place}. Received: {line}. Try "
                f"{match.expand(meant)}."
            )


def _text(file, place):
    try:
        with open(file, "rb") as stream:
            content = stream.read(_MOST_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise BadInput(
            f"flagfile must be a file that can be read{place}. Received: "
            f"--flagfile={file} ({reason}). Try --flagfile=configs/digits.flags."
        ) from None
    marks = (name for mark, name in _BYTE_ORDER_MARKS if content.startswith(mark))
    encoding = next(marks, "utf-8")
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError:
        text = None
    if text is None or "\0" in text or len(content) > _MOST_BYTES:
        raise BadInput(
            f"flagfile must be UTF-8 text with one flag per line{place}. Received: "
            f"--flagfile={file}, which is something else. Try saving it as UTF-8, or "
            "--flagfile=configs/digits.flags."
        )
    return text

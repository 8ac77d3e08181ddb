"""What both clients have in common: the pictures asked for, files, and errors.

Needs nothing but Python, so that it can be copied to where the pictures are wanted.
"""

import argparse
import contextlib
import os
import sys

# What the signatures take for "z from the whole normal distribution, as in training".
NO_TRUNCATION = 0.0
# Of labels and seeds: an int32, which the labels are.
LARGEST = 2**31 - 1


class NotAnswered(Exception):
    """Why there are no pictures, in one line."""


def unreachable(server, reason):
    """The `NotAnswered` of a server that is away, or too slow."""
    return NotAnswered(
        f"{server} does not answer: {reason}. Try docker compose -f docker/serving/"
        "compose.yaml up --wait, another --server, or a longer --timeout."
    )


def refused(server, code, reason):
    """The `NotAnswered` of a server that says no."""
    return NotAnswered(f"{server} refused ({code}): {reason}")


class _Parser(argparse.ArgumentParser):
    def error(self, message):
        """Complains in one line, without the usage above it."""
        self.exit(2, f"error: {message} (--help lists all options)\n")


def numbers(text):
    """Reads numbers and ranges: `"3,7,10-12"` is 3, 7, 10, 11, 12."""
    found = []
    for part in text.split(","):
        first, dash, last = part.strip().partition("-")
        last = last if dash else first
        known = first.isdecimal() and last.isdecimal()
        if not (known and int(first) <= int(last) <= LARGEST):
            raise argparse.ArgumentTypeError(
                f"must be numbers up to {LARGEST} and rising ranges, with commas. "
                f"Received: {text!r}. Try 0-7 or 3,5"
            )
        found += range(int(first), int(last) + 1)
    return found


def positive(kind):
    """A parser of numbers above 0: `int` or `float`."""

    def parse(text):
        with contextlib.suppress(ValueError):
            if 0 < kind(text) < float("inf"):
                return kind(text)
        name = "whole number" if kind is int else "number"
        raise argparse.ArgumentTypeError(
            f"must be a {name} above 0. Received: {text!r}"
        )

    return parse


def command_line(about, port):
    """The options that both clients have, with the port of the one's protocol.

    Args:
        about: str, what `--help` says above the options.
        port: int, where the server is by default.

    Returns:
        `argparse.ArgumentParser`.
    """
    parser = _Parser(
        description=about,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("--server", default=f"localhost:{port}", help="host:port (%(default)s)")
    add("--model", default="sagan", help="its name in models.config (%(default)s)")
    add("--version", type=positive(int), help="a version of it (the newest)")
    add("--seeds", type=numbers, default="0-7", help="0-7 or 3,7,10-12 (%(default)s)")
    add(
        "--labels",
        type=numbers,
        default=[],
        help="as --seeds; leave out for a model without classes",
    )
    add(
        "--truncation",
        type=positive(float),
        default=NO_TRUNCATION,
        help="z from a normal distribution cut at 2 and times this (none)",
    )
    add(
        "--batch_size",
        type=positive(int),
        default=8,
        help="pictures in one request, at most batching.config's max_batch_size "
        "(%(default)s)",
    )
    add(
        "--timeout",
        type=positive(float),
        default=60.0,
        help="seconds for one request (%(default)s)",
    )
    return parser


def wanted(options):
    """The pictures asked for: (label, seed) pairs, label after label.

    Without labels the label is `None`.
    """
    return [
        (label, seed) for label in options.labels or [None] for seed in options.seeds
    ]


def requests(options):
    """The inputs of one request after the other, as the signatures name them.

    Returns:
        List of dict of input name to list, with one entry a picture.
    """
    pictures = wanted(options)
    found = []
    for start in range(0, len(pictures), options.batch_size):
        part = pictures[start : start + options.batch_size]
        inputs = {
            "seeds": [seed for _, seed in part],
            "truncation": [options.truncation] * len(part),
        }
        if options.labels:
            inputs["labels"] = [label for label, _ in part]
        found.append(inputs)
    return found


def write_file(path, data):
    """Writes bytes: the whole file, or nothing."""
    temporary = f"{path}.{os.getpid()}.tmp"
    try:
        with open(temporary, "wb") as file:
            file.write(data)
        os.replace(temporary, path)
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)


def run(draw, options):
    """Runs a client.

    Args:
        draw: function of the options that fetches and writes the pictures.
        options: what `command_line` has parsed.

    Returns:
        The exit status: 0, or 2 after one line about what went wrong.
    """
    try:
        draw(options)
    except (NotAnswered, OSError) as error:
        print("error: " + " ".join(str(error).split()), file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 128 + 2
    return 0

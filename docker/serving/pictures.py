"""What both clients share: the requested images, files, and errors.

It needs only Python, so you can copy it to any machine.
"""

import argparse
import contextlib
import os
import sys

# The signatures' value for "z from the whole normal distribution, as in training".
NO_TRUNCATION = 0.0
# The largest label or seed: labels are int32.
LARGEST = 2**31 - 1


class NotAnswered(Exception):
    """Explains in one line why there are no images."""


def unreachable(server, reason):
    """Returns the `NotAnswered` for a server that is unreachable or too slow."""
    return NotAnswered(
        f"{server} does not answer: {reason}. Try docker compose -f docker/serving/"
        "compose.yaml up --wait, another --server, or a longer --timeout."
    )


def refused(server, code, reason):
    """Returns the `NotAnswered` for a server that refuses a request."""
    return NotAnswered(f"{server} refused ({code}): {reason}")


class _Parser(argparse.ArgumentParser):
    def error(self, message):
        """Prints an error in one line, without the usage text."""
        self.exit(2, f"error: {message} (--help lists all options)\n")


def numbers(text):
    """Reads numbers and ranges: `"3,7,10-12"` is 3, 7, 10, 11, 12."""
    result = []
    for part in text.split(","):
        first, dash, last = part.strip().partition("-")
        last = last if dash else first
        known = first.isdecimal() and last.isdecimal()
        if not (known and int(first) <= int(last) <= LARGEST):
            raise argparse.ArgumentTypeError(
                f"must be numbers up to {LARGEST} and rising ranges, with commas. "
                f"Received: {text!r}. Try 0-7 or 3,5"
            )
        result += range(int(first), int(last) + 1)
    return result


def positive(kind):
    """Returns a parser of numbers above 0: `int` or `float`."""

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
    """Returns the parser for the options of both clients.

    Args:
        about: str, the text of `--help` above the options.
        port: int, the default port of the server.

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
    add("--model", default="sagan", help="name in models.config (%(default)s)")
    add("--version", type=positive(int), help="version of the model (the newest)")
    add("--seeds", type=numbers, default="0-7", help="0-7 or 3,7,10-12 (%(default)s)")
    add(
        "--labels",
        type=numbers,
        default=[],
        help="like --seeds; leave out for a model without classes",
    )
    add(
        "--truncation",
        type=positive(float),
        default=NO_TRUNCATION,
        help="factor of z, which is cut at 2 standard deviations (none)",
    )
    add(
        "--batch_size",
        type=positive(int),
        default=8,
        help="images in one request, at most batching.config's max_batch_size "
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
    """Returns the requested images: (label, seed) pairs, label after label.

    Without labels, the label is `None`.
    """
    return [
        (label, seed) for label in options.labels or [None] for seed in options.seeds
    ]


def requests(options):
    """Returns the inputs of all requests, under the names of the signatures.

    Returns:
        List of dict of input name to list, with one entry per image.
    """
    images = wanted(options)
    batches = []
    for start in range(0, len(images), options.batch_size):
        part = images[start : start + options.batch_size]
        inputs = {
            "seeds": [seed for _, seed in part],
            "truncation": [options.truncation] * len(part),
        }
        if options.labels:
            inputs["labels"] = [label for label, _ in part]
        batches.append(inputs)
    return batches


def write_file(path, data):
    """Writes the whole file, or nothing."""
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
        draw: function of the options that fetches and writes the images.
        options: the options that `command_line` parsed.

    Returns:
        The exit status: 0, or 2 after a one-line error.
    """
    try:
        draw(options)
    except (NotAnswered, OSError) as error:
        print("error: " + " ".join(str(error).split()), file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 128 + 2
    return 0

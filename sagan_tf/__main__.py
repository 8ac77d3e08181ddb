"""All commands under one name.

sagan train --flagfile=configs/digits.flags --workdir=runs/digits

is the same as python -m sagan_tf.train with these flags. sagan COMMAND --help lists the
flags of a command.
"""

import difflib
import importlib
import sys

from sagan_tf.errors import BAD_INPUT, FINISHED

COMMANDS = (
    "train",
    "sample",
    "evaluate",
    "report",
    "attention",
    "export",
    "plan",
    "train_classifier",
    "reference_statistics",
    "import_weights",
    "ablate",
)


def main(argv=None):
    """Runs the command that the first argument names; returns its exit status."""
    argv = sys.argv if argv is None else argv
    name, *arguments = argv[1:] or ["--help"]
    if name in ("--help", "-help", "-h", "help"):
        print(_help())
        return FINISHED
    if name not in COMMANDS:
        close = difflib.get_close_matches(name, COMMANDS, 1)
        print(
            f"error: The first argument must be one of {', '.join(COMMANDS)}. "
            f"Received: {name}. Try sagan {close[0] if close else '--help'}.",
            file=sys.stderr,
        )
        return BAD_INPUT
    return importlib.import_module(f"sagan_tf.{name}").main([name, *arguments])


def _help():
    lines = [__doc__.strip(), "", "commands:"]
    for name in COMMANDS:
        about = importlib.import_module(f"sagan_tf.{name}").__doc__
        lines.append(f"  {name:<22}{about.splitlines()[0]}")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())

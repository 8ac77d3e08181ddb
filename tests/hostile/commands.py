"""Commands, run in this process."""

import importlib

from sagan_tf.settings import command


def module(name):
    return importlib.import_module(f"sagan_tf.{name}")


def flags_of(name):
    """Returns a command's flags with their defaults: `absl.flags.FlagValues`."""
    return command.parse([name], module(name)._define)


def refused(capsys, name, *arguments):
    """Returns the line with which a command refuses its arguments."""
    status = module(name).main([name, *arguments])
    captured = capsys.readouterr()
    assert (status, captured.out) == (2, ""), f"{name} {arguments}"
    assert captured.err.startswith("error: ")
    assert captured.err.count("\n") == 1, captured.err
    return captured.err.removeprefix("error: ").rstrip("\n")

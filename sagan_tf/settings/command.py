"""Command lines: the flags of a `Config`, `--help`, and how a command ends.

absl rejects a line of a flagfile that the running command has not defined, so all
commands that read a config's flagfile share `define_flags`.
"""

import dataclasses
import importlib
import os
import sys
import tempfile
import textwrap

from absl import flags

from sagan_tf.errors import BAD_INPUT, BROKEN_PIPE, FINISHED, INTERRUPTED, BadInput
from sagan_tf.settings.checks import value_type
from sagan_tf.settings.config import Config

_GROUPS = ("data", "networks", "training", "evaluation", "run")
_NAME_WIDTH = 44


class _FieldParser(flags.ArgumentParser):
    """Turns a flag's text into the value of a config field."""

    def __init__(self, field):
        super().__init__()
        self._kind, self._optional = value_type(field)
        self.flag_type = lambda: str(self._kind)

    def parse(self, argument):
        """The value; absl passes defaults, which are no text, through here too."""
        if not isinstance(argument, str):
            return argument
        text = argument.strip()
        try:
            if self._kind == tuple[int, ...]:
                return self._parse_sizes(text)
            if self._optional and text.lower() == "none":
                return None
            return self._kind(text)
        except ValueError:
            name = getattr(self._kind, "__name__", "numbers")
            wanted = "numbers with commas" if name == "tuple" else name
            raise BadInput(
                f"must be {wanted}{' or none' if self._optional else ''}. "
                f"Received: {argument!r}."
            ) from None

    def _parse_sizes(self, text):
        # For sizes, `none` says "no attention", which is not "unset".
        if self._optional and text.lower() == "same":
            return None
        if text.lower() in ("none", ""):
            return ()
        return tuple(int(size) for size in text.split(","))


def define_flags(values):
    """Defines one flag for each field of `Config`.

    Args:
        values: `absl.flags.FlagValues` that receives them.
    """
    for field in dataclasses.fields(Config):
        group, text = field.metadata["group"], field.metadata["help"]
        if field.type is bool:
            flags.DEFINE_bool(
                field.name, field.default, text, flag_values=values, module_name=group
            )
        else:
            if field.metadata["choices"]:
                text += ": " + ", ".join(str(c) for c in field.metadata["choices"])
            flags.DEFINE(
                _FieldParser(field),
                field.name,
                field.default,
                text,
                flag_values=values,
                module_name=group,
            )


def config_from_flags(values, networks=True):
    """The validated `Config` of parsed flags.

    Args:
        values: `absl.flags.FlagValues`.
        networks: bool; False for a command that builds none: attention, whose default
            does not go with every resolution, is left out.

    Raises:
        BadInput: see `Config.validate`.
    """
    fields = {f.name: values[f.name].value for f in dataclasses.fields(Config)}
    if not networks:
        fields["attention_resolution"] = ()
        fields["discriminator_attention_resolution"] = None
    return Config(**fields).validate()


def required(values, name, example):
    """The value of a flag that has no default.

    Raises:
        BadInput: it was not given.
    """
    value = values[name].value
    if not value:
        raise BadInput(f"--{name} is needed. Try --{name}={example}.")
    return value


def parse(argv, define):
    """Parses a command line.

    Args:
        argv: list of str, the command itself first.
        define: function that defines the command's flags in the `FlagValues` it gets.

    Returns:
        `absl.flags.FlagValues`; each command has its own, nothing is global.

    Raises:
        BadInput: unknown flag, unusable value, or an argument that is not a flag.
    """
    values = flags.FlagValues()
    define(values)
    try:
        rest = values(argv)[1:]
    except flags.Error as error:
        raise BadInput(f"{error}") from None
    if rest:
        raise BadInput(
            "All arguments, and all lines of a flagfile, are flags and start with --. "
            f"Received: {' '.join(rest)}. Try --{rest[0].lstrip('-')}."
        )
    return values


def run_command(main, define, about, argv=None):
    """Runs a command and says how it ended.

    Args:
        main: function of the parsed flags that returns the exit status.
        define: see `parse`.
        about: the text above the flags in `--help`.
        argv: list of str; default: the process's own.

    Returns:
        The exit status: 0 finished, 2 bad input (one line on stderr says what), or
        what `main` returns. A bug ends in a traceback, with status 1.
    """
    # Before a command imports TensorFlow. What matters of its messages comes as errors.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    argv = sys.argv if argv is None else argv
    try:
        if any(argument in ("--help", "-help", "-h") for argument in argv[1:]):
            print(help_text(define, about), flush=True)
            return FINISHED
        return main(parse(argv, define))
    except BrokenPipeError:  # Whoever read the output, `head` perhaps, has gone.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return BROKEN_PIPE
    except (BadInput, OSError) as error:
        return _complain(error)
    except KeyboardInterrupt:
        return INTERRUPTED


def load(name):
    """Imports a module that imports TensorFlow, without its start-up messages.

    They come from below Python, before any setting can reach them, and are shown only
    if the import fails.

    Args:
        name: str, e.g. `"sagan_tf.training.loop"`.

    Returns:
        The module.
    """
    sys.stderr.flush()
    terminal = os.dup(2)
    with tempfile.TemporaryFile() as messages:
        os.dup2(messages.fileno(), 2)
        module = None
        try:
            module = importlib.import_module(name)
        finally:
            os.dup2(terminal, 2)
            os.close(terminal)
            if module is None:
                messages.seek(0)
                os.write(2, messages.read())
    return module


def _complain(error):
    print("error: " + " ".join(str(error).split()), file=sys.stderr)
    return BAD_INPUT


def help_text(define, about):
    """The text of `--help`: every flag with its default, the command's own first."""
    values = flags.FlagValues()
    define(values)
    modules = values.flags_by_module_dict()
    own = [name for name in modules if name not in _GROUPS]
    lines = [about.strip()]
    for module in (*own, *(group for group in _GROUPS if group in modules)):
        title = "this command" if module in own else module
        lines += ["", f"{title}:"]
        for flag in modules[module]:
            lines += _flag_lines(flag)
    lines += ["", "More flags can be read from a file: --flagfile=FILE, one a line."]
    return "\n".join(lines)


def _flag_lines(flag):
    if flag.boolean:
        default = {None: "none", True: "yes", False: "no"}[flag.default]
        name = f"--[no]{flag.name} ({default})"
    else:
        name = f"--{flag.name}={_as_text(flag)}"
    text = textwrap.wrap(flag.help, 88 - _NAME_WIDTH)
    head = f"  {name}".ljust(_NAME_WIDTH)
    if len(head) > _NAME_WIDTH:
        return [head, *(" " * _NAME_WIDTH + line for line in text)]
    return [head + text[0], *(" " * _NAME_WIDTH + line for line in text[1:])]


def _as_text(flag):
    default = flag.default
    if isinstance(default, tuple):
        return ",".join(str(size) for size in default)
    if default is None:
        return "same" if flag.name.startswith("discriminator_attention") else "none"
    return str(default)

"""Command lines: the flags of a `Config`, `--help`, and how a command ends."""

import dataclasses
import importlib
import os
import sys
import tempfile
import textwrap

from absl import flags

from sagan_tf.errors import BAD_INPUT, BROKEN_PIPE, FINISHED, INTERRUPTED, BadInput
from sagan_tf.settings.checks import item_type, value_type
from sagan_tf.settings.config import GROUPS, Config

_NAME_WIDTH = 44


class _FieldParser(flags.ArgumentParser):
    """Turns a flag's text into the value of a config field."""

    def __init__(self, field):
        super().__init__()
        self._kind, self._optional = value_type(field)
        self.flag_type = lambda: str(self._kind)

    def parse(self, argument):
        """The value. absl also passes defaults, which are no text, through here."""
        if not isinstance(argument, str):
            return argument
        text = argument.strip().lower()
        item = item_type(self._kind)
        # For sizes, `none` means "no attention", and `same` that they are not set.
        if self._optional and text == ("same" if item else "none"):
            return None
        try:
            if not item:
                return self._kind(argument.strip())
            parts = [] if text in ("none", "") else text.split(",")
            return tuple(item(part.strip()) for part in parts)
        except ValueError:
            wanted = "numbers with commas" if item else self._kind.__name__
            raise BadInput(
                f"must be {wanted}{' or none' if self._optional else ''}. "
                f"Received: {argument!r}."
            ) from None


def define_flags(values):
    """Defines one flag for each field of `Config`.

    absl rejects a line of a flagfile that the running command has not defined, so all
    commands that read the flagfile of a config share this function.

    Args:
        values: `absl.flags.FlagValues` that receives them.
    """
    for field in dataclasses.fields(Config):
        group, text = field.metadata["group"], field.metadata["help"]
        if field.metadata["choices"]:
            text += f" ({', '.join(map(str, field.metadata['choices']))})"
        where = {"flag_values": values, "module_name": group}
        if field.type is bool:
            flags.DEFINE_bool(field.name, field.default, text, **where)
        else:
            parser = _FieldParser(field)
            flags.DEFINE(parser, field.name, field.default, text, **where)


def config_from_flags(values, networks=True):
    """The validated `Config` of parsed flags.

    Args:
        values: `absl.flags.FlagValues`.
        networks: bool; False for a command that builds no networks. It has no
            attention, whose default does not go with every resolution.

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
        define: function that defines the command's flags in a `FlagValues`.

    Returns:
        `absl.flags.FlagValues` of this command alone; nothing is global.

    Raises:
        BadInput: a flag is unknown, a value is wrong, or an argument is not a flag.
    """
    values = flags.FlagValues()
    define(values)
    try:
        rest = values(argv)[1:]
    except flags.Error as error:
        raise BadInput(f"{error}") from None
    if rest:
        raise BadInput(
            "All arguments, and all lines of a flagfile, must start with --. "
            f"Received: {' '.join(rest)}. Try --{rest[0].lstrip('-')}."
        )
    return values


def run_command(main, define, about, argv=None):
    """Runs a command.

    Args:
        main: function of the parsed flags that returns the exit status.
        define: see `parse`.
        about: the text above the flags in `--help`.
        argv: list of str; default: the process's own.

    Returns:
        The exit status: what `main` returns, or 2 for bad input, which one line on
        stderr explains. A bug ends in a traceback, with status 1.
    """
    # Before a command imports TensorFlow. Important messages arrive as exceptions.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    argv = sys.argv if argv is None else argv
    try:
        if any(argument in ("--help", "-help", "-h") for argument in argv[1:]):
            print(help_text(define, about), flush=True)
            return FINISHED
        return main(parse(argv, define))
    except BrokenPipeError:  # The reader of the output, `head` perhaps, has ended.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return BROKEN_PIPE
    except (BadInput, OSError) as error:
        print("error: " + " ".join(str(error).split()), file=sys.stderr)
        return BAD_INPUT
    except KeyboardInterrupt:
        return INTERRUPTED


def load(name):
    """Imports a module that imports TensorFlow, and hides its start-up messages.

    They do not come from Python, and no setting stops them. They are shown if the
    import fails.

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


def help_text(define, about):
    """The text of `--help`: every flag with its default, the command's own first."""
    values = flags.FlagValues()
    define(values)
    modules = values.flags_by_module_dict()
    own = [name for name in modules if name not in GROUPS]
    lines = [about.strip()]
    for module in own + [group for group in GROUPS if group in modules]:
        lines += ["", f"{'this command' if module in own else module}:"]
        for flag in modules[module]:
            lines += _flag_lines(flag)
    lines += ["", "More flags can be read from a file: --flagfile=FILE, one a line."]
    return "\n".join(lines)


def _flag_lines(flag):
    if flag.boolean:
        word = {None: "none", True: "yes", False: "no"}[flag.default]
        name = f"[no]{flag.name} ({word})"
    else:
        name = f"{flag.name}={as_text(flag.name, flag.default)}"
    head, margin = f"  --{name}".ljust(_NAME_WIDTH), " " * _NAME_WIDTH
    fits = len(head) == _NAME_WIDTH
    text = textwrap.wrap(
        flag.help,
        width=88,
        initial_indent=head if fits else margin,
        subsequent_indent=margin,
        break_on_hyphens=False,
    )
    return text if fits else [head, *text]


def as_text(name, value):
    """The value of a flag as it is typed: str."""
    if isinstance(value, tuple):
        return ",".join(map(str, value)) or "none"
    if value is None:
        return "same" if name.startswith("discriminator_attention") else "none"
    return str(value)

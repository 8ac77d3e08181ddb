"""Command lines: the flags of a `Config`, `--help`, and how a command ends."""

import dataclasses
import importlib
import os
import re
import sys
import tempfile
import textwrap

from absl import flags

from sagan_tf.errors import BAD_INPUT, BROKEN_PIPE, FINISHED, INTERRUPTED, BadInput
from sagan_tf.hub import find_run
from sagan_tf.settings import checks, explanations, flagfiles, unknown_flags
from sagan_tf.settings.checks import MOST, MOST_WHOLE, as_text
from sagan_tf.settings.config import GROUPS, Config
from sagan_tf.settings.network_fields import NETWORK_FIELDS, check_starting_weights

_NAME_WIDTH = 44
_NAMES = {int: "int (a whole number)", float: "float (a number)"}


class _FieldParser(flags.ArgumentParser):
    """Turns a flag's text into the value of a config field."""

    def __init__(self, field):
        super().__init__()
        self._field = field
        self._kind, self._optional = checks.value_type(field)
        self.flag_type = lambda: str(self._kind)

    def parse(self, argument):
        """Returns the value. absl also passes defaults, which are not text."""
        if not isinstance(argument, str):
            return argument
        text = argument.strip().lower()
        item = checks.item_type(self._kind)
        # For sizes, `none` means "no attention", and `same` that they are not set.
        if self._optional and text == ("same" if item else "none"):
            return None
        try:
            if item:
                parts = [] if text in ("none", "") else text.split(",")
                value = tuple(item(part.strip()) for part in parts)
            else:
                value = self._kind(argument.strip())
        except ValueError:
            wanted = "numbers with commas" if item else _NAMES[self._kind]
            name = self._field.name
            default = as_text(name, self._field.default)
            raise BadInput(
                f"{name} must be {wanted}{' or none' if self._optional else ''}. "
                f"Received: {argument!r}. Try --{name}={default}."
            ) from None
        # A classifier has choices that a run does not have.
        if not self._field.metadata["choices"]:
            checks.check_field(self._field, value)
        return value


def define_flags(values):
    """Defines one flag for each field of `Config`.

    absl rejects a flag in a flagfile that the running command has not defined, so all
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


def config_from_flags(values, networks=True, before=None, source=None):
    """Returns the validated `Config` of parsed flags.

    Args:
        values: `absl.flags.FlagValues`.
        before: `Config` of a run that resumes: flags that are not given have its
            values. `None` for the defaults of `Config`.
        networks: bool; False for a command that builds no networks. Its config has no
            attention, whose default does not fit every resolution.
        source: `Config` of the run whose weights a new run starts with: network
            settings that are not given are its own, except the number of classes.

    Raises:
        BadInput: see `Config.validate` and `check_starting_weights`.
    """
    names = [field.name for field in dataclasses.fields(Config)]
    fields = {name: values[name].value for name in names}
    if before is not None:
        fields |= {n: getattr(before, n) for n in names if not values[n].present}
        # Other data have other classes. A run without classes keeps none.
        if values["dataset"].present and not values["num_classes"].present:
            fields["num_classes"] = None if before.num_classes else 0
        if not fields["mode_seeking_weight"]:
            fields["mode_seeking_distance"] = values.mode_seeking_distance
    if source is not None:
        own = {"num_classes", *(n for n in NETWORK_FIELDS if values[n].present)}
        fields |= {n: getattr(source, n) for n in NETWORK_FIELDS if n not in own}
        check_starting_weights(source, Config(**fields))
    if not networks:
        fields["attention_resolution"] = ()
        fields["discriminator_attention_resolution"] = None
    return Config(**fields).validate()


def required(values, name, example):
    """Returns the value of a flag that has no default.

    Raises:
        BadInput: the flag was not given.
    """
    value = values[name].value
    if not value:
        raise BadInput(f"--{name} is needed. Try --{name}={example}.")
    return value


def check_workdir(path):
    """Refuses a run folder that TensorFlow could never read.

    Raises:
        BadInput: its path has characters of a pattern.
    """
    path = os.path.realpath(path)
    if set("[*?\\") & set(path):
        raise BadInput(
            "--workdir must have none of [ * ? \\ in its whole path: TensorFlow takes "
            f"the paths of checkpoints for patterns. Received: {path}. Try another "
            "name, as in --workdir=runs/digits."
        )


def new_config(values):
    """Returns the `Config` of a new run, which may start with another run's weights.

    Args:
        values: `absl.flags.FlagValues`.

    Raises:
        BadInput: see `config_from_flags`; or there is no such run.
    """
    source = None
    if values.initialize_from:
        # TensorFlow takes seconds to load, so the address is checked first.
        path = find_run(values.initialize_from)
        source = load("sagan_tf.run.initialization").read_source(path)
    return config_from_flags(values, source=source)


def parse(argv, define):
    """Parses a command line; `~/` at the start of a path becomes the home folder.

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

    def takes_value(name):
        return name == "undefok" or (name in values and not values[name].boolean)

    arguments = flagfiles.expand(argv[1:], takes_value)
    # absl accepts the unknown flags that this one names.
    excused = [text for text, _ in arguments if text.startswith("--undefok=")]
    for number, (text, place) in enumerate(arguments):
        if not text.startswith("-") or not text.strip("-").partition("=")[0]:
            others = arguments[number : number + 1 if place else None]
            rest = " ".join(argument.text for argument in others)
            # The line may come from a page that turns -- into another dash.
            name = re.fullmatch(r"[-\u2013\u2014]*(\w+=.*)", text, re.DOTALL)
            raise BadInput(
                "All arguments, and all lines of a flagfile, must start with --. "
                f"Received: {rest}{place}. Try --{name[1] if name else 'help'}."
            )
        try:
            values([argv[0], *excused, text])
            _check_number(values, text)
        except flags.UnrecognizedFlagError as error:
            name = error.flagname
            raise BadInput(
                f"There is no flag --{name} in this command{place}. "
                f"{unknown_flags.answer(name, values)}"
            ) from None
        except (flags.Error, ValueError) as error:
            raise BadInput(_about_value(values, text, place, error)) from None
    values([argv[0]])
    for name in values:
        value = values[name].value
        # Shells keep the ~ in --workdir=~/runs and in --dataset=folder:~/images.
        match = re.fullmatch(r"(\w+:)?(~/.*)", value) if type(value) is str else None
        if match:
            values[name].value = (match[1] or "") + os.path.expanduser(match[2])
    return values


def _check_number(values, text):
    """Refuses numbers that absl accepts: NaN, infinity, and those out of bounds."""
    name = text.lstrip("-").partition("=")[0]
    bounds = _bounds(values[name].parser) if name in values else None
    if bounds:
        value = values[name].value
        for number in value if isinstance(value, list) else [value]:
            if not bounds[0] <= number <= bounds[1]:
                raise ValueError(number)


def _bounds(parser):
    """Returns the least and the largest value of a command's number, or `None`."""
    if not isinstance(parser, (flags.IntegerParser, flags.FloatParser)):
        return None
    most = MOST_WHOLE if isinstance(parser, flags.IntegerParser) else MOST
    least, largest = parser.lower_bound, parser.upper_bound
    return -most if least is None else least, most if largest is None else largest


def _about_value(values, text, place, error):
    """Says what is wrong with the value of a flag, and where it stands: str."""
    name = text.lstrip("-").partition("=")[0]
    flag = values[name if name in values else name.removeprefix("no")]
    reason = error.__context__
    if isinstance(reason, BadInput):  # A field of `Config`.
        return str(reason) + (f" See {place.strip(' ()')}." if place else "")
    received = f"Received: --{text.lstrip('-')}{place}."
    default = flag.default[0] if isinstance(flag.default, list) else flag.default
    if flag.boolean:
        name = flag.name
        return f"{name} must be true or false. {received} Try --{name} or --no{name}."
    bounds = _bounds(flag.parser)
    if bounds:
        is_whole = isinstance(flag.parser, flags.IntegerParser)
        kind = "a whole number" if is_whole else "a number"
        least, most = (f"{bound:.10g}" for bound in bounds)
        wanted = f"{kind} from {least} to {most}"
        example = least if default is None else default
    elif hasattr(flag.parser, "enum_values"):
        wanted = f"one of {', '.join(flag.parser.enum_values)}"
        example = default or flag.parser.enum_values[0]
    else:
        # The words of a validator of `absl`.
        _, separator, words = str(error).partition("should be ")
        wanted = words.rstrip(".") if separator else "what --help says"
        example = default
    return f"{flag.name} must be {wanted}. {received} Try --{flag.name}={example}."


def run_command(main, define, about, argv=None):
    """Runs a command.

    Args:
        main: function of the parsed flags that returns the exit status.
        define: see `parse`.
        about: the text above the flags in `--help`.
        argv: list of str; default: those of the process.

    Returns:
        The exit status: what `main` returns, or 2 for bad input, which one line on
        stderr explains. A bug ends in a traceback, with status 1.
    """
    _open_closed_streams()
    # Set before TensorFlow is imported. Important messages arrive as exceptions.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    argv = sys.argv if argv is None else argv
    if hasattr(sys.stdout, "reconfigure"):  # A terminal may not know every letter.
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        if any(argument in ("--help", "-help", "-h") for argument in argv[1:]):
            print(help_text(define, about), flush=True)
            return FINISHED
        return main(parse(argv, define))
    except BrokenPipeError:  # The reader of the output, such as `head`, has ended.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return BROKEN_PIPE
    except explanations.explained() as error:
        line = explanations.explain(error)
        if line is None:
            raise
        print(f"error: {line}", file=sys.stderr)
        return BAD_INPUT
    except KeyboardInterrupt:
        return INTERRUPTED


def _open_closed_streams():
    """Opens streams that the caller closed (>&-), or files would take their place."""
    while (number := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(number)
    for number, name in enumerate(("stdout", "stderr"), 1):
        if getattr(sys, name) is None:
            setattr(sys, name, open(number, "w", closefd=False))


def load(name):
    """Imports a module that imports TensorFlow, and hides its start-up messages.

    The messages do not come from Python, and no setting stops them. They are shown if
    the import fails.

    Args:
        name: str, e.g. `"sagan_tf.training.loop"`.

    Returns:
        The module.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
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
    """Returns the text of `--help`: flags with defaults, the command's own first."""
    values = flags.FlagValues()
    define(values)
    modules = values.flags_by_module_dict()
    own = [name for name in modules if name not in GROUPS]
    lines = [about.strip()]
    for module in own + [group for group in GROUPS if group in modules]:
        lines += ["", f"{'this command' if module in own else module}:"]
        for flag in modules[module]:
            lines += _flag_lines(flag)
    lines += ["", "More flags can be read from a file, one per line: --flagfile=FILE."]
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

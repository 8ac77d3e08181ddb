"""Reads and writes the JSON files of a run, and plots those that grow by lines.

A *form* says what a JSON value must be: a type or a tuple of types; a list of one
form, for a list whose entries all have it; or a dict of key to form, for an object. A
key that ends in `?` may be missing. The form of `...` holds for all other keys.
"""

import functools
import json
import math
import os
import pathlib
import re
import stat
import sys

from sagan_tf.drawing import plots
from sagan_tf.errors import BadInput
from sagan_tf.files import naming, write_text

EVALUATIONS = "evaluations.jsonl"

NUMBER = (int, float, type(None))
TEXT = (str, type(None))
# Lines of metrics.jsonl, health.jsonl and evaluations.jsonl.
MEASURED = {"step": int, "time?": str, ...: NUMBER}
LOOK = {
    **MEASURED,
    "complaints?": [str],
    **dict.fromkeys(("diversity", "logit_gap"), NUMBER),
    **dict.fromkeys(("gradient_norm_g", "gradient_norm_d"), NUMBER),
}
EVALUATION = {
    "subject?": str,
    "step": (int, type(None)),
    "num_fake?": int,
    "num_real?": int,
    "protocol": {"name": str},
    "network": {"name": str, "hash?": str},
    "reference?": {"content_hash?": TEXT},
    "metrics": {...: NUMBER},
    "warnings?": [str],
    "images_per_second?": (int, float),
}
_FORMS = {"metrics.jsonl": MEASURED, "health.jsonl": LOOK}


def read_json(path, form):
    """Returns the content of a JSON file.

    Args:
        path: path of the file.
        form: the form of the content, see the module's docstring.

    Raises:
        BadInput: its text is not UTF-8, not JSON or of another form.
        OSError: the file cannot be read.
    """
    path = pathlib.Path(path)
    with naming(path):
        is_file = stat.S_ISREG(os.stat(path).st_mode)
        content = path.read_bytes() if is_file else None
    if content is None:
        raise BadInput(f"{path} is damaged: it is not a regular file.")
    value, problem = parsed(content, form)
    if problem:
        raise BadInput(
            f"{path} is damaged: {problem}. Try a backup copy of it, or repeat the "
            "command that wrote it."
        )
    return value


def find_json(path, form):
    """Returns the result of `read_json`, or `None` if there is no such file."""
    return read_json(path, form) if pathlib.Path(path).exists() else None


def read_metrics(path, form=None):
    """Reads the lines of a .jsonl file: list of dicts.

    A half-written last line is left out. A damaged line is left out too, and named on
    stderr once per process: a damaged log does not stop the work that it is about.

    Args:
        path: path of the file. If it does not exist, there are no lines.
        form: the form of a line, see the module's docstring; default: that of the
            file's name, `EVALUATION` for names that we did not choose.

    Raises:
        OSError: it cannot be read.
    """
    path = pathlib.Path(path)
    if form is None:
        form = _FORMS.get(path.name, EVALUATION)
    if not path.exists():
        return []
    with naming(path):
        lines = path.read_bytes().splitlines(keepends=True)
    values = []
    for number, line in enumerate(lines, 1):
        if not line.endswith(b"\n") or not line.strip():
            continue
        value, problem = parsed(line.strip(), form)
        if problem:
            _warn(f"{path}, line {number}, is left out: {problem}.")
        else:
            values.append(value)
    return values


def is_missing(recorded, every, step):
    """Returns True if a run has reached a step of an interval without a record of it.

    Args:
        recorded: the steps that have a record.
        every: int, steps between records; 0 for never.
        step: int, of the checkpoint that the run resumes from; 0 for none.
    """
    return bool(every) and step > 0 and step % every == 0 and step not in recorded


def find_grids(workdir):
    """Finds the sample grids of a run: dict of step to path, sorted by step."""
    name = re.compile(r"step_(\d{1,18})\.png")
    paths = {
        int(match[1]): path
        for path in (pathlib.Path(workdir) / "samples").glob("*.png")
        if (match := name.fullmatch(path.name))
    }
    return dict(sorted(paths.items()))


def keep_lines(path, last_step):
    """Removes the lines after a step, and damaged ones, from a .jsonl file.

    Args:
        path: `pathlib.Path`; the file need not exist.
        last_step: int.

    Returns:
        The remaining lines: list of dicts.

    Raises:
        OSError: the file cannot be read or written.
    """
    kept = [line for line in read_metrics(path) if line["step"] <= last_step]
    text = "".join(map(json_line, kept))
    if path.exists() and path.read_bytes() != text.encode():
        write_text(path, text)
    return kept


def parsed(content, form):
    """Returns the value of JSON bytes, and what is wrong with it (str or `None`).

    `form` is the form of the value, see the module's docstring.
    """
    try:
        value = json.loads(content.decode())
    except UnicodeDecodeError:
        return None, "its text is not UTF-8"
    except (ValueError, RecursionError) as error:
        return None, f"it is not JSON ({error})"
    return value, _problem(value, form)


def _problem(value, form, where="it"):
    """Says what is wrong with a value, and where: str, or `None`."""
    if isinstance(form, list):
        if not isinstance(value, list):
            return f"{where} must be a list, not {_shown(value)}"
        each = (_problem(v, form[0], f"entry {i} of it") for i, v in enumerate(value))
        return next(filter(None, each), None)
    if not isinstance(form, dict):
        if isinstance(value, form):
            return None
        kinds = set(form) if isinstance(form, tuple) else {form}
        kinds -= {int} if float in kinds else set()
        names = " or ".join(name for kind, name in _NAMES.items() if kind in kinds)
        return f"{where} must be {names}, not {_shown(value)}"
    if not isinstance(value, dict):
        return f"{where} must be an object, not {_shown(value)}"
    start = "" if where == "it" else f"{where}."
    required = [key for key in form if key is not ... and not key.endswith("?")]
    if missing := [f"{start}{key}" for key in required if key not in value]:
        return f"it has no {', '.join(missing)}"
    problems = (
        _problem(v, form.get(k, form.get(f"{k}?", form.get(..., object))), start + k)
        for k, v in value.items()
    )
    return next(filter(None, problems), None)


_NAMES = {
    int: "a whole number",
    float: "a number",
    str: "text",
    list: "a list",
    dict: "an object",
    bool: "true or false",
    type(None): "null",
}


def _shown(value):
    text = json.dumps(value)
    return text if len(text) < 40 else f"{text[:36]} ..."


@functools.cache
def _warn(text):
    print(f"warning: {text}", file=sys.stderr)


def json_line(record):
    """Writes a record as a line of JSON, in which NaN and infinity are null."""
    return json.dumps(_strict(record), allow_nan=False) + "\n"


def _strict(value):
    if isinstance(value, dict):
        return {name: _strict(each) for name, each in value.items()}
    is_number = not isinstance(value, float) or math.isfinite(value)
    return value if is_number else None


def scalars(evaluation):
    """Returns the values of an evaluation by the names that loggers show: dict.

    Args:
        evaluation: dict, a line of evaluations.jsonl.
    """
    protocol, network = evaluation["protocol"]["name"], evaluation["network"]["name"]
    prefix = f"evaluation/{protocol}/{network}"
    return {f"{prefix}/{name}": v for name, v in evaluation["metrics"].items()}


def draw_metrics(workdir):
    """Draws metrics.png of a run, if it has metrics or evaluations."""
    workdir = pathlib.Path(workdir)
    metrics = read_metrics(workdir / "metrics.jsonl")
    evaluations = read_metrics(workdir / EVALUATIONS)
    if metrics or evaluations:
        path = workdir / "metrics.png"
        plots.write_metrics_plot(path, metrics, evaluations, workdir.name)

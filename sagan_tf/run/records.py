"""The files of a run that grow by lines of JSON, and their plot."""

import json
import math
import pathlib

from sagan_tf.drawing import plots
from sagan_tf.errors import BadInput

EVALUATIONS = "evaluations.jsonl"


def read_metrics(path):
    """The lines of a .jsonl file: list of dicts. A half-written last one is left out.

    Args:
        path: `pathlib.Path`; without the file there are no lines.

    Raises:
        BadInput: another line is damaged.
    """
    if not path.exists():
        return []
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    try:
        return [json.loads(line) for line in lines if line.endswith("\n")]
    except ValueError as error:
        raise BadInput(f"{path} is damaged: {error}") from error


def json_line(record):
    """A record as a line of JSON, in which NaN and infinity are null."""
    strict = {
        name: None if isinstance(value, float) and not math.isfinite(value) else value
        for name, value in record.items()
    }
    return json.dumps(strict, allow_nan=False) + "\n"


def draw_metrics(workdir):
    """Draws metrics.png of a run, if it has metrics or evaluations."""
    workdir = pathlib.Path(workdir)
    metrics = read_metrics(workdir / "metrics.jsonl")
    evaluations = read_metrics(workdir / EVALUATIONS)
    if metrics or evaluations:
        path = workdir / "metrics.png"
        plots.write_metrics_plot(path, metrics, evaluations, workdir.name)

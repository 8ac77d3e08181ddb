"""Writes a report about a run: report.html, which holds its images, and report.md.

python -m sagan_tf.report --workdir=runs/mine

It shows the data, generated images beside real ones, the training's curves, the metrics
and what they mean, a walk from class to class and the nearest training images. It also
evaluates the newest checkpoint, if that was not done before. A training with --report
writes a report at its end.
"""

import sys

from absl import flags

from sagan_tf.errors import FINISHED
from sagan_tf.hub import find_own_run
from sagan_tf.settings.command import load, required, run_command


def _define(values):
    flags.DEFINE_string("workdir", None, "folder of the run", flag_values=values)
    about = "evaluate the newest checkpoint, if that was not done before"
    flags.DEFINE_bool("evaluate", True, about, flag_values=values)


def _report(values):
    workdir = find_own_run(required(values, "workdir", "runs/digits"))
    reports = load("sagan_tf.reports.report")
    print(f"Report: {reports.write_report(workdir, values.evaluate)}")
    return FINISHED


def main(argv=None):
    """Runs the command; returns its exit status."""
    return run_command(_report, _define, __doc__, argv)


if __name__ == "__main__":
    sys.exit(main())

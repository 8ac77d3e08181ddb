"""Sends the metrics of a run to Weights & Biases and MLflow.

They are read from the files of the run, so a logger shows what metrics.jsonl and
evaluations.jsonl hold, at their steps. The Keras callbacks of the two packages
(`WandbMetricsLogger`, `mlflow.tensorflow.MlflowCallback`) count batches and epochs from
0 whenever a run resumes, and know neither evaluations nor grids.
"""

import json
import math
import os
import re
import sys

from sagan_tf.errors import FINISHED, STOPPED, BadInput, missing_packages
from sagan_tf.files import write_text
from sagan_tf.run.records import (
    EVALUATIONS,
    find_grids,
    find_json,
    read_metrics,
    scalars,
)
from sagan_tf.training.callbacks.step_callback import StepCallback

# In the workdir: the run of each logger, and what was sent to it.
STATE = "loggers.json"
_SENT = {"run": str, "metrics": int, "samples": int, "evaluations": int}


def check_installed(names):
    """Raises `BadInput` if the package of a logger is missing.

    Args:
        names: values of `--logger`, which are the names of the packages.
    """
    for name in missing_packages(names):
        raise BadInput(
            f"--logger={name} needs the package {name}. Received: it is not "
            f"installed. Try pip install 'sagan-tf[{name}]', or without it."
        )


class RunLog(StepCallback):
    """Sends new metrics, evaluations and sample grids at intervals and at the end.

    A resumed run continues the runs that loggers.json names, and sends the values after
    its checkpoint again. If a logger fails, a warning is printed, and the logger gets
    the missed values at the next interval. This callback must come after those that
    write the files.

    Args:
        every: int, steps.
        workdir: `pathlib.Path`.
        settings: dict of the run's config.
        sinks: dict of name to class, of `SINKS`.
    """

    def __init__(self, every, workdir, settings, sinks):
        super().__init__(every)
        self._workdir = workdir
        self._settings = settings
        self._classes = sinks

    def on_train_begin(self, logs=None):
        super().on_train_begin(logs)
        known = find_json(self._workdir / STATE, {...: _SENT}) or {}
        self._sinks, self._sent = {}, {**known}
        for name, make in self._classes.items():
            sent = known.get(name, {"metrics": -1, "samples": -1, "evaluations": 0})
            sink = make(self._workdir, self._settings, sent.get("run"))
            last = {key: min(sent[key], self.step()) for key in ("metrics", "samples")}
            self._sinks[name] = sink
            self._sent[name] = {**sent, **last, "run": sink.run_id}

    def at_step(self, step, logs):
        metrics = read_metrics(self._workdir / "metrics.jsonl")
        evaluations = read_metrics(self._workdir / EVALUATIONS)
        grids = find_grids(self._workdir)
        for name, sink in self._sinks.items():
            sent = self._sent[name]
            try:
                for record in metrics:
                    if record["step"] > sent["metrics"]:
                        sink.log(_numbers(record), record["step"])
                for record in evaluations[sent["evaluations"] :]:
                    if record["step"] is not None:
                        sink.log(_numbers(scalars(record)), record["step"])
                for number, path in grids.items():
                    if number > sent["samples"]:
                        sink.draw(path, number)
            except sink.errors as error:
                reason = " ".join(str(error).split())
                print(f"warning: {name} received nothing: {reason}", file=sys.stderr)
                continue
            sent["metrics"] = max([sent["metrics"], *(r["step"] for r in metrics)])
            sent["samples"] = max([sent["samples"], *grids])
            sent["evaluations"] = len(evaluations)
        write_text(self._workdir / STATE, json.dumps(self._sent, indent=2) + "\n")

    def on_train_end(self, logs=None):
        self.at_step(self.step(), logs)
        stop = getattr(self.model, "stop", None)
        for sink in self._sinks.values():
            sink.close(FINISHED if stop is None else stop.status)


def _numbers(record):
    """Returns the named values that are finite numbers, without the step."""
    return {
        name: value
        for name, value in record.items()
        if name != "step" and isinstance(value, (int, float)) and math.isfinite(value)
    }


class WandbSink:
    """A run of Weights & Biases.

    Its x axis is `step`, not W&B's own counter, which accepts no step twice.

    Args:
        workdir: `pathlib.Path` of the run.
        settings: dict of the run's config.
        run_id: str, the run to continue; `None` for a new one.

    Raises:
        BadInput: W&B cannot be used.
    """

    def __init__(self, workdir, settings, run_id):
        import wandb

        self._wandb, self.errors = wandb, wandb.Error
        try:
            self._run = wandb.init(
                project=os.environ.get("WANDB_PROJECT", "sagan_tf"),
                name=workdir.name,
                id=run_id,
                resume="allow",
                dir=str(workdir),
            )
        except wandb.Error as error:
            raise BadInput(
                "--logger=wandb needs Weights & Biases. Received: "
                f"{str(error).rstrip('.')}. Try wandb login, or WANDB_MODE=offline."
            ) from error
        self._run.config.update(settings, allow_val_change=True)
        self._run.define_metric("*", step_metric="step")
        self.run_id = self._run.id

    def log(self, values, step):
        """Sends a dict of name to number, the values of a step."""
        self._run.log({**values, "step": step})

    def draw(self, path, step):
        """Sends a sample grid."""
        self._run.log({"samples": self._wandb.Image(str(path)), "step": step})

    def close(self, status):
        """Ends the run with an exit status of this package."""
        self._run.finish(exit_code=0 if status == STOPPED else status)


class MLflowSink:
    """A run of MLflow. Arguments and errors are those of `WandbSink`."""

    def __init__(self, workdir, settings, run_id):
        import mlflow

        self._mlflow, self.errors = mlflow, mlflow.exceptions.MlflowException
        try:
            run = mlflow.start_run(run_id=run_id, run_name=workdir.name)
            if run_id is None:  # The parameters of a resumed run cannot change.
                mlflow.log_params(settings)
        except self.errors as error:
            raise BadInput(
                "--logger=mlflow needs a store of runs. Received: "
                f"{str(error).rstrip('.')}. Try another MLFLOW_TRACKING_URI."
            ) from error
        self.run_id = run.info.run_id

    def log(self, values, step):
        """Sends values like `WandbSink`. MLflow allows few characters in names."""
        named = {re.sub(r"[^\w\-. :/]", "_", n): value for n, value in values.items()}
        self._mlflow.log_metrics(named, step=step)

    def draw(self, path, step):
        """Sends a sample grid. The name of the file has the step."""
        self._mlflow.log_artifact(str(path), "samples")

    def close(self, status):
        """Ends the run like `WandbSink`."""
        self._mlflow.end_run(
            {FINISHED: "FINISHED", STOPPED: "KILLED"}.get(status, "FAILED")
        )


SINKS = {"wandb": WandbSink, "mlflow": MLflowSink}


def make_run_logs(names, every, workdir, settings):
    """Returns a list with the `RunLog` of `--logger`; empty without loggers."""
    sinks = {name: SINKS[name] for name in names if name in SINKS}
    return [RunLog(every, workdir, settings, sinks)] if sinks else []

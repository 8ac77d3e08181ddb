"""Looks after a training: says in plain words when it goes wrong, and stops it."""

import json
import sys

from sagan_tf import health
from sagan_tf.callbacks import StepCallback
from sagan_tf.checkpoints import Checkpoints
from sagan_tf.files import append_lines, write_text

HEALTH = "health.jsonl"
# Folders of a run directory, each with one checkpoint.
HEALTHY, COLLAPSED = "healthy", "collapsed"
ACTIONS = ("warn", "stop", "rollback")
# One bad look may be chance.
_LOOKS = 2


class CollapseWatch(StepCallback):
    """Examines the model at intervals, and warns of what goes wrong.

    Each look adds a line of figures (see `health.Examiner`) to health.jsonl. What is
    wrong is printed when it begins and when it has gone. A collapse that two looks in a
    row have seen stops the training, if that is asked for.

    Args:
        every: int, steps between looks; 0 for never.
        batch: `health.FixedBatch`.
        workdir: `pathlib.Path` of the run.
        writer: `CheckpointWriter`.
        checkpoints: `Checkpoints` of the run.
        on_collapse: `"warn"`; `"stop"`; or `"rollback"`: stop, and let the run go on
            from the checkpoint of the last look that found nothing to complain of,
            which is kept in healthy/. The collapsed one goes to collapsed/.

    Attributes:
        reason: a line that says why the training was stopped, or `None`.
    """

    def __init__(self, every, batch, workdir, writer, checkpoints, on_collapse="warn"):
        super().__init__(every)
        self._batch = batch
        self._workdir = workdir
        self._writer = writer
        self._checkpoints = checkpoints
        self._on_collapse = on_collapse
        self._looks = []
        self._open = {}
        self._bad_looks = 0
        self.reason = None

    def on_train_begin(self, logs=None):
        """Reads the looks before the step from which this run goes on."""
        super().on_train_begin(logs)
        self._examiner = health.Examiner(self.model, self._batch)
        path = self._workdir / HEALTH
        if path.exists():
            lines = path.read_text(encoding="utf-8").splitlines()
            looks = [json.loads(line) for line in lines]
            self._looks = [look for look in looks if look["step"] <= self.step()]
            if len(self._looks) < len(looks):
                text = "".join(json.dumps(look) + "\n" for look in self._looks)
                write_text(path, text)

    def at_step(self, step, logs):
        """Looks, notes and complains."""
        figures = self._examiner.examine()
        found = health.complaints(figures, self._looks)
        look = {"step": step, **figures, "complaints": [each.kind for each in found]}
        append_lines(self._workdir / HEALTH, json.dumps(look) + "\n")
        self._looks.append(look)
        self._say(step, {each.kind: each for each in found})
        collapse = next((each for each in found if each.is_collapse), None)
        self._bad_looks = 0 if collapse is None else self._bad_looks + 1
        if self._on_collapse == "warn":
            return
        if self._bad_looks >= _LOOKS:
            self.reason = f"Collapsed by step {step:,}. {collapse.text}"
            self.model.stop_training = True
        elif self._on_collapse == "rollback" and not found and self._writer.write_now():
            self._checkpoints.keep_aside(step, self._workdir / HEALTHY)

    def roll_back(self):
        """After the training: puts the last healthy checkpoint in place of all others.

        Returns:
            Its step, or `None` if there is none or nothing was to be rolled back.
        """
        healthy = Checkpoints(self._workdir / HEALTHY)
        step = healthy.newest_good()
        if self.reason is None or self._on_collapse != "rollback" or step is None:
            return None
        newest = self._checkpoints.newest_good()
        if newest is not None and newest != step:
            self._checkpoints.keep_aside(newest, self._workdir / COLLAPSED)
        healthy.keep_aside(step, self._workdir / "checkpoints")
        return step

    def _say(self, step, found):
        for kind, complaint in found.items():
            if kind not in self._open:
                print(f"\nwarning, step {step:,}: {complaint.text}", file=sys.stderr)
        for kind in self._open:
            if kind not in found:
                print(f"\nstep {step:,}: {kind} is well again.", file=sys.stderr)
        self._open = found

"""Looks after a training: says in plain words when it goes wrong, and stops it."""

import sys

from sagan_tf.drawing import plots
from sagan_tf.errors import BadInput
from sagan_tf.files import append_lines, write_text
from sagan_tf.run.checkpoints import Checkpoints
from sagan_tf.run.records import json_line, read_metrics
from sagan_tf.training import complaints, examiner
from sagan_tf.training.callbacks.step_callback import StepCallback

HEALTH, PICTURE = "health.jsonl", "health.png"
# Folders of a run directory, each with one checkpoint.
HEALTHY, COLLAPSED = "healthy", "collapsed"
ACTIONS = ("warn", "stop", "rollback")
# One bad look may be chance.
_LOOKS = 2


class CollapseWatch(StepCallback):
    """Examines the model at intervals, and warns of what goes wrong.

    What is wrong is printed when it begins or gets worse, and when it has gone. A
    collapse that two looks in a row have seen stops the training, if that is asked for.
    In a notebook:

        batch = health.make_fixed_batch(images[:32], labels[:32], z_dim=128)
        watch = CollapseWatch(every=100, batch=batch)
        model.fit(dataset, callbacks=[watch])

    Args:
        every: int, steps between looks; 0 for never.
        batch: `health.FixedBatch`.
        workdir: `pathlib.Path` of the run, which gets health.jsonl, a line of figures
            (see `health.Examiner`) for each look, and health.png; `None` for neither.
        on_collapse: `"warn"`; `"stop"`; or `"rollback"`: stop, and let the run go on
            from the checkpoint of the last look that found nothing to complain of,
            which is kept in healthy/. The collapsed one goes to collapsed/.
        writer: `CheckpointWriter`, for `"rollback"`.
        checkpoints: `Checkpoints` of the run, for `"rollback"`.

    Attributes:
        looks: list of dicts: `step`, figures by name, `complaints`.
        reason: a line that says why the training was stopped, or `None`.

    Raises:
        BadInput: `on_collapse` is unknown, or has nothing to roll back.
    """

    def __init__(
        self,
        every,
        batch,
        workdir=None,
        on_collapse="warn",
        writer=None,
        checkpoints=None,
    ):
        super().__init__(every)
        if on_collapse not in ACTIONS:
            raise BadInput(
                f"on_collapse must be one of {', '.join(ACTIONS)}. "
                f"Received: {on_collapse!r}."
            )
        if on_collapse == "rollback" and None in (workdir, writer, checkpoints):
            raise BadInput(
                "on_collapse='rollback' needs workdir, writer and checkpoints. "
                f"Received: {workdir!r}, {writer!r}, {checkpoints!r}. "
                "Try on_collapse='stop'."
            )
        self._batch = batch
        self._workdir = workdir
        self._writer = writer
        self._checkpoints = checkpoints
        self._on_collapse = on_collapse
        self._open = {}
        self._bad_looks = 0
        self.looks = []
        self.reason = None

    def on_train_begin(self, logs=None):
        """Reads the looks before the step from which this run goes on."""
        super().on_train_begin(logs)
        self._examiner = examiner.Examiner(self.model, self._batch)
        self.reason = None
        if self._workdir is not None:
            path = self._workdir / HEALTH
            looks = read_metrics(path)
            self.looks = [look for look in looks if look["step"] <= self.step()]
            if len(self.looks) < len(looks):
                write_text(path, "".join(map(json_line, self.looks)))
        self._bad_looks = self._count_bad_looks()

    def _count_bad_looks(self):
        """How many looks in a row, up to now, have seen a collapse."""
        figures = [complaints.figures_of(look) for look in self.looks]
        count = 0
        while count < len(figures):
            at = len(figures) - count - 1
            found = complaints.complaints(figures[at], figures[:at])
            if not any(each.is_collapse for each in found):
                break
            count += 1
        return count

    def at_step(self, step, logs):
        """Looks, notes and complains."""
        figures = self._examiner.examine()
        found = complaints.complaints(
            figures, [complaints.figures_of(k) for k in self.looks]
        )
        look = {"step": step, **figures, "complaints": [each.kind for each in found]}
        self.looks.append(look)
        if self._workdir is not None:
            append_lines(self._workdir / HEALTH, json_line(look))
            draw_health(self._workdir / PICTURE, self.looks)
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
        if self.reason is None or self._on_collapse != "rollback":
            return None
        healthy = Checkpoints(self._workdir / HEALTHY)
        step = healthy.newest_good()
        if step is None:
            return None
        newest = self._checkpoints.newest_good()
        if newest is not None and newest != step:
            self._checkpoints.keep_aside(newest, self._workdir / COLLAPSED)
        healthy.keep_aside(step, self._workdir / "checkpoints")
        return step

    def _say(self, step, found):
        for kind, complaint in found.items():
            before = self._open.get(kind)
            if before is None or complaint.is_collapse > before.is_collapse:
                print(f"\nwarning, step {step:,}: {complaint.text}", file=sys.stderr)
        for kind in self._open:
            if kind not in found:
                print(f"\nstep {step:,}: {kind} is well again.", file=sys.stderr)
        self._open = found


def draw_health(path, looks):
    """Draws the figures of all looks, and where complaints begin.

    Args:
        path: of the PNG.
        looks: list of dicts, see `CollapseWatch`; not empty.

    Raises:
        OSError: it cannot be written.
    """
    steps = [look["step"] for look in looks]

    def curve(name):
        return steps, [look.get(name) for look in looks]

    def limit(value):
        return [steps[0], steps[-1]], [value, value]

    def of_one_label(name, least):
        return {"one label": curve(name), "least": limit(least)}

    def worst(network):
        names = [name for name in looks[-1] if name.startswith(f"sigma_{network}/")]
        values = ([look[n] for n in names if look.get(n)] for look in looks)
        return steps, [min(found, default=None) for found in values]

    names = sorted(name for name in looks[-1] if name.startswith("gamma_"))
    panels = {
        "Diversity, real images 1": of_one_label(
            "diversity", complaints.LEAST_DIVERSITY
        ),
        "Distance to the nearest, real images 1": of_one_label(
            "nearest", complaints.LEAST_NEAREST
        ),
        "Logits: real minus generated": {
            "gap": curve("logit_gap"),
            "largest": limit(complaints.LARGEST_GAP),
        },
        "Gradient norms": {
            "generator": curve("gradient_norm_g"),
            "discriminator": curve("gradient_norm_d"),
        },
        "Sigma of the worst layer, exact 1": {
            "generator": worst("generator"),
            "discriminator": worst("discriminator"),
            "least": limit(complaints.LEAST_SIGMA),
        },
        "Gammas": {name.removeprefix("gamma_"): curve(name) for name in names},
    }
    plots.write_curves(
        path, panels, "Health of the training", logarithmic=("Gradient norms",)
    )

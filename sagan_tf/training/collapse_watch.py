"""Watches a training: says in plain words when it goes wrong, and stops it."""

import sys

from sagan_tf import errors
from sagan_tf.drawing import plots
from sagan_tf.files import append_lines
from sagan_tf.run.checkpoints import Checkpoints
from sagan_tf.run.records import is_missing, json_line, keep_lines
from sagan_tf.training import complaints, examiner
from sagan_tf.training.callbacks.stopping import Stop, Stopper

HEALTH, PICTURE = "health.jsonl", "health.png"
# Folders of a run directory, each with one checkpoint.
HEALTHY, COLLAPSED = "healthy", "collapsed"
ACTIONS = ("warn", "stop", "rollback")
# One bad look may be chance.
_LOOKS = 2


class CollapseWatch(Stopper):
    """Examines the model at intervals, and warns of problems.

    A problem is printed when it begins, when it gets worse and when it is gone. A
    collapse in two looks in a row stops the training, if `on_collapse` says so. In a
    notebook:

        batch = examiner.make_fixed_batch(images[:32], labels[:32], z_dim=128)
        watch = CollapseWatch(every=100, batch=batch)
        model.fit(dataset, callbacks=[watch])

    Args:
        every: int, steps between looks; 0 for never.
        batch: `examiner.FixedBatch`.
        workdir: `pathlib.Path` of the run, which gets health.jsonl, a line of values
            (see `Examiner`) for each look, and health.png; `None` for neither.
        on_collapse: `"warn"`; `"stop"`; or `"rollback"`: stop, and set the run back to
            the checkpoint of the last look without complaints, which is kept in
            healthy/. The collapsed checkpoint goes to collapsed/.
        writer: `CheckpointWriter`, for `"rollback"`.
        checkpoints: `Checkpoints` of the run, for `"rollback"`.

    Attributes:
        looks: list of dicts: `step`, values by name, `complaints`.

    Raises:
        BadInput: `on_collapse` is unknown, or an argument for a rollback is missing.
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
            raise errors.BadInput(
                f"on_collapse must be one of {', '.join(ACTIONS)}. "
                f"Received: {on_collapse!r}."
            )
        if on_collapse == "rollback" and None in (workdir, writer, checkpoints):
            raise errors.BadInput(
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
        self.looks = []

    def on_train_begin(self, logs=None):
        """Reads the looks before the step from which this run resumes.

        A look that a kill prevented after the checkpoint of its step is made now.
        """
        super().on_train_begin(logs)
        self._examiner = examiner.Examiner(self.model, self._batch)
        if self._workdir is not None:
            self.looks = keep_lines(self._workdir / HEALTH, self.step())
            seen = {look["step"] for look in self.looks}
            if is_missing(seen, self._every, self.step()):
                self.at_step(self.step(), logs)

    def at_step(self, step, logs):
        """Examines the model, writes the values, and acts on them."""
        values = self._examiner.examine()
        self.looks.append({"step": step, **values})
        found = self._complaints_at(-1)
        self.looks[-1]["complaints"] = [complaint.kind for complaint in found]
        if self._workdir is not None:
            append_lines(self._workdir / HEALTH, json_line(self.looks[-1]))
            draw_health(self._workdir / PICTURE, self.looks)
        self._print(step, {complaint.kind: complaint for complaint in found})
        if self._on_collapse == "warn":
            return
        if self._has_collapsed():
            collapse = next(each for each in found if each.is_collapse)
            self.stop(errors.COLLAPSED, f"Collapsed by step {step:,}. {collapse.text}")
        elif self._on_collapse == "rollback" and not found and self._writer.write_now():
            self._checkpoints.keep_aside(step, self._workdir / HEALTHY)

    def _has_collapsed(self):
        """Returns True if the last `_LOOKS` looks have all seen a collapse."""
        return len(self.looks) >= _LOOKS and all(
            any(complaint.is_collapse for complaint in self._complaints_at(index))
            for index in range(-_LOOKS, 0)
        )

    def _complaints_at(self, index):
        """Returns the complaints of a look, given the looks before it."""
        values = [complaints.values_of(look) for look in self.looks]
        return complaints.complaints(values[index], values[:index])

    def _print(self, step, found):
        for kind, complaint in found.items():
            before = self._open.get(kind)
            if before is None or complaint.is_collapse > before.is_collapse:
                print(f"\nwarning, step {step:,}: {complaint.text}", file=sys.stderr)
        for kind in self._open:
            if kind not in found:
                print(
                    f"\nstep {step:,}: {kind} is no longer a problem.", file=sys.stderr
                )
        self._open = found

    def on_train_end(self, logs=None):
        """Rolls back a run that collapsed, if `on_collapse` says so.

        The checkpoint of the last look without complaints replaces all others. Without
        such a look everything stays as it is.
        """
        stop = self.model.stop
        has_collapsed = stop is not None and stop.status == errors.COLLAPSED
        if not has_collapsed or self._on_collapse != "rollback":
            return
        self._writer.write_now()
        healthy = Checkpoints(self._workdir / HEALTHY)
        step = healthy.newest_good()
        if step is None:
            return
        newest = self._checkpoints.newest_good()
        if newest is not None and newest != step:
            self._checkpoints.keep_aside(newest, self._workdir / COLLAPSED)
        healthy.keep_aside(step, self._workdir / "checkpoints")
        self.model.stop = Stop(
            stop.status,
            f"{stop.reason}\nThe run is back at step {step:,}, the last look without "
            f"complaints. The collapsed checkpoint is in {self._workdir / COLLAPSED}. "
            "Try other settings or another --seed.",
        )


def draw_health(path, looks):
    """Draws the values of all looks, and the limits at which complaints begin.

    Args:
        path: of the PNG.
        looks: list of dicts, see `CollapseWatch`; not empty.

    Raises:
        OSError: the file cannot be written.
    """
    steps = [look["step"] for look in looks]

    def curve(name):
        return steps, [look.get(name) for look in looks]

    def limit(value):
        return [steps[0], steps[-1]], [value, value]

    networks = {"g": "generator", "d": "discriminator"}
    panels = {
        "Diversity, real images 1": {
            "one label": curve("diversity"),
            "least": limit(complaints.LEAST_DIVERSITY),
        },
        "Distance to the nearest, real images 1": {
            "one label": curve("nearest"),
            "least": limit(complaints.LEAST_NEAREST),
        },
        "Logits: real minus generated": {
            "gap": curve("logit_gap"),
            "largest": limit(complaints.LARGEST_GAP),
        },
        "Gradient norms": {
            name: curve(f"gradient_norm_{letter}") for letter, name in networks.items()
        },
        "Sigma of the worst layer, exact 1": {
            **{name: (steps, _worst_sigmas(looks, name)) for name in networks.values()},
            "least": limit(complaints.LEAST_SIGMA),
        },
        "Gammas": {
            name.removeprefix("gamma_"): curve(name)
            for name in sorted(looks[-1])
            if name.startswith("gamma_")
        },
    }
    plots.write_curves(
        path, panels, "Health of the training", logarithmic=("Gradient norms",)
    )


def _worst_sigmas(looks, network):
    names = [name for name in looks[-1] if name.startswith(f"sigma_{network}/")]
    sigmas = ([look[name] for name in names if look.get(name)] for look in looks)
    return [min(values, default=None) for values in sigmas]

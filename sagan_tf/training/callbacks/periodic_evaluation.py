"""The callback that scores a run while it trains."""

import math

import keras
from tqdm import tqdm

from sagan_tf.evaluation.evaluator import recorded, score_network, write_record
from sagan_tf.run.checkpoints import Checkpoints
from sagan_tf.run.directory import BEST
from sagan_tf.run.records import EVALUATIONS, is_missing
from sagan_tf.training.callbacks.step_callback import StepCallback


class PeriodicEvaluation(StepCallback):
    """Evaluates at intervals, and keeps aside the checkpoint with the lowest FID.

    Args:
        every: int, steps.
        how: `How` to evaluate.
        checkpoints: `Checkpoints` of the run.
        writer: `CheckpointWriter`, for a checkpoint of each evaluated step.
        workdir: path of the run: evaluations.jsonl gets the records, best/ the best
            checkpoint.
    """

    def __init__(self, every, how, checkpoints, writer, workdir):
        super().__init__(every)
        self._how = how
        self._checkpoints = checkpoints
        self._writer = writer
        self._log = workdir / EVALUATIONS
        self._folder = workdir / BEST
        self._lowest = math.inf

    def on_train_begin(self, logs=None):
        super().on_train_begin(logs)
        known, step = recorded(self._log, self._how), self.step()
        best = [s for s in Checkpoints(self._folder).steps() if s in known]
        fids = [known[s]["metrics"].get("fid") for s in best]
        self._lowest = min((f for f in fids if f is not None), default=math.inf)
        # If a kill prevented an evaluation, the run evaluates now.
        is_due = is_missing(known, self._every, step)
        if is_due and step in self._checkpoints.steps():
            self._evaluate(step)

    def at_step(self, step, logs):
        if self._writer.write_now():
            self._evaluate(step)

    def _evaluate(self, step):
        protocol = self._how.protocol
        generator = self.model.generator
        if protocol.ema and self.model.ema_generator is not None:
            generator = self.model.ema_generator
        if protocol.standing_batches:  # These would replace the moving averages.
            copy = keras.models.clone_model(generator)
            copy.set_weights(generator.get_weights())
            generator = copy
        classes = self.model.num_classes or 0
        record = score_network(generator, self._how, classes, step)
        write_record(record, self._log)
        fid = record["metrics"]["fid"]
        if fid < self._lowest:
            self._lowest = fid
            self._checkpoints.keep_aside(step, self._folder)
            note = "the lowest so far"
        else:
            note = f"the lowest: {self._lowest:.4g}"
        name = self._how.network.describe("FID")
        tqdm.write(f"step {step:,}: {name} {fid:.4g}, {note}")

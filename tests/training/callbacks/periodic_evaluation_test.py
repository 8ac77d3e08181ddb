"""Evaluations while a fake model counts, by a fake evaluator."""

import types

from sagan_tf.run.checkpoints import Checkpoints
from sagan_tf.training.callbacks.checkpoint_writer import CheckpointWriter
from sagan_tf.training.callbacks.periodic_evaluation import PeriodicEvaluation
from sagan_tf.training.callbacks.stopping import NonfiniteStop
from tests.training.callbacks.counting import CountingModel, fit


class FakeEvaluator:
    """Its FIDs are those that it is given, one after another."""

    protocol = types.SimpleNamespace(ema=False, standing_batches=None)
    network = types.SimpleNamespace(describe="the {}".format)

    def __init__(self, *fids, known=()):
        self.left, self.steps = list(fids), []
        self.known = {step: {"metrics": {"fid": fid}} for step, fid in known}

    def recorded(self):
        return self.known

    def score_network(self, generator, num_classes, step):
        self.steps.append(step)
        return {"metrics": {"fid": self.left.pop(0)}}


def evaluate(folder, evaluator, steps, start=0):
    model, guard = CountingModel(start), NonfiniteStop(0)
    model.generator = model.ema_generator = None
    checkpoints = Checkpoints(folder / "checkpoints", keep=1)
    writer = CheckpointWriter(0, checkpoints, guard)
    best = folder / "best"
    callback = PeriodicEvaluation(2, evaluator, checkpoints, writer, best)
    fit(model, steps, guard, callback, writer)
    return Checkpoints(best).steps()


def test_the_checkpoint_with_the_lowest_fid_is_kept_aside(tmp_path):
    evaluator = FakeEvaluator(3.0, 1.0, 2.0)
    assert evaluate(tmp_path, evaluator, steps=7) == [4]
    assert evaluator.steps == [2, 4, 6]


def test_a_run_that_goes_on_begins_with_the_evaluation_that_it_missed(tmp_path):
    assert evaluate(tmp_path, FakeEvaluator(3.0), steps=2) == [2]
    # Killed before anything was recorded.
    evaluator = FakeEvaluator(5.0, 4.0)
    assert evaluate(tmp_path, evaluator, steps=2, start=2) == [4]
    assert evaluator.steps == [2, 4]
    # Everything was recorded, and nothing that comes is better.
    evaluator = FakeEvaluator(4.5, known=[(4, 4.0)])
    assert evaluate(tmp_path, evaluator, steps=2, start=4) == [4]
    assert evaluator.steps == [6]

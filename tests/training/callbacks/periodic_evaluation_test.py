"""Evaluations while a fake model counts; their FIDs are given."""

import types

import pytest

from sagan_tf.run.checkpoints import Checkpoints
from sagan_tf.training.callbacks import periodic_evaluation
from sagan_tf.training.callbacks.checkpoint_writer import CheckpointWriter
from sagan_tf.training.callbacks.stopping import NonfiniteStop
from tests.training.callbacks.counting import CountingModel, fit

HOW = types.SimpleNamespace(
    protocol=types.SimpleNamespace(ema=False, standing_batches=None),
    network=types.SimpleNamespace(describe="the {}".format),
)


@pytest.fixture
def evaluate(tmp_path, monkeypatch):
    """Trains; returns the steps that are evaluated and the step in best/."""

    def evaluate(fids, steps, start=0, known=()):
        left, seen, written = list(fids), [], []

        def score(generator, how, num_classes, step):
            seen.append(step)
            return {"metrics": {"fid": left.pop(0)}}

        records = {step: {"metrics": {"fid": fid}} for step, fid in known}
        fakes = {
            "recorded": lambda log, how: records,
            "score_network": score,
            "write_record": lambda record, log: written.append(log.name),
        }
        for name, fake in fakes.items():
            monkeypatch.setattr(periodic_evaluation, name, fake)
        model, guard = CountingModel(start), NonfiniteStop(0)
        model.generator = model.ema_generator = None
        checkpoints = Checkpoints(tmp_path / "checkpoints", keep=1)
        writer = CheckpointWriter(0, checkpoints, guard)
        callback = periodic_evaluation.PeriodicEvaluation(
            2, HOW, checkpoints, writer, tmp_path
        )
        fit(model, steps, guard, callback, writer)
        assert written == ["evaluations.jsonl"] * len(seen)
        return seen, Checkpoints(tmp_path / "best").steps()

    return evaluate


def test_the_checkpoint_with_the_lowest_fid_is_kept_aside(evaluate):
    assert evaluate([3.0, 1.0, 2.0], steps=7) == ([2, 4, 6], [4])


def test_a_run_that_goes_on_begins_with_the_evaluation_that_it_missed(evaluate):
    assert evaluate([3.0], steps=2) == ([2], [2])
    # Killed before anything was recorded.
    assert evaluate([5.0, 4.0], steps=2, start=2) == ([2, 4], [4])
    # Everything was recorded, and nothing that comes is better.
    assert evaluate([4.5], steps=2, start=4, known=[(4, 4.0)]) == ([6], [4])

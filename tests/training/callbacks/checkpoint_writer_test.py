"""When checkpoints are written, on a fake model whose training is counting."""

from sagan_tf.run.checkpoints import Checkpoints
from sagan_tf.training.callbacks.checkpoint_writer import CheckpointWriter
from sagan_tf.training.callbacks.stopping import NonfiniteStop
from tests.training.callbacks.counting import CountingModel, TwoWorkers, fit


def test_checkpoints_are_written_at_intervals_and_at_the_end(tmp_path):
    checkpoints, guard = Checkpoints(tmp_path, keep=9), NonfiniteStop(100)
    fit(CountingModel(), 5, guard, CheckpointWriter(2, checkpoints, guard))
    assert checkpoints.steps() == [2, 4, 5]


def test_nothing_is_written_after_a_nonfinite_loss(tmp_path):
    checkpoints, guard = Checkpoints(tmp_path), NonfiniteStop(100)
    model = CountingModel(nonfinite_at=3)
    fit(model, 9, guard, CheckpointWriter(2, checkpoints, guard))
    assert checkpoints.steps() == [2]
    assert int(model.step) == 4


def test_only_the_chief_writes_checkpoints(tmp_path):
    for index in (0, 1):
        checkpoints = Checkpoints(tmp_path / str(index))
        guard = NonfiniteStop(100, TwoWorkers(index, -1))
        writer = CheckpointWriter(2, checkpoints, guard, TwoWorkers(index, -1))
        fit(CountingModel(), 3, guard, writer)
    written = [Checkpoints(tmp_path / name).steps() for name in ("0", "1")]
    assert written == [[2, 3], []]

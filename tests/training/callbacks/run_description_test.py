"""When a run is described in its directory."""

from sagan_tf.run.checkpoints import Checkpoints
from sagan_tf.training.callbacks.checkpoint_writer import CheckpointWriter
from sagan_tf.training.callbacks.run_description import RunDescription
from sagan_tf.training.callbacks.stopping import NonfiniteStop
from tests.training.callbacks.counting import CountingModel, fit


def test_a_run_is_described_once_after_a_step_and_before_a_checkpoint(tmp_path):
    checkpoints, model, guard = (
        Checkpoints(tmp_path),
        CountingModel(4),
        NonfiniteStop(0),
    )
    described = []
    description = RunDescription(
        lambda: described.append((int(model.step), checkpoints.steps()))
    )
    fit(model, 3, description, guard, CheckpointWriter(1, checkpoints, guard))
    assert described == [(5, [])]

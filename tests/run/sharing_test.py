"""The part of a run that goes with an export."""

import json

import pytest

from sagan_tf.errors import BadInput
from sagan_tf.run import building
from sagan_tf.run.checkpoints import Checkpoints
from sagan_tf.run.sharing import copy_run
from tests.run.initialization_test import NAMES, STEP, assert_same, write_run


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """The folder of a run. Not to be changed."""
    workdir = tmp_path_factory.mktemp("run")
    write_run(workdir)
    return workdir


def test_the_copy_is_a_run_with_both_networks(run, tmp_path):
    copy_run(run, STEP, tmp_path / "run")
    for ema in (True, False):
        ours = building.load_networks(tmp_path / "run", ema=ema)
        theirs = building.load_networks(run, ema=ema)
        assert ours[2:] == theirs[2:]
        assert ours[3] == tuple(NAMES)
        for network, other in zip(ours[:2], theirs[:2]):
            assert_same(network, other)


def test_it_has_nothing_else(run, tmp_path):
    (tmp_path / "source").mkdir()
    data = json.loads((run / "data.json").read_text())
    data["survey"] = {"unreadable": ["/home/me/secret.jpg"]}
    (tmp_path / "source" / "data.json").write_text(json.dumps(data))
    (tmp_path / "source" / "config.json").write_bytes(
        (run / "config.json").read_bytes()
    )
    for name in ("evaluations.jsonl", "import.json", "versions.json", "metrics.jsonl"):
        (tmp_path / "source" / name).write_text("{}\n")
    for step in (3, STEP, 9):
        folder = Checkpoints(tmp_path / "source" / "checkpoints").path(step)
        folder.parent.mkdir(exist_ok=True)
        folder.symlink_to(Checkpoints(run / "checkpoints").path(STEP))
    copy_run(tmp_path / "source", 3, tmp_path / "run")
    assert sorted(path.name for path in (tmp_path / "run").iterdir()) == [
        *("checkpoints", "config.json", "data.json", "evaluations.jsonl"),
        *("import.json", "versions.json"),
    ]
    del data["survey"]
    assert json.loads((tmp_path / "run" / "data.json").read_text()) == data
    assert Checkpoints(tmp_path / "run" / "checkpoints").steps() == [3]


def test_the_best_checkpoint_may_be_the_only_one(run, tmp_path):
    Checkpoints(run / "checkpoints").keep_aside(STEP, tmp_path / "source" / "best")
    (tmp_path / "source" / "config.json").write_bytes(
        (run / "config.json").read_bytes()
    )
    copy_run(tmp_path / "source", STEP, tmp_path / "run")
    assert Checkpoints(tmp_path / "run" / "checkpoints").newest_good() == STEP
    assert not (tmp_path / "run" / "data.json").exists()


def test_a_checkpoint_that_is_gone_is_named(run, tmp_path):
    with pytest.raises(BadInput, match="There is no checkpoint of step 8"):
        copy_run(run, 8, tmp_path / "run")

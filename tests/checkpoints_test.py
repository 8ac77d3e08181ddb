"""Checkpoints: whole or absent, verified, rotated."""

import json
import resource

import keras
import numpy as np
import pytest
import tensorflow as tf

from sagan_tf.checkpoints import CheckpointError, Checkpoints


@pytest.fixture
def checkpoints(tmp_path):
    return Checkpoints(tmp_path / "checkpoints", keep=2)


def variable(value):
    return {"weight": tf.Variable([float(value), 2.0, 3.0])}


def write(checkpoints, *steps):
    for step in steps:
        checkpoints.write(step, variable(step))


def data_file(checkpoints, step):
    (path,) = checkpoints.path(step).glob("*.data*")
    return path


def test_what_is_written_is_read(checkpoints):
    write(checkpoints, 5)
    items = variable(0)
    checkpoints.restore(5, items)
    np.testing.assert_array_equal(items["weight"], [5.0, 2.0, 3.0])


def test_models_and_optimizers_are_restored_whole(checkpoints):
    def trained(steps):
        keras.utils.set_random_seed(steps)
        model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
        optimizer = keras.optimizers.Adam(0.1)
        optimizer.build(model.trainable_variables)
        for _ in range(steps):
            optimizer.apply([tf.ones(v.shape) for v in model.trainable_variables])
        return {"model": model, "optimizer": optimizer}

    source, target = trained(3), trained(1)
    checkpoints.write(3, source)
    checkpoints.restore(3, target)
    for name in source:
        for a, b in zip(source[name].variables, target[name].variables, strict=True):
            np.testing.assert_array_equal(a, b)


def test_the_newest_are_kept(checkpoints):
    write(checkpoints, 1, 2, 10)
    assert checkpoints.steps() == [2, 10]


def test_steps_are_sorted_as_numbers(checkpoints):
    write(checkpoints, 99_999_999, 100_000_000)
    assert checkpoints.steps() == [99_999_999, 100_000_000]


def test_there_is_no_newest_in_an_empty_folder(checkpoints):
    assert checkpoints.newest_good() is None


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.write_bytes(path.read_bytes()[:-1]),
        lambda path: path.write_bytes(b"\xff" + path.read_bytes()[1:]),
        lambda path: path.unlink(),
        lambda path: (path.parent / "checkpoint.json").write_text('{"step"'),
        lambda path: (path.parent / "checkpoint.json").unlink(),
    ],
    ids=["truncated", "one byte", "missing", "half a manifest", "no manifest"],
)
def test_a_damaged_newest_is_named_and_the_one_before_is_used(
    checkpoints, damage, capsys
):
    write(checkpoints, 1, 2)
    damage(data_file(checkpoints, 2))
    assert checkpoints.newest_good() == 1
    assert str(checkpoints.path(2)) in capsys.readouterr().err


def test_a_damaged_checkpoint_is_never_restored(checkpoints):
    write(checkpoints, 2)
    path = data_file(checkpoints, 2)
    path.write_bytes(b"\xff" + path.read_bytes()[1:])
    with pytest.raises(CheckpointError, match="SHA-256"):
        checkpoints.restore(2, variable(0))


def test_only_damaged_ones_is_an_error(checkpoints):
    write(checkpoints, 1, 2)
    for step in (1, 2):
        data_file(checkpoints, step).unlink()
    with pytest.raises(CheckpointError, match="steps 1, 2, all damaged"):
        checkpoints.newest_good()


def test_a_step_that_is_not_there_is_named_with_those_that_are(checkpoints):
    write(checkpoints, 1, 2)
    with pytest.raises(CheckpointError, match="step 7.*there are: 1, 2"):
        checkpoints.restore(7, variable(0))


def test_items_that_were_not_written_are_an_error(checkpoints):
    write(checkpoints, 1)
    with pytest.raises(CheckpointError, match="does not fit"):
        checkpoints.restore(1, {**variable(0), "other": tf.Variable(1.0)})


class Killed(BaseException):
    """What SIGKILL would do here: nothing after it runs."""


@pytest.mark.parametrize("moment", ["tf.train.Checkpoint.write", "os.rename"])
def test_a_run_killed_while_writing_leaves_the_one_before(
    checkpoints, moment, monkeypatch
):
    write(checkpoints, 1)

    def kill(*arguments):
        raise Killed

    target = {"tf.train.Checkpoint.write": (tf.train.Checkpoint, "write")}
    with monkeypatch.context() as patch:
        if moment in target:
            patch.setattr(*target[moment], kill)
        else:
            patch.setattr("sagan_tf.checkpoints.os.rename", kill)
        with pytest.raises(Killed):
            write(checkpoints, 2)
    assert checkpoints.steps() == [1]
    assert checkpoints.newest_good() == 1
    checkpoints.remove_leftovers()
    folder = checkpoints.path(1).parent
    assert [path.name for path in folder.iterdir()] == ["step_00000001"]


@pytest.mark.parametrize(
    "error",
    [
        OSError(28, "No space left on device"),
        tf.errors.ResourceExhaustedError(None, None, "No space left on device"),
    ],
    ids=["from Python", "from TensorFlow"],
)
def test_a_full_disk_is_an_os_error_and_keeps_the_one_before(
    checkpoints, error, monkeypatch
):
    write(checkpoints, 1)

    def fail(*arguments):
        raise error

    monkeypatch.setattr(tf.train.Checkpoint, "write", fail)
    with pytest.raises(OSError, match="No space left on device"):
        write(checkpoints, 2)
    assert checkpoints.newest_good() == 1
    assert len(list(checkpoints.path(1).parent.iterdir())) == 1


def test_the_manifest_names_step_and_files(checkpoints):
    write(checkpoints, 4)
    folder = checkpoints.path(4)
    manifest = json.loads((folder / "checkpoint.json").read_text())
    assert manifest["step"] == 4
    others = {path.name for path in folder.iterdir()} - {"checkpoint.json"}
    assert set(manifest["files"]) == others


def test_bad_newer_ones_can_be_removed(checkpoints):
    write(checkpoints, 1, 2)
    checkpoints.remove_newer(1)
    assert checkpoints.steps() == [1]


def test_a_file_that_may_not_grow_is_an_os_error(checkpoints):
    """The system itself refuses, as a full disk would."""
    write(checkpoints, 1)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, before[1]))
    try:
        with pytest.raises(OSError, match="checkpoint of step 2 could not be written"):
            checkpoints.write(2, {"weight": tf.Variable(tf.ones([100_000]))})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert checkpoints.newest_good() == 1
    assert checkpoints.steps() == [1]

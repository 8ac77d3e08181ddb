"""Checkpoints: whole or absent, verified, rotated."""

import builtins
import errno
import functools
import io
import itertools
import json
import os
import resource

import keras
import numpy as np
import pytest
import tensorflow as tf

from sagan_tf.run.checkpoints import CheckpointError, Checkpoints


@pytest.fixture
def checkpoints(tmp_path):
    return Checkpoints(tmp_path / "checkpoints", keep=2)


def variable(value):
    return {"weight": tf.Variable([float(value), 2.0, 3.0])}


@pytest.fixture
def best(tmp_path):
    """The folder for the checkpoint that is kept aside."""
    return tmp_path / "best"


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


def refuse_to_read(monkeypatch, name, error):
    """Lets opening or examining a path with a name fail, as a bad disk does."""
    for module, function in ((builtins, "open"), (os, "stat"), (io, "open")):
        real = getattr(module, function)

        def fail(path, *arguments, real=real, **options):
            if str(path).endswith(name):
                raise OSError(error, os.strerror(error), str(path))
            return real(path, *arguments, **options)

        monkeypatch.setattr(module, function, fail)


@pytest.mark.parametrize("error", [errno.EACCES, errno.EIO, errno.ESTALE])
@pytest.mark.parametrize("name", ["checkpoint.json", "00001", "step_00000002"])
def test_what_cannot_be_read_is_not_called_bad(checkpoints, monkeypatch, name, error):
    write(checkpoints, 1, 2)
    before = sorted(checkpoints.path(1).parent.rglob("*"))
    with monkeypatch.context() as patch:
        refuse_to_read(patch, name, error)
        with pytest.raises(OSError, match=f"{os.strerror(error)}.*{name}"):
            checkpoints.newest_good()
    assert sorted(checkpoints.path(1).parent.rglob("*")) == before


def test_a_folder_that_cannot_be_listed_is_not_called_empty(checkpoints, monkeypatch):
    write(checkpoints, 1)

    def fail(path):
        raise OSError(errno.EIO, "Input/output error", str(path))

    monkeypatch.setattr(os, "listdir", fail)
    with pytest.raises(OSError, match="Input/output error"):
        checkpoints.newest_good()


@pytest.mark.parametrize(
    "text",
    [
        "{}",
        "null",
        "[]",
        '{"files": {}}',
        '{"files": {"variables.index": 3}}',
        "\udcff",
    ],
)
def test_a_manifest_that_says_nothing_is_bad(checkpoints, text, capsys):
    write(checkpoints, 1, 2)
    path = checkpoints.path(2) / "checkpoint.json"
    path.write_bytes(text.encode(errors="surrogateescape"))
    assert checkpoints.newest_good() == 1
    assert str(path) in capsys.readouterr().err


def make_strays(folder):
    """A file, a link to nothing, a link in a circle, another name, half a write."""
    (folder / "step_00000003").write_text("mine")
    (folder / "step_00000004").symlink_to(folder / "nothing")
    (folder / "step_00000005").symlink_to(folder / "step_00000005")
    (folder / "step_last").mkdir()
    (folder / "step_00000006.tmp").write_text("mine")
    (folder / "step_00000007.old.1.tmp").symlink_to(folder / "step_last")
    return sorted(path.name for path in folder.iterdir())


def test_strays_are_named_and_left_as_they_are(checkpoints, capsys):
    write(checkpoints, 1, 2)
    folder = checkpoints.path(1).parent
    before = make_strays(folder)
    for _ in range(2):
        checkpoints.remove_leftovers()
        assert checkpoints.newest_good() == 2
        checkpoints.remove_newer(2)
        assert capsys.readouterr().err.count("is not the folder of a checkpoint") == 6
    assert names(folder) == before


def test_a_stray_is_not_in_the_way_of_a_checkpoint(checkpoints):
    write(checkpoints, 1)
    make_strays(checkpoints.path(1).parent)
    write(checkpoints, 3, 4, 5, 6)
    assert checkpoints.steps() == [5, 6]
    assert [value_of(checkpoints, step) for step in (5, 6)] == [5, 6]
    assert (checkpoints.path(5).parent / "step_00000003").read_text() == "mine"
    assert checkpoints.path(5).name == "step_000000005"


def test_a_link_to_a_checkpoint_is_read_and_its_target_is_never_touched(
    checkpoints, tmp_path
):
    write(checkpoints, 1, 2)
    elsewhere = tmp_path / "elsewhere"
    checkpoints.path(2).rename(elsewhere)
    link = checkpoints.path(1).parent / "step_00000002"
    link.symlink_to(elsewhere)
    before = {path: path.read_bytes() for path in elsewhere.iterdir()}
    assert checkpoints.newest_good() == 2
    assert value_of(checkpoints, 2) == 2
    checkpoints.write(2, variable(7))
    assert value_of(checkpoints, 2) == 7
    write(checkpoints, 3, 4, 5)
    checkpoints.remove_newer(1)
    assert {path: path.read_bytes() for path in elsewhere.iterdir()} == before
    assert link.is_symlink()


@pytest.mark.parametrize("other", [[1.0, 2.0], [1, 2, 3]], ids=["shape", "type"])
def test_what_does_not_fit_is_an_error_that_names_the_config(checkpoints, other):
    write(checkpoints, 1)
    with pytest.raises(CheckpointError, match="does not fit.*config.json"):
        checkpoints.restore(1, {"weight": tf.Variable(other)})


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


def test_it_says_what_it_holds(checkpoints):
    optimizer = keras.optimizers.Adam()
    optimizer.build([keras.Variable(1.0)])
    checkpoints.write(1, {**variable(0), "optimizer": optimizer})
    assert checkpoints.items(1) == {"weight", "optimizer"}


def test_items_that_were_not_written_are_an_error(checkpoints):
    write(checkpoints, 1)
    with pytest.raises(CheckpointError, match="has no other. It holds: weight"):
        checkpoints.restore(1, {**variable(0), "other": tf.Variable(1.0)})


def test_an_item_with_other_variables_is_an_error(checkpoints):
    write(checkpoints, 1)
    dense = keras.layers.Dense(2)
    with pytest.raises(CheckpointError, match="does not fit"):
        checkpoints.restore(1, {"weight": keras.Sequential([keras.Input((3,)), dense])})


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
            patch.setattr("sagan_tf.run.checkpoints.os.rename", kill)
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


def value_of(checkpoints, step):
    items = variable(0)
    checkpoints.restore(step, items)
    return items["weight"].numpy()[0]


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_what_is_kept_aside_is_not_rotated_away(checkpoints, best):
    write(checkpoints, 1)
    assert checkpoints.keep_aside(1, best) == best / "step_00000001"
    write(checkpoints, 2, 3, 4)
    assert checkpoints.steps() == [3, 4]
    assert value_of(Checkpoints(best), 1) == 1


@pytest.mark.parametrize(("old", "new"), [(1, 2), (2, 1)])
def test_only_the_last_one_is_kept_aside_whichever_is_newer(
    checkpoints, best, old, new
):
    write(checkpoints, 1, 2)
    for step in (old, new):
        checkpoints.keep_aside(step, best)
    assert names(best) == [f"step_{new:08d}"]
    assert value_of(Checkpoints(best), new) == new
    assert checkpoints.steps() == [1, 2]


def test_what_is_kept_aside_takes_no_space_twice(checkpoints, best):
    write(checkpoints, 1)
    checkpoints.keep_aside(1, best)
    for path in checkpoints.path(1).iterdir():
        assert path.samefile(best / "step_00000001" / path.name)


def test_without_hard_links_it_is_copied(checkpoints, best, monkeypatch):
    def refuse(source, target):
        raise OSError(errno.EXDEV, "Invalid cross-device link")

    monkeypatch.setattr("sagan_tf.run.checkpoints.os.link", refuse)
    write(checkpoints, 1)
    checkpoints.keep_aside(1, best)
    assert value_of(Checkpoints(best), 1) == 1
    assert not data_file(checkpoints, 1).samefile(data_file(Checkpoints(best), 1))


def test_another_run_s_checkpoint_of_the_same_step_is_replaced(checkpoints, best):
    write(checkpoints, 1)
    checkpoints.keep_aside(1, best)
    checkpoints.write(1, variable(7))
    assert value_of(Checkpoints(best), 1) == 1
    checkpoints.keep_aside(1, best)
    assert value_of(Checkpoints(best), 1) == 7
    assert names(best) == ["step_00000001"]


def test_a_damaged_one_is_not_kept_aside(checkpoints, best):
    write(checkpoints, 1, 2)
    checkpoints.keep_aside(1, best)
    path = data_file(checkpoints, 2)
    path.write_bytes(b"\xff" + path.read_bytes()[1:])
    with pytest.raises(CheckpointError, match="SHA-256"):
        checkpoints.keep_aside(2, best)
    with pytest.raises(CheckpointError, match="step 3.*there are: 1, 2"):
        checkpoints.keep_aside(3, best)
    assert value_of(Checkpoints(best), 1) == 1
    assert names(best) == ["step_00000001"]


def test_a_full_disk_leaves_what_was_kept_aside(checkpoints, best, monkeypatch):
    def full(*arguments):
        raise OSError(errno.ENOSPC, "No space left on device")

    write(checkpoints, 1, 2)
    checkpoints.keep_aside(1, best)
    monkeypatch.setattr("sagan_tf.run.checkpoints.os.link", full)
    monkeypatch.setattr("sagan_tf.run.checkpoints.shutil.copyfile", full)
    with pytest.raises(OSError, match="No space left"):
        checkpoints.keep_aside(2, best)
    assert names(best) == ["step_00000001"]


# What changes names, and what makes sure that they are on the disk.
CALLS = ("link", "mkdir", "rename", "rmdir", "unlink", "fsync")


def killed_at(call_to_survive, monkeypatch, action):
    """Runs `action`, killed at its n-th call of the system; whether it was."""
    done = 0

    def counting(function):
        def counted(*arguments, **options):
            nonlocal done
            if done >= call_to_survive:
                raise Killed
            done += 1
            return function(*arguments, **options)

        return counted

    with monkeypatch.context() as patch:
        for name in CALLS:
            patch.setattr(os, name, counting(getattr(os, name)))
        try:
            action()
        except Killed:
            return True
    return False


def test_killed_anywhere_while_keeping_one_aside_leaves_the_old_or_the_new(
    checkpoints, best, monkeypatch
):
    write(checkpoints, 1, 2)
    kills = 0
    while True:
        checkpoints.keep_aside(1, best)
        assert names(best) == ["step_00000001"]
        if not killed_at(kills, monkeypatch, lambda: checkpoints.keep_aside(2, best)):
            break
        kills += 1
        aside = Checkpoints(best)
        assert aside.steps() in ([1], [1, 2], [2])
        for step in aside.steps():
            assert value_of(aside, step) == step
    assert kills > 10
    assert names(best) == ["step_00000002"]


def test_killed_anywhere_while_a_step_is_written_again_loses_nothing(
    checkpoints, monkeypatch
):
    write(checkpoints, 1)
    for kills in itertools.count():
        again = functools.partial(checkpoints.write, 1, variable(kills + 2))
        if not killed_at(kills, monkeypatch, again):
            break
        checkpoints.remove_leftovers()
        assert names(checkpoints.path(1).parent) == ["step_00000001"]
        assert value_of(checkpoints, 1) >= 1
    assert kills > 10
    assert value_of(checkpoints, 1) == kills + 2

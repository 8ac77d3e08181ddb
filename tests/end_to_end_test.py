"""Whole runs of a tiny network: interrupted, resumed, damaged, diverging.

The bits of the weights are compared, on one CPU device, with those of one run that
nothing disturbed.
"""

import json
import os
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import time

import keras
import numpy as np
import pytest
import tensorflow as tf
import tiny
from PIL import Image

from sagan_tf import sample
from sagan_tf.run import building
from sagan_tf.run.checkpoints import Checkpoints
from sagan_tf.run.directory import read_config
from sagan_tf.training import loop
from sagan_tf.training.callbacks.checkpoint_writer import CheckpointWriter

ROOT = pathlib.Path(__file__).parent.parent
STEPS = tiny.FLAGS["total_steps"]

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """The directory of a run that nothing happened to. Not to be changed."""
    workdir = tmp_path_factory.mktemp("undisturbed")
    assert tiny.run(workdir) == 0
    return workdir


@pytest.fixture
def copy(undisturbed, tmp_path):
    """The same, to be changed."""
    return shutil.copytree(undisturbed, tmp_path / "copy")


def metrics(workdir):
    lines = (workdir / "metrics.jsonl").read_text().splitlines()
    return [
        {k: v for k, v in json.loads(line).items() if k not in tiny.TIMES}
        for line in lines
    ]


def test_a_run_leaves_everything_in_its_directory(undisturbed):
    names = {path.name for path in undisturbed.iterdir()} - {"tensorboard"}
    assert names == {
        *("config.json", "data.json", "versions.json", "run.lock"),
        *("metrics.jsonl", "metrics.csv", "metrics.png", "samples", "checkpoints"),
    }
    assert [p.name for p in sorted((undisturbed / "samples").iterdir())] == [
        f"step_{step:08d}.png" for step in (0, 12, 24)
    ]
    assert Checkpoints(undisturbed / "checkpoints").steps() == [16, 20, 24]
    assert [line["step"] for line in metrics(undisturbed)] == [*range(2, 25, 2)]


def test_training_changes_every_weight(undisturbed):
    before, after = (tiny.weights(undisturbed, step) for step in (16, 24))
    same = {name for name in before if np.array_equal(before[name], after[name])}
    assert {name.split("/")[0] for name in before} > {"generator", "discriminator"}
    assert len(same) < 10
    # A `u` of length one is 1 or -1 for ever.
    allowed = ("u", "_learning_rate", "first_nonfinite_step")
    assert {name.split("/.ATTRIBUTES")[0].split("/")[-1] for name in same} <= {*allowed}


def test_a_killed_run_goes_on_to_the_same_weights(undisturbed, tmp_path):
    """SIGKILL, of a process of its own, after a random number of steps."""
    lines_at_kill = random.randint(1, 10)
    process = subprocess.Popen(
        [sys.executable, "-m", "sagan_tf.train", *tiny.command_line(tmp_path)[1:]],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    log = tmp_path / "metrics.jsonl"
    while process.poll() is None:
        if log.exists() and log.read_bytes().count(b"\n") >= lines_at_kill:
            process.kill()
            break
        time.sleep(0.002)
    assert process.wait() == -signal.SIGKILL
    # Also evidence that a model which `tiny` keeps is as good as a new one.
    assert tiny.run(tmp_path, anew=True) == 0
    tiny.assert_same_weights(undisturbed, tmp_path, STEPS)
    assert metrics(tmp_path) == metrics(undisturbed), f"{lines_at_kill=}"


class Killed(BaseException):
    """What SIGKILL would do here: nothing after it runs."""


def test_a_damaged_checkpoint_is_named_and_the_one_before_leads_to_the_same_weights(
    undisturbed, tmp_path, monkeypatch, capsys
):
    rename = os.rename

    def kill_at_16(source, target):
        if "step_00000016" in str(target):
            raise Killed
        rename(source, target)

    with monkeypatch.context() as patch:
        patch.setattr("sagan_tf.run.checkpoints.os.rename", kill_at_16)
        with pytest.raises(Killed):
            tiny.run(tmp_path)
    assert Checkpoints(tmp_path / "checkpoints").steps() == [4, 8, 12]
    (data,) = (tmp_path / "checkpoints" / "step_00000012").glob("*.data*")
    data.write_bytes(data.read_bytes()[:-100])

    assert tiny.run(tmp_path) == 0
    error = capsys.readouterr().err
    assert str(data) in error
    assert "Resuming from step 8" in error
    tiny.assert_same_weights(undisturbed, tmp_path, STEPS)
    assert metrics(tmp_path) == metrics(undisturbed)
    assert not list(tmp_path.rglob("*.tmp"))


def test_sigterm_saves_and_the_run_can_go_on(
    undisturbed, tmp_path, monkeypatch, capsys
):
    at_step = CheckpointWriter.at_step

    def then_a_signal(self, step, logs):
        at_step(self, step, logs)
        if step == 4:
            os.kill(os.getpid(), signal.SIGTERM)

    with monkeypatch.context() as patch:
        patch.setattr(CheckpointWriter, "at_step", then_a_signal)
        assert tiny.run(tmp_path, checkpoint_every_steps=2) == 3
    step = Checkpoints(tmp_path / "checkpoints").steps()[-1]
    assert step in (4, 5)
    output = capsys.readouterr().out
    assert f"Step {step} is saved: {tmp_path}/checkpoints/step_0000000{step}" in output
    assert "SIGTERM" in output
    assert tiny.run(tmp_path) == 0
    tiny.assert_same_weights(undisturbed, tmp_path, STEPS)
    for name in ("step_00000000.png", "step_00000012.png", "step_00000024.png"):
        ours, theirs = (d / "samples" / name for d in (tmp_path, undisturbed))
        assert ours.read_bytes() == theirs.read_bytes()


def test_a_diverging_run_stops_and_keeps_the_last_good_checkpoint(
    copy, capsys, monkeypatch
):
    # Flags refuse such a rate.
    monkeypatch.setattr("sagan_tf.settings.checks.check_field", lambda field, value: 0)
    rates = {"generator_learning_rate": 1e30, "discriminator_learning_rate": 1e30}
    assert tiny.run(copy, total_steps=40, **rates) == 4
    checkpoints = Checkpoints(copy / "checkpoints")
    assert checkpoints.newest_good() == 24
    assert all(np.isfinite(v).all() for v in tiny.weights(copy, 24).values())
    output = capsys.readouterr().out
    assert "is NaN or infinite" in output
    assert f"step {25}" in output or f"step {26}" in output
    assert str(checkpoints.path(24)) in output


@pytest.mark.parametrize("total_steps", [24, 10])
def test_a_finished_run_has_nothing_more_to_do(total_steps, copy, capsys):
    before = {path: path.stat().st_mtime_ns for path in copy.rglob("*.data*")}
    assert tiny.run(copy, total_steps=total_steps) == 0
    assert read_config(copy).total_steps == 24
    assert "All 24 steps are done" in capsys.readouterr().out
    assert {path: path.stat().st_mtime_ns for path in copy.rglob("*.data*")} == before


def test_the_steps_that_are_done_must_fit_the_other_settings(copy, capsys):
    before = (copy / "config.json").read_text()
    intervals = dict.fromkeys(("log", "sample", "checkpoint"), 5)
    settings = {f"{name}_every_steps": steps for name, steps in intervals.items()}
    assert tiny.run(copy, total_steps=10, steps_per_execution=5, **settings) == 2
    assert "Received: total_steps=24, steps_per_execution=5" in capsys.readouterr().err
    assert (copy / "config.json").read_text() == before


def test_every_unusual_option_together(tmp_path):
    """Unconditional, several steps and passes, no averages, grouped executions."""
    status = tiny.run(
        tmp_path,
        num_classes=0,
        ema_decay="none",
        discriminator_steps=2,
        gradient_accumulation_steps=2,
        steps_per_execution=2,
        attention_resolution="none",
        spectral_norm="discriminator",
        loss="non_saturating",
        initializer="orthogonal",
        flip=True,
        total_steps=4,
    )
    assert status == 0
    assert [line["images"] for line in metrics(tmp_path)] == [16, 32]
    picture = Image.open(tmp_path / "samples" / "step_00000004.png")
    side = 2 * (2 * 32 + 2)
    # Two rows of two, as many real images, and a line above.
    assert picture.width == side + 32 + side
    assert side < picture.height < 1.5 * side
    assert sample.main(sample_arguments(tmp_path, tmp_path / "a.png")) == 0
    no_labels = sample_arguments(tmp_path, tmp_path / "b.png", labels="0")
    assert sample.main(no_labels) == 2


def sample_arguments(workdir, output, **flags):
    flags = {"workdir": workdir, "output": output, "seeds": "0-3", **flags}
    return ["sample", *(f"--{name}={value}" for name, value in flags.items())]


def pixels(workdir, tmp_path, **flags):
    output = tmp_path / "grid.png"
    assert sample.main(sample_arguments(workdir, output, **flags)) == 0
    return np.asarray(Image.open(output))


def test_image_17_depends_on_nothing_but_its_seed(undisturbed, tmp_path):
    alone = pixels(undisturbed, tmp_path, seeds="17")
    among = pixels(undisturbed, tmp_path, seeds="10-20", columns=11)
    left = 7 * 2 * (32 + 2)
    np.testing.assert_array_equal(among[:, left : left + 64], alone)
    other = among[:, :64]
    assert not np.array_equal(other, alone)


def test_labels_are_rows_and_seeds_are_columns(undisturbed, tmp_path):
    both = pixels(undisturbed, tmp_path, seeds="5,6", labels="3,8")
    one = pixels(undisturbed, tmp_path, seeds="6", labels="8")
    np.testing.assert_array_equal(both[68:, 68:], one)


def test_a_walk_begins_and_ends_at_its_seeds(undisturbed, tmp_path):
    walk = pixels(
        undisturbed, tmp_path, seeds="5,6", labels="3", columns=4, interpolate=True
    )
    ends = pixels(undisturbed, tmp_path, seeds="5,6", labels="3")
    difference = np.abs(walk[:, 3 * 68 :].astype(int) - ends[:, 68:])
    np.testing.assert_array_equal(walk[:, :64], ends[:, :64])
    assert difference.max() <= 1  # sin(w) / sin(w) is not quite 1.
    assert not np.array_equal(walk[:, 68:132], walk[:, :64])


def test_the_average_is_used_unless_told_otherwise(undisturbed, tmp_path):
    average, last = (pixels(undisturbed, tmp_path, ema=ema) for ema in (True, False))
    assert not np.array_equal(average, last)


def test_an_older_checkpoint_can_be_used(undisturbed, tmp_path):
    newest, older = (
        pixels(undisturbed, tmp_path, checkpoint=name) for name in ("newest", "16")
    )
    assert not np.array_equal(newest, older)


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        ({"labels": "10"}, ["labels", "below 10", "Received: 10"]),
        ({"seeds": "7-3"}, ["seeds", "'7-3'"]),
        ({"checkpoint": "5"}, ["no checkpoint of step 5", "16, 20, 24"]),
        ({"interpolate": True, "seeds": "1"}, ["two seeds"]),
        ({"truncation": -1}, ["truncation"]),
    ],
    ids=lambda value: ",".join(value) if isinstance(value, dict) else "",
)
def test_what_cannot_be_sampled_is_one_line(
    undisturbed, tmp_path, capsys, flags, words
):
    arguments = sample_arguments(undisturbed, tmp_path / "grid.png", **flags)
    assert sample.main(arguments) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert all(word in line for word in words)
    assert not (tmp_path / "grid.png").exists()


def test_other_networks_are_refused_with_the_difference(copy, capsys):
    assert tiny.run(copy, z_dim=16, generator_channels=8) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "z_dim was 8, now 16" in line
    assert "generator_channels was 4, now 8" in line
    assert "--workdir" in line


def test_only_damaged_checkpoints_are_an_error(copy, capsys):
    for path in copy.rglob("*.index"):
        path.unlink()
    assert tiny.run(copy, total_steps=40) == 2
    assert "None of the checkpoints" in capsys.readouterr().err.splitlines()[-1]


def test_initial_weights_depend_on_the_seed_alone(undisturbed):
    config = loop.directory.read_config(undisturbed)

    def kernel(seed):
        loop.set_up(config)
        keras.utils.set_random_seed(seed)
        return tf.constant(building.make_model(config).generator.get_weights()[0])

    np.testing.assert_array_equal(kernel(1), kernel(1))
    assert not np.array_equal(kernel(1), kernel(2))

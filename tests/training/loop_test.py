"""What happens before and around the training steps."""

import json
import pathlib
import subprocess
import sys
import types

import numpy as np
import pytest
import tensorflow as tf
import tiny
from PIL import Image

from sagan_tf import train
from sagan_tf.distribution.workers import Workers
from sagan_tf.errors import COLLAPSED, FINISHED, STOPPED, BadInput
from sagan_tf.run import building
from sagan_tf.run.checkpoints import Checkpoints
from sagan_tf.settings.config import Config
from sagan_tf.settings.explanations import explain
from sagan_tf.training import loop
from sagan_tf.training.callbacks.stopping import Stop
from tests.evaluation.small_network import small_network

ROOT = pathlib.Path(__file__).parent.parent.parent


@pytest.fixture
def pictures(tmp_path):
    """Two classes of four pictures, one of which is damaged."""
    for name in ("cat", "dog"):
        (tmp_path / "pictures" / name).mkdir(parents=True)
        for i in range(4):
            pixels = np.full((40, 40, 3), 30 * i, np.uint8)
            Image.fromarray(pixels).save(tmp_path / "pictures" / name / f"{i}.png")
    bad = tmp_path / "pictures" / "dog" / "2.png"
    bad.write_bytes(bad.read_bytes()[:60])
    return tmp_path / "pictures"


def error_of(capsys, workdir, **changes):
    """The one line that a run which cannot start leaves."""
    assert tiny.run(workdir, **changes) == 2
    return capsys.readouterr().err.splitlines()[-1]


def test_a_damaged_picture_is_named(pictures, tmp_path, capsys):
    line = error_of(capsys, tmp_path / "run", dataset=f"folder:{pictures}")
    assert str(pictures / "dog" / "2.png") in line
    assert "--skip_bad_images" in line


def test_a_damaged_picture_is_named_when_it_is_met_later(pictures):
    """As for data that is read while training: the error comes out of `fit`."""
    config = Config(dataset=f"folder:{pictures}", batch_size=8, resolution=32)
    source, config = building.open_data(config)
    error = tf.errors.InvalidArgumentError(None, None, "somewhere in the graph")
    with pytest.raises(BadInput) as caught:
        loop.raise_explained(error, config, source, step=0)
    assert str(pictures / "dog" / "2.png") in str(caught.value)


def test_another_error_stays_what_it_is():
    source, config = building.open_data(Config(batch_size=8, num_classes=10))
    error = tf.errors.InternalError(None, None, "a bug")
    with pytest.raises(tf.errors.InternalError) as caught:
        loop.raise_explained(error, config, source, step=0)
    assert caught.value is error


def test_a_full_disk_is_not_called_too_little_memory():
    source, config = building.open_data(Config(batch_size=8))
    message = "/runs/x/events; No space left on device"
    error = tf.errors.ResourceExhaustedError(None, None, message)
    with pytest.raises(tf.errors.ResourceExhaustedError) as caught:
        loop.raise_explained(error, config, source, step=0)
    assert "No space left on device: /runs/x/events. Try" in explain(caught.value)


def test_too_little_memory_is_explained():
    source, config = building.open_data(Config(batch_size=8))
    error = tf.errors.ResourceExhaustedError(None, None, "OOM")
    with pytest.raises(BadInput) as caught:
        loop.raise_explained(error, config, source, step=0)
    assert "batch_size=8" in str(caught.value)
    assert "--gradient_accumulation_steps=2" in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"num_classes": 7}, ["num_classes=7", "10"]),
        ({"dataset": "npz:/no/such.npz"}, ["/no/such.npz"]),
        ({"batch_size": 4000}, ["4,000", "1,797"]),
        ({"attention_resolution": 12}, ["attention_resolution", "12"]),
        ({"strategy": "multi_worker"}, ["TF_CONFIG"]),
        ({"strategy": "mirrored", "batch_size": 5}, ["batch_size=5", "replicas=2"]),
    ],
    ids=lambda value: ",".join(value) if isinstance(value, dict) else "",
)
def test_what_cannot_be_trained_is_one_line(
    changes, words, tmp_path, capsys, monkeypatch
):
    monkeypatch.delenv("TF_CONFIG", raising=False)
    line = error_of(capsys, tmp_path / "run", **changes)
    assert all(word in line for word in words)
    # It is refused before any work.
    assert not (tmp_path / "run").exists()


def test_an_unwritable_workdir_is_named(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    line = error_of(capsys, tmp_path / "file" / "run")
    assert str(tmp_path / "file") in line


def test_a_workdir_is_needed(capsys):
    assert train.main(["train"]) == 2
    assert "--workdir is needed" in capsys.readouterr().err


def test_zero_classes_drop_the_labels():
    config = Config(num_classes=0, batch_size=4, resolution=32, image_channels=1)
    source, config = building.open_data(config)
    strategy = tf.distribute.get_strategy()
    dataset = loop.make_training_data(config, source, strategy, start=0)
    assert config.num_classes == 0
    assert dataset.element_spec.shape == (4, 32, 32, 1)


@pytest.mark.slow
def test_data_goes_on_where_an_unbroken_run_would_be():
    config = Config(batch_size=4, discriminator_steps=2, resolution=32)
    source, config = building.open_data(config)
    strategy = tf.distribute.get_strategy()

    def images(start, count):
        dataset = loop.make_training_data(config, source, strategy, start)
        return [batch[0].numpy() for batch in dataset.take(count)]

    np.testing.assert_array_equal(images(0, 4)[3], images(3, 1)[0])
    assert images(0, 1)[0].shape == (8, 32, 32, 3)


def test_the_last_execution_does_not_go_beyond_the_last_step():
    config = Config(steps_per_execution=10)
    loop.check_executions(config, 30)
    with pytest.raises(ValueError, match="35 steps left"):
        loop.check_executions(config, 35)


def test_a_classifier_without_classes_in_the_data_is_refused(tmp_path, capsys):
    np.savez(tmp_path / "gray.npz", images=np.zeros((8, 32, 32, 1), np.uint8))
    line = error_of(
        capsys,
        tmp_path / "run",
        dataset=f"npz:{tmp_path / 'gray.npz'}",
        discriminator_head="auxiliary_classifier",
    )
    assert line.startswith("error: discriminator_head=auxiliary_classifier")
    assert "a data set with classes" in line
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("stop", "step", "status", "words"),
    [
        (None, 9, 0, ["Step 9 is saved", "samples"]),
        (Stop(3, "Stopped by SIGTERM."), 9, 0, ["Step 9 is saved", "samples"]),
        (Stop(3, "Stopped by SIGTERM."), 6, 3, ["Step 6 is saved", "by SIGTERM. The"]),
        (Stop(4, "A loss."), 6, 4, ["Stopped. A loss.", "step_00000004"]),
        (Stop(6, "Collapsed."), 6, 6, ["Stopped. Collapsed."]),
    ],
)
def test_the_end_of_a_run_is_reported(stop, step, status, words, tmp_path, capsys):
    checkpoints = Checkpoints(tmp_path / "checkpoints")
    checkpoints.write(4, {"step": tf.Variable(4)})
    model = types.SimpleNamespace(stop=stop, step=tf.Variable(step))
    assert loop.report_end(model, tmp_path, checkpoints, 9, Workers()) == status
    text = capsys.readouterr().out
    assert all(word in text for word in words)
    assert ("is saved" in text) == (status in (0, 3))


@pytest.mark.slow
@pytest.mark.parametrize(
    "failure",
    [
        {"evaluate_every_steps": 8, "feature_network": "nowhere"},
        {"batch_size": 8},
    ],
    ids=["before the training", "in the first step"],
)
def test_a_start_that_fails_leaves_a_workdir_for_the_corrected_command(
    tmp_path, capsys, monkeypatch, failure
):
    def too_large(self, data):
        raise tf.errors.ResourceExhaustedError(None, None, "OOM")

    with monkeypatch.context() as patch:
        patch.setattr("sagan_tf.model.sagan.SAGAN.train_step", too_large)
        assert tiny.run(tmp_path, **failure, generator_channels=8) == 2
    assert capsys.readouterr().err.splitlines()[-1].startswith("error: ")
    assert not (tmp_path / "config.json").exists()
    assert tiny.run(tmp_path, total_steps=4) == 0
    assert 'generator_channels": 4' in (tmp_path / "config.json").read_text()


@pytest.mark.slow
def test_the_last_look_and_evaluation_are_made_up_for(tmp_path, monkeypatch):
    """As if the run had been killed after its last checkpoint."""
    evaluated = []

    def score(generator, how, num_classes, step):
        evaluated.append(step)
        record = {"subject": "checkpoint", "step": step, **how.record()}
        return {**record, "metrics": {"fid": 5.0}}

    name = "sagan_tf.training.callbacks.periodic_evaluation.score_network"
    monkeypatch.setattr(name, score)
    network = small_network()
    name = "sagan_tf.evaluation.features.of_run.open_feature_network"
    monkeypatch.setattr(name, lambda spec, place: network)
    options = {"watch_every_steps": 2, "evaluate_every_steps": 2, "split": "train"}
    options |= {"total_steps": 4, "sample_every_steps": 0}
    assert tiny.run(tmp_path, **options) == 0
    files = [tmp_path / name for name in ("health.jsonl", "evaluations.jsonl")]
    looks, _ = before = [path.read_text() for path in files]
    for path in files:
        path.write_text(path.read_text().splitlines(keepends=True)[0])
    weights = tiny.weights(tmp_path, 4)
    assert tiny.run(tmp_path, **options) == 0
    assert evaluated == [2, 4, 4]
    assert files[0].read_text() == looks
    assert len(files[1].read_text().splitlines()) == len(before[1].splitlines())
    for name, value in tiny.weights(tmp_path, 4).items():
        np.testing.assert_array_equal(value, weights[name], err_msg=name)


@pytest.mark.slow
def test_a_training_whose_reader_goes_saves_a_checkpoint(tmp_path):
    """As `train ... | head -1`; and SIGHUP when the terminal goes."""
    command = [sys.executable, "-m", "sagan_tf.train", *tiny.command_line(tmp_path)[1:]]
    command += ["--total_steps=100000", "--checkpoint_every_steps=0"]
    command += ["--sample_every_steps=0"]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT, text=True
    )
    assert process.stdout.readline().startswith("run: ")
    assert any(line.startswith("step 1/") for line in process.stdout)
    process.stdout.close()
    error = process.stderr.read()
    assert process.wait() == STOPPED
    assert "The reader of the output has gone" in error
    assert "Traceback" not in error and "Exception ignored" not in error
    assert Checkpoints(tmp_path / "checkpoints").newest_good() >= 2


def opened(dataset, **changes):
    return building.open_data(Config(dataset=dataset, resolution=32, **changes))


@pytest.mark.parametrize("num_classes", [None, 0])
def test_a_small_data_set_is_watched_as_a_whole(pictures, num_classes):
    (pictures / "dog" / "2.png").unlink()
    source, config = opened(f"folder:{pictures}", num_classes=num_classes)
    batch = loop.make_fixed_batch(config, source)
    assert batch.images.shape == (7, 32, 32, 3)
    assert batch.z.shape == (7, 128)
    if num_classes is None:
        assert sorted(batch.labels) == [0] * 4 + [1] * 3
    else:
        assert batch.labels is None


@pytest.mark.slow
def test_a_fixed_batch_is_the_same_each_time_and_another_with_another_seed():
    source, config = opened("digits", image_channels=1)
    one, same = (loop.make_fixed_batch(config, source) for _ in range(2))
    assert one.images.shape == (32, 32, 32, 1)
    for a, b in zip(vars(one).values(), vars(same).values(), strict=True):
        np.testing.assert_array_equal(a, b)
    _, config = opened("digits", image_channels=1, seed=1)
    other = loop.make_fixed_batch(config, source)
    assert np.any(one.z != other.z) and np.any(one.images != other.images)


def test_one_picture_is_not_watched(tmp_path):
    Image.new("RGB", (40, 40)).save(tmp_path / "one.png")
    source, config = opened(f"folder:{tmp_path}", num_classes=0)
    assert not loop.is_watched(config, source)
    assert config.watch_interval > 0


def test_a_damaged_picture_of_the_fixed_batch_is_named(pictures):
    source, config = opened(f"folder:{pictures}")
    with pytest.raises(ValueError, match=r"2\.png.*--skip_bad_images"):
        loop.make_fixed_batch(config, source)


@pytest.mark.slow
@pytest.mark.parametrize(
    "changes",
    [
        {
            "strategy": "mirrored",
            "discriminator_head": "auxiliary_classifier",
            "attention_variant": "residual",
            "cross_replica_batch_norm": True,
        },
        {
            "strategy": "mirrored",
            "spectral_norm_conditional_batch_norm": True,
            "spectral_norm_clamp": True,
            "dtype_policy": "mixed_bfloat16",
            "on_collapse": "rollback",
        },
        {
            "jit_compile": True,
            "deterministic": False,
            "discriminator_head": "auxiliary_classifier",
            "steps_per_execution": 2,
        },
    ],
    ids=["replicas", "bfloat16", "XLA"],
)
def test_a_training_of_any_kind_is_watched(tmp_path, changes):
    steps = {"total_steps": 4, "checkpoint_every_steps": 4, "sample_every_steps": 0}
    assert tiny.run(tmp_path, watch_every_steps=2, **steps, **changes) in (
        FINISHED,
        COLLAPSED,
    )
    looks, logs = (
        [json.loads(line) for line in (tmp_path / name).read_text().splitlines()]
        for name in ("health.jsonl", "metrics.jsonl")
    )
    assert [look["step"] for look in looks] == [2, 4]
    assert [line["step"] for line in logs] == [2, 4]
    for look in looks:
        assert all(
            np.isfinite(value) for name, value in look.items() if name != "complaints"
        )
        assert sum(name.startswith("gamma_") for name in look) == 2
        assert any(name.startswith("sigma_discriminator/") for name in look)

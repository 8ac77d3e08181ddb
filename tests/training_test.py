"""What happens before and around the training steps."""

import numpy as np
import pytest
import tensorflow as tf
import tiny
from PIL import Image

from sagan_tf import train, training
from sagan_tf.config import Config


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
    source, config = training.open_data(config)
    error = tf.errors.InvalidArgumentError(None, None, "somewhere in the graph")
    found = training.explain(error, config, source, step=0)
    assert isinstance(found, ValueError)
    assert str(pictures / "dog" / "2.png") in str(found)


def test_another_error_stays_what_it_is():
    source, config = training.open_data(Config(batch_size=8, num_classes=10))
    error = tf.errors.InternalError(None, None, "a bug")
    assert training.explain(error, config, source, step=0) is error


def test_too_little_memory_is_explained():
    source, config = training.open_data(Config(batch_size=8))
    error = tf.errors.ResourceExhaustedError(None, None, "OOM")
    found = str(training.explain(error, config, source, step=0))
    assert "batch_size=8" in found
    assert "--gradient_accumulation_steps=2" in found


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"num_classes": 7}, ["num_classes=7", "10"]),
        ({"dataset": "npz:/no/such.npz"}, ["/no/such.npz"]),
        ({"batch_size": 4000}, ["4000", "1797"]),
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


def test_an_unwritable_workdir_is_named(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    line = error_of(capsys, tmp_path / "file" / "run")
    assert str(tmp_path / "file") in line


def test_a_workdir_is_needed(capsys):
    assert train.main(["train"]) == 2
    assert "--workdir is needed" in capsys.readouterr().err


def test_zero_classes_drop_the_labels():
    config = Config(num_classes=0, batch_size=4, resolution=32, image_channels=1)
    source, config = training.open_data(config)
    strategy = tf.distribute.get_strategy()
    dataset = training.make_training_data(config, source, strategy, start=0)
    assert config.num_classes == 0
    assert dataset.element_spec.shape == (4, 32, 32, 1)


def test_data_goes_on_where_an_unbroken_run_would_be():
    config = Config(batch_size=4, discriminator_steps=2, resolution=32)
    source, config = training.open_data(config)
    strategy = tf.distribute.get_strategy()

    def images(start, count):
        dataset = training.make_training_data(config, source, strategy, start)
        return [batch[0].numpy() for batch in dataset.take(count)]

    np.testing.assert_array_equal(images(0, 4)[3], images(3, 1)[0])
    assert images(0, 1)[0].shape == (8, 32, 32, 3)


def test_a_dry_run_shows_everything_and_writes_nothing(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert tiny.run(tmp_path / "run", dry_run=True) == 0
    assert list(tmp_path.iterdir()) == []
    text = capsys.readouterr().out
    for part in ('"z_dim": 8', "10 classes", "attention_16x16", "activations", "MiB"):
        assert part in text


def test_a_dry_run_needs_no_workdir():
    flags = [f"--{name}={value}" for name, value in tiny.FLAGS.items()]
    assert train.main(["train", "--dry_run", *flags]) == 0


def test_each_network_learns_at_its_own_rate():
    config = Config(
        resolution=32,
        attention_resolution=(16,),
        num_classes=2,
        generator_channels=2,
        discriminator_channels=2,
        adam_beta2=0.9,
        loss="kl",
    )
    model = training.make_model(config)
    adams = (model.generator_optimizer, model.discriminator_optimizer)
    rates = [float(adam.learning_rate.numpy()) for adam in adams]
    np.testing.assert_allclose(rates, [1e-4, 4e-4], rtol=1e-6)
    assert [(a.beta_1, a.beta_2, a.epsilon) for a in adams] == [(0.0, 0.9, 1e-8)] * 2
    assert model.loss_name == "kl"


def test_the_last_execution_does_not_go_beyond_the_last_step():
    config = Config(steps_per_execution=10)
    training.check_executions(config, 30)
    with pytest.raises(ValueError, match="35 steps left"):
        training.check_executions(config, 35)

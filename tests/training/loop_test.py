"""What happens before and around the training steps."""

import json

import numpy as np
import pytest
import tensorflow as tf
import tiny
from PIL import Image

from sagan_tf import train
from sagan_tf.errors import COLLAPSED, FINISHED
from sagan_tf.run import building
from sagan_tf.settings.config import Config
from sagan_tf.training import loop


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
    source, config = loop.open_data(config)
    error = tf.errors.InvalidArgumentError(None, None, "somewhere in the graph")
    found = loop.explain(error, config, source, step=0)
    assert isinstance(found, ValueError)
    assert str(pictures / "dog" / "2.png") in str(found)


def test_another_error_stays_what_it_is():
    source, config = loop.open_data(Config(batch_size=8, num_classes=10))
    error = tf.errors.InternalError(None, None, "a bug")
    assert loop.explain(error, config, source, step=0) is error


def test_too_little_memory_is_explained():
    source, config = loop.open_data(Config(batch_size=8))
    error = tf.errors.ResourceExhaustedError(None, None, "OOM")
    found = str(loop.explain(error, config, source, step=0))
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
    source, config = loop.open_data(config)
    strategy = tf.distribute.get_strategy()
    dataset = loop.make_training_data(config, source, strategy, start=0)
    assert config.num_classes == 0
    assert dataset.element_spec.shape == (4, 32, 32, 1)


@pytest.mark.slow
def test_data_goes_on_where_an_unbroken_run_would_be():
    config = Config(batch_size=4, discriminator_steps=2, resolution=32)
    source, config = loop.open_data(config)
    strategy = tf.distribute.get_strategy()

    def images(start, count):
        dataset = loop.make_training_data(config, source, strategy, start)
        return [batch[0].numpy() for batch in dataset.take(count)]

    np.testing.assert_array_equal(images(0, 4)[3], images(3, 1)[0])
    assert images(0, 1)[0].shape == (8, 32, 32, 3)


@pytest.mark.slow
def test_a_dry_run_shows_everything_and_writes_nothing(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert tiny.run(tmp_path / "run", dry_run=True) == 0
    assert list(tmp_path.iterdir()) == []
    text = capsys.readouterr().out
    for part in ('"z_dim": 8', "10 classes", "attention_16x16", "activations", "MiB"):
        assert part in text


@pytest.mark.slow
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
    model = building.make_model(config)
    adams = (model.generator_optimizer, model.discriminator_optimizer)
    rates = [float(adam.learning_rate.numpy()) for adam in adams]
    np.testing.assert_allclose(rates, [1e-4, 4e-4], rtol=1e-6)
    assert [(a.beta_1, a.beta_2, a.epsilon) for a in adams] == [(0.0, 0.9, 1e-8)] * 2
    assert model.loss_name == "kl"


def test_the_last_execution_does_not_go_beyond_the_last_step():
    config = Config(steps_per_execution=10)
    loop.check_executions(config, 30)
    with pytest.raises(ValueError, match="35 steps left"):
        loop.check_executions(config, 35)


VARIANTS = {
    "AC-GAN": {"discriminator_head": "auxiliary_classifier", "class_loss_weight": 0.5},
    "residual": {"attention_variant": "residual"},
    "clamp": {"spectral_norm_clamp": True},
    "tables": {"spectral_norm_conditional_batch_norm": True},
    "all": {
        "discriminator_head": "auxiliary_classifier",
        "attention_variant": "residual",
        "spectral_norm_clamp": True,
        "spectral_norm_conditional_batch_norm": True,
        "cross_replica_batch_norm": True,
        "fake_labels": "data",
    },
}


def small_config(**changes):
    return Config(
        resolution=32,
        image_channels=1,
        attention_resolution=(16,),
        num_classes=3,
        z_dim=5,
        generator_channels=2,
        discriminator_channels=2,
        batch_size=4,
        **changes,
    )


@pytest.mark.slow
@pytest.mark.parametrize("name", VARIANTS)
def test_every_variant_trains_both_networks(name):
    model = building.make_model(small_config(**VARIANTS[name]).validate())
    before = {id(v): v.numpy() for v in model.trainable_variables}
    random = np.random.default_rng(0)
    images = tf.constant(random.uniform(-1, 1, (4, 32, 32, 1)), tf.float32)
    for _ in range(2):  # In the first one gamma is 0, and hides what it stands before.
        logs = model.train_step((images, tf.constant([0, 1, 2, 1])))
    assert all(np.isfinite(float(value)) for value in logs.values())
    for network in (model.generator, model.discriminator):
        for variable in network.trainable_variables:
            still = np.array_equal(variable, before[id(variable)])
            # Of biases before batch normalization nothing is seen.
            assert not still or variable.name == "bias", variable.path


@pytest.mark.slow
def test_the_flags_of_the_ablations_reach_the_networks():
    model = building.make_model(small_config(**VARIANTS["all"]).validate())
    assert model.class_loss_weight == 1.0
    assert model.discriminator.output_shape == (None, 4)
    assert set(model.gammas()) == {"gamma_g_residual_16x16", "gamma_d_residual_16x16"}
    for network in (model.generator, model.discriminator):
        clamped = {x.clamp_sigma for x in network.layers if hasattr(x, "clamp_sigma")}
        assert clamped == {True, False}  # Not within the residual block.
        assert not network.get_layer("residual_16x16").clamp_sigma
    block = model.generator.get_layer("block_8x8")
    assert (block.normalize_tables, block.synchronized) == (True, True)
    other = building.make_model(small_config(**VARIANTS["AC-GAN"]))
    assert other.class_loss_weight == 0.5


def test_a_classifier_without_classes_in_the_data_is_refused(tmp_path, capsys):
    np.savez(tmp_path / "grey.npz", images=np.zeros((8, 32, 32, 1), np.uint8))
    line = error_of(
        capsys,
        tmp_path / "run",
        dataset=f"npz:{tmp_path / 'grey.npz'}",
        discriminator_head="auxiliary_classifier",
    )
    assert line.startswith("error: discriminator_head=auxiliary_classifier")
    assert "a data set with classes" in line
    assert not (tmp_path / "run").exists()


def opened(dataset, **changes):
    return loop.open_data(Config(dataset=dataset, resolution=32, **changes))


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
    assert loop.make_watch(config, source, tmp_path, None, None) == []
    assert config.watch_every_steps > 0


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

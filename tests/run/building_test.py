"""What a config decides: the data set, the networks, the model."""

import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf

from sagan_tf import data
from sagan_tf.model import latents
from sagan_tf.run import building, directory
from sagan_tf.settings.config import Config


def npz(path, labels):
    labels = np.asarray(labels)
    images = np.zeros((len(labels), 8, 8, 1), np.uint8)
    np.savez(path, images=images, labels=labels)
    return f"npz:{path}"


def test_every_setting_of_the_data_is_passed_on(monkeypatch):
    seen = {}
    monkeypatch.setattr(
        data, "open_source", lambda name, **rest: seen.update(rest, dataset=name)
    )
    settings = {"dataset": "tfds:a", "split": "b", "data_dir": "c", "manual_dir": "d"}
    settings |= {"label_offset": -1, "skip_bad_images": True}
    building.open_source(Config(**settings))
    assert seen == settings


def test_the_number_of_classes_is_the_data_s_unless_it_is_said(tmp_path):
    config = Config(dataset=npz(tmp_path / "x.npz", [0, 2, 1]))
    for said, expected in ((None, 3), (5, 5), (0, 0)):
        asked = dataclasses.replace(config, num_classes=said)
        source, settled = building.open_data(asked)
        assert settled == dataclasses.replace(config, num_classes=expected)
        assert source.num_images == 3


def test_too_few_classes_are_refused(tmp_path):
    config = Config(dataset=npz(tmp_path / "x.npz", [0, 2, 1]), num_classes=2)
    with pytest.raises(ValueError, match="num_classes"):
        building.open_data(config)


def test_data_json_is_about_the_data():
    source = data.open_source("digits")
    about = building.describe_data(source)
    assert about["num_images"] == 1797
    assert about["class_names"] == [str(digit) for digit in range(10)]


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


CONFIG = Config(
    resolution=32,
    image_channels=1,
    num_classes=2,
    z_dim=3,
    generator_channels=2,
    discriminator_channels=2,
    attention_resolution=(16,),
)


DATA = {"description": "some", "num_classes": 2, "class_names": ["cat", "dog"]}


def test_a_folder_that_is_no_run_is_named(tmp_path):
    with pytest.raises(ValueError, match="not the directory of a run"):
        building.load_generator(tmp_path)


def test_a_run_without_checkpoints_has_no_generator_yet(tmp_path):
    directory.prepare(tmp_path, CONFIG, DATA)
    with pytest.raises(ValueError, match="no checkpoints yet"):
        building.load_generator(tmp_path)


def test_a_generator_comes_back_with_its_weights(tmp_path):
    checkpoints = directory.prepare(tmp_path, CONFIG, DATA)
    generator, discriminator = building.networks_from_config(CONFIG)
    items = {"generator": generator, "discriminator": discriminator}
    checkpoints.write(5, items)
    loaded, config, names, step = building.load_generator(tmp_path)
    assert (config, names, step) == (CONFIG, ("cat", "dog"), 5)
    for ours, theirs in zip(loaded.weights, generator.weights, strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("num_classes", [0, 2])
def test_standing_statistics_of_drawn_batches_replace_moving_averages(
    tmp_path, num_classes
):
    config = Config(**{**vars(CONFIG), "num_classes": num_classes})
    checkpoints = directory.prepare(tmp_path, config, DATA)
    checkpoints.write(5, {"generator": building.networks_from_config(config)[0]})
    generator = building.load_generator(tmp_path, standing_batches=2)[0]
    z = latents.draw_z(range(1000), config.z_dim)
    labels = [latents.draw_labels(range(1000), num_classes)] if num_classes else []
    inputs = [z, *labels]
    first = keras.Model(generator.inputs, generator.get_layer("reshape").output)
    expected = np.var(first(inputs), (0, 1, 2))
    found = generator.get_layer("block_8x8").batch_norm_1.moving_variance
    np.testing.assert_allclose(found, expected, rtol=0.3)


@pytest.mark.parametrize(("ema", "name"), [(True, "average"), (False, "last")])
def test_the_average_is_loaded_if_the_run_has_one(tmp_path, ema, name):
    config = Config(**{**vars(CONFIG), "ema_decay": 0.9})
    checkpoints = directory.prepare(tmp_path, config, DATA)
    networks = {"average": building.networks_from_config(config)[0]}
    networks["last"] = building.networks_from_config(config)[0]
    checkpoints.write(
        5, {"generator": networks["last"], "ema_generator": networks["average"]}
    )
    loaded = building.load_generator(tmp_path, ema=ema)[0]
    np.testing.assert_array_equal(loaded.weights[0], networks[name].weights[0])


def test_both_networks_come_back_with_their_weights(tmp_path):
    config = Config(**{**vars(CONFIG), "ema_decay": 0.9})
    checkpoints = directory.prepare(tmp_path, config, DATA)
    generator, discriminator = building.networks_from_config(config)
    average, _ = building.networks_from_config(config)
    items = {"generator": generator, "discriminator": discriminator}
    checkpoints.write(5, {**items, "ema_generator": average})
    for ema, expected in ((True, average), (False, generator)):
        *loaded, loaded_config, names, step = building.load_networks(tmp_path, ema=ema)
        assert (loaded_config, names, step) == (config, ("cat", "dog"), 5)
        for ours, theirs in zip(loaded, (expected, discriminator), strict=True):
            for weight, written in zip(ours.weights, theirs.weights, strict=True):
                np.testing.assert_array_equal(weight, written)


def test_a_run_that_was_imported_without_a_discriminator_has_none(tmp_path):
    checkpoints = directory.prepare(tmp_path, CONFIG, DATA)
    generator, _ = building.networks_from_config(CONFIG)
    checkpoints.write(5, {"generator": generator})
    loaded, discriminator, _, _, step = building.load_networks(tmp_path)
    assert (discriminator, step) == (None, 5)
    np.testing.assert_array_equal(loaded.weights[0], generator.weights[0])


def test_another_checkpoint_is_read_into_the_same_networks(tmp_path):
    checkpoints = directory.prepare(tmp_path, CONFIG, DATA)
    networks = building.networks_from_config(CONFIG)
    items = dict(zip(("generator", "discriminator"), networks))
    kernels = [network.weights[0] for network in networks]
    for step in (5, 6):
        for kernel in kernels:
            kernel.assign(np.full(kernel.shape, step))
        checkpoints.write(step, items)
    for asked, step in (("5", 5), ("newest", 6), (5, 5)):
        assert building.restore_networks(tmp_path, CONFIG, networks, asked) == step
        assert [float(np.mean(kernel)) for kernel in kernels] == [step, step]


@pytest.mark.parametrize(
    ("changes", "wrapped"),
    [({}, (True, True)), ({"spectral_norm": "discriminator"}, (False, True))],
)
def test_spectral_norm_is_on_the_networks_that_the_config_says(changes, wrapped):
    networks = building.networks_from_config(Config(**{**vars(CONFIG), **changes}))
    found = tuple(any(v.name == "u" for v in network.weights) for network in networks)
    assert found == wrapped


def test_each_network_has_the_attention_that_the_config_says():
    config = Config(
        **{**vars(CONFIG), "discriminator_attention_resolution": (8,), "z_dim": 5}
    )
    generator, discriminator = building.networks_from_config(config)
    names = [
        [layer.name for layer in network.layers if "attention" in layer.name]
        for network in (generator, discriminator)
    ]
    assert names == [["attention_16x16"], ["attention_8x8"]]
    assert generator.inputs[0].shape == (None, 5)

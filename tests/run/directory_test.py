"""The run directory: what is written in it, and networks back out of it."""

import json
import pathlib
import subprocess

import keras
import numpy as np
import pytest
import tensorflow as tf

import sagan_tf
from sagan_tf.distribution.workers import Workers
from sagan_tf.run import building, directory, versions
from sagan_tf.run.checkpoints import Checkpoints
from sagan_tf.settings.config import Config

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


def test_the_config_comes_back(tmp_path):
    directory.prepare(tmp_path / "a" / "run", CONFIG, DATA)
    assert directory.read_config(tmp_path / "a" / "run") == CONFIG
    assert directory.read_class_names(tmp_path / "a" / "run") == ("cat", "dog")


def test_the_same_run_can_be_prepared_again_with_other_steps(tmp_path, capsys):
    directory.prepare(tmp_path, CONFIG, DATA)
    changed = Config(**{**vars(CONFIG), "total_steps": 7})
    directory.prepare(tmp_path, changed, DATA)
    assert directory.read_config(tmp_path) == changed
    assert capsys.readouterr().out == "total_steps was 1000000, now 7\n"


def test_other_networks_are_refused_and_the_config_stays(tmp_path):
    directory.prepare(tmp_path, CONFIG, DATA)
    changed = Config(**{**vars(CONFIG), "z_dim": 4})
    with pytest.raises(ValueError, match="z_dim was 3, now 4.*--workdir"):
        directory.prepare(tmp_path, changed, DATA)
    assert directory.read_config(tmp_path) == CONFIG


def test_leftovers_of_a_killed_run_are_removed_and_nothing_else(tmp_path):
    directory.prepare(tmp_path, CONFIG, DATA)
    for name in ("config.json.1.tmp", "metrics.csv.1.tmp", "samples/step_1.png.1.tmp"):
        (tmp_path / name).write_text("half")
    (tmp_path / "mine.tmp").write_text("kept")
    (tmp_path / "checkpoints" / "step_00000001.tmp").mkdir(parents=True)
    directory.prepare(tmp_path, CONFIG, DATA)
    assert [path.name for path in tmp_path.rglob("*.tmp")] == ["mine.tmp"]


@pytest.mark.parametrize("text", ["{", "[]", '{"speed": 1}', '{"z_dim": "three"}'])
def test_a_damaged_config_is_named(tmp_path, text):
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(ValueError, match=r"config\.json is damaged"):
        directory.read_config(tmp_path)


def test_checkpoints_without_a_config_are_not_touched(tmp_path):
    (tmp_path / "checkpoints" / "step_00000001").mkdir(parents=True)
    with pytest.raises(ValueError, match="no config.json"):
        directory.prepare(tmp_path, CONFIG, DATA)


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


def test_versions_are_added_when_they_change(tmp_path, monkeypatch):
    def entries():
        return json.loads((tmp_path / "versions.json").read_text())

    versions.record_versions(tmp_path, 0)
    versions.record_versions(tmp_path, 10)
    assert len(entries()) == 1
    assert entries()[0]["sagan_tf"] == sagan_tf.__version__
    monkeypatch.setattr(versions, "git_state", lambda: {"git_commit": "abc"})
    versions.record_versions(tmp_path, 20)
    assert [entry["from_step"] for entry in entries()] == [0, 20]
    assert entries()[1]["git_commit"] == "abc"


def test_the_commit_is_that_of_the_checkout():
    root = pathlib.Path(directory.__file__).parents[2]
    if not (root / ".git").exists():
        pytest.skip("the package is not in a git checkout")
    head = subprocess.run(
        ["git", "-C", root, "rev-parse", "HEAD"], capture_output=True, text=True
    )
    assert versions.git_state()["git_commit"] == head.stdout.strip()


def test_without_git_there_is_no_commit(monkeypatch):
    monkeypatch.setenv("PATH", "")
    assert versions.git_state() == {"git_commit": None, "git_changed": None}


def test_a_run_goes_on_from_the_newest_good_checkpoint(tmp_path):
    generator, _ = building.networks_from_config(CONFIG)
    checkpoints = Checkpoints(tmp_path)
    assert directory.find_start(checkpoints, {"generator": generator}) == 0
    for step in (2, 4):
        checkpoints.write(step, {"generator": generator})
    (checkpoints.path(4) / "checkpoint.json").unlink()
    assert directory.find_start(checkpoints, {"generator": generator}) == 2
    assert checkpoints.steps() == [2]


def with_optimizers(generator, discriminator):
    """What a training restores of these networks."""
    items = {"generator": generator, "discriminator": discriminator}
    for name, network in list(items.items()):
        optimizer = keras.optimizers.Adam(0.5)
        optimizer.build(network.trainable_variables)
        items[f"{name}_optimizer"] = optimizer
    return items


def test_an_imported_run_begins_with_new_optimizers(tmp_path, capsys):
    generator, discriminator = building.networks_from_config(CONFIG)
    checkpoints = Checkpoints(tmp_path)
    checkpoints.write(5, {"generator": generator, "discriminator": discriminator})
    items = with_optimizers(*building.networks_from_config(CONFIG))
    assert directory.find_start(checkpoints, items) == 5
    assert "the optimizers begin anew" in capsys.readouterr().out
    for ours, theirs in zip(
        items["discriminator"].weights, discriminator.weights, strict=True
    ):
        np.testing.assert_array_equal(ours, theirs)
    # What a training of ours has written has them.
    checkpoints.write(6, items)
    assert directory.find_start(checkpoints, items) == 6
    assert "anew" not in capsys.readouterr().out


def test_a_run_imported_without_a_discriminator_is_not_trained_on(tmp_path):
    generator, discriminator = building.networks_from_config(CONFIG)
    checkpoints = Checkpoints(tmp_path)
    checkpoints.write(5, {"generator": generator})
    with pytest.raises(ValueError, match="step_00000005 was imported without a disc"):
        directory.find_start(checkpoints, with_optimizers(generator, discriminator))


class Beside(Workers):
    """Worker 1, beside a chief that says the same numbers, or those it is given."""

    def __init__(self, *chief):
        super().__init__(1, 2)
        self._chief = chief

    def gather(self, *numbers):
        return [self._chief or numbers, numbers]


def test_a_worker_writes_nothing_into_the_run_directory(tmp_path):
    directory.prepare(tmp_path, CONFIG, DATA)
    (tmp_path / "config.json.1.tmp").write_text("the chief is writing")
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    directory.prepare(tmp_path, CONFIG, DATA, Beside())
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before


def test_a_worker_that_does_not_see_the_run_directory_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(directory, "_SECONDS_TO_APPEAR", 0)
    with pytest.raises(ValueError, match="worker 1 of 2 does not see .*config.json"):
        directory.prepare(tmp_path, CONFIG, DATA, Beside())
    assert not list(tmp_path.iterdir())


def test_where_the_data_lies_may_differ_between_machines(tmp_path):
    seen = []

    class Listening(Workers):
        def gather(self, *numbers):
            seen.append(numbers)
            return [numbers]

    for values in ({}, {"data_dir": "elsewhere"}, {"seed": 1}):
        config = Config(**{**vars(CONFIG), **values})
        directory.prepare(tmp_path, config, DATA, Listening())
    here, there, other = seen[0], seen[2], seen[4]
    assert here == there
    assert here != other


def test_all_workers_go_on_from_the_step_that_the_chief_chooses(tmp_path, monkeypatch):
    checkpoints = Checkpoints(tmp_path)
    for step in (1, 2):
        checkpoints.write(step, {"weight": tf.Variable(float(step))})
    weight = tf.Variable(0.0)
    assert directory.find_start(checkpoints, {"weight": weight}, Beside(1)) == 1
    assert weight.numpy() == 1
    # Removing what is newer is left to the chief.
    assert checkpoints.steps() == [1, 2]
    assert directory.find_start(checkpoints, {"weight": weight}, Beside(-1)) == 0
    monkeypatch.setattr(directory, "_SECONDS_TO_APPEAR", 0)
    with pytest.raises(ValueError, match="does not see .*step_00000007.*--workdir"):
        directory.find_start(checkpoints, {"weight": weight}, Beside(7))

"""The run directory: what is written in it, and where a run goes on."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from sagan_tf.distribution.workers import Workers
from sagan_tf.errors import BadInput
from sagan_tf.run import building, directory
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
    names = ("config.json", "metrics.csv", "health.jsonl", "health.png")
    for name in (*names, "evaluations.jsonl", "samples/step_1.png"):
        (tmp_path / f"{name}.1.tmp").write_text("half")
    for name in ("mine.tmp", "mine.json.old.tmp"):
        (tmp_path / name).write_text("kept")
    for name in ("step_00000001.tmp", "step_00000001.old.tmp"):
        (tmp_path / "checkpoints" / name).mkdir(parents=True)
    directory.prepare(tmp_path, CONFIG, DATA)
    assert {p.name for p in tmp_path.rglob("*.tmp")} == {
        "mine.tmp",
        "mine.json.old.tmp",
    }


@pytest.mark.parametrize(
    ("before", "now"), [("float32", "mixed_float16"), ("mixed_float16", "float32")]
)
def test_a_run_does_not_get_or_lose_loss_scaling(tmp_path, before, now):
    one, other = (Config(**{**vars(CONFIG), "dtype_policy": p}) for p in (before, now))
    directory.prepare(tmp_path, one, DATA)
    remedy = f"--initialize_from={tmp_path} --workdir=NEW"
    with pytest.raises(BadInput, match=f"{before}, now {now}.*new run.*{remedy}"):
        directory.check_same_networks(tmp_path, other)
    directory.check_same_networks(tmp_path, one)


def test_labels_do_not_get_another_meaning(tmp_path):
    directory.prepare(tmp_path, CONFIG, {**DATA, "num_images": 8})
    with pytest.raises(BadInput) as caught:
        directory.check_same_networks(tmp_path, CONFIG, ("dog", "zebra"))
    assert str(caught.value) == (
        f"The data must have the classes that {tmp_path} was trained on. Received: "
        "label 0 was cat, now dog and 1 more. Try the old names, or a new run that "
        f"takes the classes by name: --initialize_from={tmp_path} --workdir=NEW."
    )
    for same in (("cat", "dog"), ()):  # Records have no names.
        directory.check_same_networks(tmp_path, CONFIG, same)


def test_an_import_may_have_other_names_than_the_data(tmp_path):
    directory.prepare(tmp_path, CONFIG, {**DATA, "num_images": None})
    directory.check_same_networks(tmp_path, CONFIG, ("n1", "n2"))


@pytest.mark.parametrize("text", ["{", "[]", '{"speed": 1}', '{"z_dim": "three"}'])
def test_a_damaged_config_is_named(tmp_path, text):
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(ValueError, match=r"config\.json is damaged"):
        directory.read_config(tmp_path)


def test_checkpoints_without_a_config_are_not_touched(tmp_path):
    (tmp_path / "checkpoints" / "step_00000001").mkdir(parents=True)
    with pytest.raises(ValueError, match="no config.json"):
        directory.prepare(tmp_path, CONFIG, DATA)


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
    assert "the optimizers start from zero" in capsys.readouterr().out
    for ours, theirs in zip(
        items["discriminator"].weights, discriminator.weights, strict=True
    ):
        np.testing.assert_array_equal(ours, theirs)
    # What a training of ours has written has them.
    checkpoints.write(6, items)
    assert directory.find_start(checkpoints, items) == 6
    assert "start from zero" not in capsys.readouterr().out


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
    directory.open_run(tmp_path, CONFIG, Beside())
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before


def test_a_worker_that_does_not_see_the_run_directory_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(directory, "_SECONDS_TO_APPEAR", 0)
    with pytest.raises(ValueError, match="worker 1 of 2 does not see .*samples"):
        directory.open_run(tmp_path, CONFIG, Beside())
    assert not list(tmp_path.iterdir())


def test_where_the_data_lies_may_differ_between_machines(tmp_path):
    seen = []

    class Listening(Workers):
        def gather(self, *numbers):
            seen.append(numbers)
            return [numbers]

    for values in ({}, {"data_dir": "elsewhere"}, {"seed": 1}):
        config = Config(**{**vars(CONFIG), **values})
        directory.open_run(tmp_path, config, Listening())
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

"""A new run that starts with another run's weights."""

import dataclasses
import json
import shutil

import numpy as np
import pytest
import tiny

from sagan_tf import train
from sagan_tf.errors import BadInput
from sagan_tf.networks.variable_names import variables_by_name
from sagan_tf.run import building, directory, initialization
from sagan_tf.run.initialization import class_axis, initialize, match_classes
from sagan_tf.settings.config import Config

CONFIG = Config(
    resolution=32,
    image_channels=1,
    num_classes=3,
    z_dim=3,
    generator_channels=2,
    discriminator_channels=2,
    attention_resolution=(16,),
    ema_decay=0.5,
)
# The networks of `tiny`.
TINY = dataclasses.replace(
    CONFIG, num_classes=10, z_dim=8, generator_channels=4, discriminator_channels=4
)
NAMES = ["cat", "dog", "emu"]
STEP = 7


def changed(**changes):
    return dataclasses.replace(CONFIG, **changes)


def write_run(workdir, config=CONFIG, names=NAMES, left_out=()):
    """A run with one checkpoint, in which every value is another."""
    data = {"description": "some", "num_classes": 3, "class_names": list(names)}
    checkpoints = directory.prepare(workdir, config, data)
    model = building.make_model(config)
    items = model.checkpoint_items()
    random = np.random.default_rng(0)
    for name in ("generator", "discriminator", "ema_generator"):
        for variable in getattr(items.get(name), "variables", ()):
            variable.assign(random.uniform(0.5, 1.5, variable.shape))
    for name in left_out:
        del items[name]
    checkpoints.write(STEP, items)
    return model


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """The folder of a run, and its model. Not to be changed."""
    workdir = tmp_path_factory.mktemp("source")
    return workdir, write_run(workdir)


def started(workdir, names=NAMES, **changes):
    """A new model with the weights of a run, and what is recorded."""
    config = changed(initialize_from=str(workdir), **changes)
    model = building.make_model(config)
    return model, initialize(model, config, names, workdir / "of nobody")


def by_path(network):
    named = variables_by_name(network)
    return {name: variable.numpy() for name, variable in named.items()}


def assert_same(network, other):
    ours, theirs = by_path(network), by_path(other)
    assert set(ours) == set(theirs)
    for path, value in ours.items():
        np.testing.assert_array_equal(value, theirs[path], err_msg=path)


def test_all_networks_are_taken_bit_for_bit_and_nothing_else(source):
    workdir, old = source
    model, record = started(workdir)
    for name in ("generator", "discriminator", "ema_generator"):
        assert_same(getattr(model, name), getattr(old, name))
    assert not np.array_equal(*(by_path(n)["linear/u"] for n in generators(model)))
    assert int(model.step) == int(model.generator_optimizer.iterations) == 0
    assert record == {
        "workdir": str(workdir),
        "step": STEP,
        "num_classes": 3,
        "classes": [{"name": n, "from": label} for label, n in enumerate(NAMES)],
    }


def generators(model):
    return model.generator, model.ema_generator


def test_the_average_starts_as_the_generator_where_the_source_has_none(tmp_path):
    old = write_run(tmp_path / "a", changed(ema_decay=None))
    model, _ = started(tmp_path / "a")
    for generator in generators(model):
        assert_same(generator, old.generator)


@pytest.mark.parametrize(
    ("old", "new", "rows"),
    [
        (["cat", "dog"], ["dog", "emu", "cat"], [1, None, 0]),
        # Names decide where they are known, also against equal numbers.
        (["cat", "dog"], ["dog", "emu"], [1, None]),
        ([], ["dog", "emu"], [0, 1]),
        (["cat", "dog"], [], [0, 1]),
        (["cat", "dog", "cat"], ["cat"], [0]),
    ],
)
def test_classes_are_matched_by_name_or_else_by_number(old, new, rows):
    counts = len(old) or 2, len(new) or 2
    assert match_classes(counts[0], old, counts[1], new) == rows


def test_without_names_another_number_of_classes_is_new():
    assert match_classes(3, [], 2, []) == [None, None]
    assert match_classes(0, [], 2, ["cat", "dog"]) == [None, None]
    assert match_classes(3, NAMES, 0, []) == []


HEADS = {
    "projection": {},
    "classifier": {
        "discriminator_head": "auxiliary_classifier",
        "spectral_norm_conditional_batch_norm": True,
    },
    "plain": {"spectral_norm": "none"},
}


@pytest.mark.parametrize("head", HEADS)
def test_the_axis_of_classes_is_found_in_every_variable_that_has_one(head):
    three, four = (
        building.networks_from_config(changed(num_classes=count, **HEADS[head]))
        for count in (3, 4)
    )
    found = 0
    for one, other in zip(three, four, strict=True):
        sizes = {name: v.shape for name, v in variables_by_name(other).items()}
        for name, variable in variables_by_name(one).items():
            axis = class_axis(name)
            unequal = [
                place
                for place, pair in enumerate(zip(variable.shape, sizes[name]))
                if pair[0] != pair[1]
            ]
            assert unequal == ([] if axis is None else [axis]), name
            found += len(unequal)
    assert found > 12


@pytest.mark.parametrize("head", HEADS)
def test_rows_go_with_the_names_and_a_new_row_is_the_mean(head, tmp_path):
    old = write_run(tmp_path, changed(**HEADS[head]))
    names = ["emu", "ant", "cat", "bee"]
    model, record = started(tmp_path, names, num_classes=4, **HEADS[head])
    assert [each["from"] for each in record["classes"]] == [2, None, 0, None]
    tables = 0
    for name in ("generator", "discriminator", "ema_generator"):
        theirs = by_path(getattr(old, name))
        for path, value in by_path(getattr(model, name)).items():
            axis = class_axis(path)
            if axis is None:
                np.testing.assert_array_equal(value, theirs[path], err_msg=path)
                continue
            tables += 1
            value = np.moveaxis(value, axis, 0)
            rows = np.moveaxis(theirs[path], axis, 0)
            np.testing.assert_array_equal(value[[0, 2]], rows[[2, 0]], err_msg=path)
            for new in (1, 3):
                np.testing.assert_allclose(value[new], rows.mean(0), rtol=1e-6)
    assert tables > 20


def test_without_classes_the_mean_of_the_rows_is_left(source):
    workdir, old = source
    model, record = started(workdir, [], num_classes=0)
    ours, theirs = by_path(model.generator), by_path(old.generator)
    path = "block_8x8/batch_norm_1/gamma"
    np.testing.assert_allclose(ours[path], theirs[path].mean(0), rtol=1e-6)
    assert record["classes"] == []
    assert "without classes: the mean of its 3 rows" in initialization.describe(record)


def test_with_classes_at_last_all_start_alike_and_the_heads_table_is_new(tmp_path):
    old = write_run(tmp_path, changed(num_classes=0), names=())
    model, record = started(tmp_path)
    ours, theirs = by_path(model.generator), by_path(old.generator)
    path = "block_8x8/batch_norm_1/gamma"
    np.testing.assert_array_equal(ours[path], np.stack([theirs[path]] * 3))
    table = by_path(model.discriminator)["projection_head/embedding/embeddings"]
    assert table.std() > 0
    assert "the discriminator's table of classes is new" in initialization.describe(
        record
    )


def test_the_line_says_which_rows_are_taken_and_which_are_new(source):
    _, record = started(source[0], ["emu", "ant"], num_classes=2)
    assert initialization.describe(record) == (
        f"those of {source[0]}, step 7; class tables: rows of 1 of its 3 classes; new "
        "classes, with the mean of its 3 rows: ant"
    )


@pytest.mark.slow
def test_a_run_that_was_killed_early_starts_with_the_same_step_again(tmp_path, source):
    shutil.copytree(source[0], tmp_path / "a")
    config = changed(initialize_from=str(tmp_path / "a"))
    (tmp_path / "b").mkdir()
    model = building.make_model(config)
    record = initialize(model, config, NAMES, tmp_path / "b")
    initialization.write_record(tmp_path / "b", record)
    # The source goes on in the meantime.
    other = building.make_model(CONFIG)
    directory.Checkpoints(tmp_path / "a" / "checkpoints").write(
        STEP + 1, other.checkpoint_items()
    )
    again = building.make_model(config)
    assert initialize(again, config, NAMES, tmp_path / "b") == record
    assert_same(again.generator, model.generator)
    assert initialize(again, config, NAMES, tmp_path / "c")["step"] == STEP + 1


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"z_dim": 4}, ["with z_dim=3. Received: z_dim=4. Try --z_dim=3"]),
        (
            {"resolution": 64, "generator_channels": 4},
            ["resolution=32, generator_channels=2", "Received: resolution=64, gen"],
        ),
        ({"attention_resolution": (8, 16)}, ["=8,16", "--attention_resolution=16"]),
        ({"discriminator_head": "auxiliary_classifier"}, ["--discriminator_head=pro"]),
    ],
)
def test_other_networks_are_one_line(source, changes, words):
    with pytest.raises(BadInput) as caught:
        started(source[0], **changes)
    assert str(source[0]) in str(caught.value)
    assert all(word in str(caught.value) for word in words)


def test_the_discriminators_attention_may_be_said_in_two_ways(source):
    started(source[0], discriminator_attention_resolution=(16,))


def test_an_import_without_discriminator_is_refused(tmp_path):
    write_run(tmp_path, left_out=["discriminator", "discriminator_optimizer"])
    with pytest.raises(BadInput, match="both networks.*without a discriminator"):
        started(tmp_path)


def test_what_is_no_run_is_named(tmp_path):
    with pytest.raises(BadInput, match="not the directory of a run"):
        initialization.read_source(tmp_path)
    (tmp_path / "generator.keras").write_text("")
    with pytest.raises(BadInput, match=r"generator\.keras, a file.*--workdir"):
        initialization.read_source(tmp_path / "generator.keras")
    (tmp_path / "export.json").write_text("{}")
    with pytest.raises(BadInput, match="an export. An export has the generator alone"):
        initialization.read_source(tmp_path)


def test_a_run_cannot_begin_again_with_other_weights(tmp_path):
    directory.prepare(tmp_path / "new", CONFIG, {})
    directory.prepare(tmp_path / "tuned", changed(initialize_from="runs/a"), {})
    for workdir, given, began in (
        ("new", "runs/a", "new weights"),
        ("tuned", "runs/b", "the weights of runs/a"),
        ("tuned", None, "the weights of runs/a"),
    ):
        with pytest.raises(BadInput, match=f"is for a new run.*{began}"):
            directory.prepare(
                tmp_path / workdir, changed(initialize_from=given), data={}
            )
    directory.prepare(tmp_path / "tuned", changed(initialize_from="runs/a/"), {})


@pytest.mark.slow
def test_a_fine_tuned_run_goes_on_bit_for_bit(tmp_path, capsys):
    """On other data, with frozen blocks; and without the source when it goes on."""
    images = np.random.default_rng(0).integers(0, 255, (12, 8, 8, 1), np.uint8)
    names = np.array(["3", "seven"])
    np.savez(
        tmp_path / "d.npz", images=images, labels=np.arange(12) % 2, class_names=names
    )
    write_run(tmp_path / "source", TINY, [str(digit) for digit in range(10)])
    options = {
        "initialize_from": tmp_path / "source",
        "dataset": f"npz:{tmp_path / 'd.npz'}",
        "freeze_discriminator_blocks": 2,
        "checkpoint_every_steps": 2,
    }
    assert tiny.run(tmp_path / "whole", **options, total_steps=4) == 0
    assert "rows of 1 of its 10 classes; new classes, with" in capsys.readouterr().out
    assert tiny.run(tmp_path / "parts", **options, total_steps=2) == 0
    (tmp_path / "source").rename(tmp_path / "gone")
    assert tiny.run(tmp_path / "parts", **options, total_steps=4) == 0
    tiny.assert_same_weights(tmp_path / "whole", tmp_path / "parts", 4)
    record = json.loads((tmp_path / "parts" / "initialized.json").read_text())
    assert [each["from"] for each in record["classes"]] == [3, None]
    config = directory.read_config(tmp_path / "parts")
    assert config.initialize_from == str(tmp_path / "source")
    # What is frozen is that of the source, after four steps on other data.
    before, after = (
        building.load_networks(tmp_path / name)[1] for name in ("gone", "whole")
    )
    for old, new in zip(before.variables, after.variables, strict=True):
        if old.path.startswith(("block_1/", "block_2/", "attention")):
            np.testing.assert_array_equal(old, new, err_msg=old.path)
        elif old.path.endswith("kernel"):
            assert np.any(old.numpy() != new.numpy()), old.path


def test_a_new_run_has_the_network_settings_of_its_source(source, monkeypatch, capsys):
    def train_and_evaluate(config, workdir):
        configs.append(config)
        return 0

    configs = []
    name = "sagan_tf.training.loop.train_and_evaluate"
    monkeypatch.setattr(name, train_and_evaluate)
    command = ["train", f"--initialize_from={source[0]}", "--workdir=nowhere"]
    assert train.main([*command, "--batch_size=8"]) == 0
    (config,) = configs
    assert {*CONFIG.difference(config)} == {
        *("initialize_from", "batch_size", "num_classes", "ema_decay")
    }
    assert config.num_classes is None
    assert train.main([*command, "--resolution=64"]) == 2
    error = capsys.readouterr().err
    assert "with resolution=32. Received: resolution=64. Try --resolution=32" in error
    assert error.count("\n") == 1

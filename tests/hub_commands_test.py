"""A run goes to a stand-in of the Hugging Face Hub and comes back by the commands."""

import json
import pathlib
import tempfile

import keras
import numpy as np
import pytest
import tiny
import yaml
from hub_double import connected

from sagan_tf import attention, export, hub, sample, train
from sagan_tf.exports import export as exporting
from sagan_tf.run import building, directory
from sagan_tf.run.initialization import initialize
from sagan_tf.settings.config import Config
from tests.hub_test import files, write_export
from tests.run.initialization_test import assert_same

huggingface_hub = pytest.importorskip("huggingface_hub")

pytestmark = pytest.mark.slow

ADDRESS = "hf://user/digits"
STEP = 7
SETTINGS = {
    name: (value,) if name == "attention_resolution" else value
    for name, value in tiny.FLAGS.items()
}


def write_run(workdir):
    """The run of `tiny`, with new weights; its images differ from one another."""
    keras.utils.set_random_seed(0)
    config = Config(**SETTINGS, num_classes=10).validate()
    names = [str(digit) for digit in range(10)]
    data = {"description": "digits", "num_images": 1797, "class_names": names}
    checkpoints = directory.prepare(workdir, config, data)
    model = building.make_model(config)
    random = np.random.default_rng(0)
    for network in (model.generator, model.ema_generator):
        for variable in network.trainable_variables:
            if "gamma" in variable.path or "beta" in variable.path:
                variable.assign(variable + random.normal(0, 0.5, variable.shape))
    checkpoints.write(STEP, model.checkpoint_items())


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """The folder of a run. Not to be changed."""
    workdir = tmp_path_factory.mktemp("run")
    write_run(workdir)
    return workdir


@pytest.fixture(scope="module")
def pushed(run, tmp_path_factory):
    """The stand-in with the pushed run, the folder of the export, and the cache."""
    folder = tmp_path_factory.mktemp("hub")
    with pytest.MonkeyPatch.context() as monkeypatch:
        with connected(monkeypatch, folder) as server:
            flags = {"format": "keras", "license": "cc-by-4.0", "to": ADDRESS}
            output = folder / "export"
            assert command(export, workdir=run, output=output, **flags) == 0
            yield server, output, folder / "hub"


def command(module, **values):
    flags = [f"--{name}={value}" for name, value in values.items()]
    return module.main([module.__name__, *flags])


def test_the_repository_is_the_export_bit_for_bit(pushed, run):
    server, output, _ = pushed
    uploaded = server.files("user/digits")
    assert uploaded.keys() - {".gitattributes"} == files(output).keys()
    for path, content in files(output).items():
        assert uploaded[path] == content, path
    checkpoint = f"checkpoints/step_{STEP:08d}/variables.data-00000-of-00001"
    assert uploaded[f"run/{checkpoint}"] == (run / checkpoint).read_bytes()
    listed = json.loads(uploaded["export.json"])["files"]
    assert uploaded.keys() - {".gitattributes", "export.json"} == listed.keys()


def test_the_card_is_the_page_of_the_repository(pushed):
    card = pushed[0].files("user/digits")["README.md"].decode()
    assert yaml.safe_load(card.split("---\n")[1])["license"] == "cc-by-4.0"
    assert "--initialize_from=hf://user/digits" in card
    assert "License, as its author states: cc-by-4.0." in card
    assert "replace `unknown`" not in card


def test_keras_loads_it_from_the_hub(pushed):
    labels, z = np.array([3, 7], np.int32), np.ones((2, 8), np.float32)
    network = keras.saving.load_model(ADDRESS)
    images = network.predict({"z": z, "labels": labels}, verbose=0)["images"]
    other = keras.saving.load_model(pushed[1])
    expected = other.predict({"z": z, "labels": labels}, verbose=0)["images"]
    np.testing.assert_array_equal(images, expected)
    assert np.std(images) > 0.02


def test_commands_read_it_as_the_run_itself_and_write_nothing_into_the_cache(
    pushed, run, tmp_path
):
    _, output, cache = pushed
    hub.find_run(ADDRESS)
    before = files(cache)
    for name, workdir in (("ours", ADDRESS), ("theirs", run)):
        grid = {"seeds": "0-3", "output": tmp_path / f"{name}.png"}
        assert command(sample, workdir=workdir, **grid) == 0
    grids = [(tmp_path / f"{name}.png").read_bytes() for name in ("ours", "theirs")]
    assert grids[0] == grids[1]
    figure = {"seeds": "0", "output": tmp_path / "attention.png"}
    assert command(attention, workdir=ADDRESS, **figure) == 0
    again = {"format": "keras", "output": tmp_path / "again"}
    assert command(export, workdir=ADDRESS, **again) == 0
    weights = [each / "model.weights.h5" for each in (tmp_path / "again", output)]
    assert weights[0].read_bytes() == weights[1].read_bytes()
    assert files(cache) == before


def test_a_new_run_starts_with_it_as_with_the_run_itself(pushed, run, tmp_path, capsys):
    models, records = [], []
    for source in (ADDRESS, str(run)):
        config = Config(**SETTINGS, num_classes=10, initialize_from=source)
        models.append(building.make_model(config))
        names = [str(digit) for digit in range(10)]
        records.append(initialize(models[-1], config, names, tmp_path))
    for name in ("generator", "ema_generator", "discriminator"):
        assert_same(*(getattr(model, name) for model in models))
    assert {record.pop("workdir") for record in records} == {ADDRESS, str(run)}
    assert records[0] == records[1]
    assert command(train, initialize_from=ADDRESS, workdir=tmp_path, dry_run=True) == 0
    assert '"initialize_from": "hf://user/digits"' in capsys.readouterr().out


def test_without_output_nothing_is_left_unless_the_upload_fails(
    pushed, tmp_path, monkeypatch, capsys
):
    server = pushed[0]
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(exporting, "export_run", lambda _, to, **_k: write_export(to))
    flags = {"workdir": "run", "to": "hf://user/other"}
    assert command(export, **flags) == 0
    assert capsys.readouterr().out == f"Uploaded: {server.url}/user/other\n"
    assert not list(tmp_path.iterdir())
    monkeypatch.setattr(server, "broken", "/commit/")
    assert command(export, **flags) == 2
    (kept,) = tmp_path.glob("*/export")
    line = capsys.readouterr().err.splitlines()[-1]
    assert line.endswith(
        f"The export is kept: {kept}. Try hf upload user/other {kept}."
    )
    assert (kept / "README.md").exists()


def test_after_a_failed_export_nothing_is_left(pushed, run, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    assert command(export, workdir=run, to=ADDRESS, checkpoint=8) == 2
    assert not list(tmp_path.iterdir())


def test_a_training_does_not_go_on_in_an_export(pushed, capsys):
    before = files(pushed[1])
    for workdir in (ADDRESS, pushed[1]):
        assert command(train, workdir=workdir) == 2
        assert f"Try --initialize_from={workdir} --workdir" in capsys.readouterr().err
    assert files(pushed[1]) == before
    assert not pathlib.Path("hf:").exists()

"""Exports of generators in memory; those of runs are in export_commands_test.py."""

import hashlib
import json
import math
import pathlib
import shlex

import keras
import numpy as np
import pytest
import tensorflow as tf

from sagan_tf import images
from sagan_tf.exports import checks, export
from sagan_tf.exports.served_model import ServedModel
from tests.exports.signatures_test import LABELS, Z, make_generator


@pytest.fixture(scope="module")
def generator():
    return make_generator(channels=1)


@pytest.fixture(scope="module")
def exported(generator, tmp_path_factory):
    """The folder and the record. Not to be changed."""
    folder = tmp_path_factory.mktemp("models") / "clothes" / "7"
    names = ("a", "b", "c", "d", "e")
    before = generator.get_weights()
    record = export.export_generator(
        generator, folder, num_classes=5, class_names=names
    )
    for old, new in zip(before, generator.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
    return folder, record


@pytest.mark.slow
def test_a_generator_in_memory_is_exported(exported, generator):
    folder, _ = exported
    live = generator([Z, LABELS], training=False).numpy()
    with ServedModel(folder) as served:
        made = served.run("images", {"z": Z, "labels": LABELS})["images"]
        assert len(served.signatures()) == 5
    np.testing.assert_allclose(made, live, atol=1e-5)
    again = tf.saved_model.load(str(folder)).signatures["serving_default"]
    pixels = again(z=tf.constant(Z), labels=tf.constant(LABELS))["pixels"]
    difference = np.abs(pixels.numpy().astype(int) - images.to_pixels(live))
    assert difference.max() <= 1


def test_the_record_tells_everything(exported):
    folder, record = exported
    assert json.loads((folder / "export.json").read_text()) == record
    assert record["class_names"] == ["a", "b", "c", "d", "e"]
    config = {"resolution": 32, "image_channels": 1, "num_classes": 5, "z_dim": 6}
    assert record["config"] == config
    assert record["signatures"]["sample"] == {
        "inputs": {
            "labels": {"dtype": "int32", "shape": [None]},
            "seeds": {"dtype": "int64", "shape": [None]},
            "truncation": {"dtype": "float32", "shape": [None]},
        },
        "outputs": {"pixels": {"dtype": "uint8", "shape": [None, 32, 32, 1]}},
    }
    assert 0 < record["difference"]["images"] < 1e-4
    assert record["exported_with"]["keras"] == keras.__version__


def test_every_file_has_its_hash(exported):
    folder, record = exported
    files = {
        path.relative_to(folder).as_posix(): path
        for path in folder.rglob("*")
        if path.is_file()
    }
    assert set(files) - set(record["files"]) == {"export.json"}
    for name, told in record["files"].items():
        content = files[name].read_bytes()
        assert told["bytes"] == len(content)
        assert told["sha256"] == hashlib.sha256(content).hexdigest()
    assert {"saved_model.pb", "model_card.md", str(checks.REQUESTS_PATH)} <= set(files)


def test_weights_are_written_once(exported, generator):
    prefix = str(exported[0] / "variables" / "variables")
    sizes = [math.prod(shape) for _, shape in tf.train.list_variables(prefix)]
    folded = export.fold_generator(generator)
    # With the graph of objects, which has no shape.
    assert sum(sizes) == folded.count_params() + 1


def test_no_python_is_needed_in_the_graph(exported):
    text = (exported[0] / "saved_model.pb").read_bytes()
    assert b"PyFunc" not in text
    assert b"StatelessRandomNormalV2" in text


def test_the_description_names_what_matters(exported):
    folder, record = exported
    text = "\n".join(export.describe(record, folder))
    assert f"{record['difference']['images']:.1e}" in text
    assert "sample_png      labels, seeds, truncation -> png_bytes" in text
    assert f"-v {folder.parent}:/models/clothes" in text
    assert "whose name is a number" not in text
    other = "\n".join(export.describe(record, pathlib.Path("models/clothes")))
    odd = export.describe(record, pathlib.Path("my models' & more/a"))
    serve, ask = (shlex.split(line) for line in odd[-2:])
    place = pathlib.Path("my models' & more").absolute()
    assert serve[4:8] == [
        *("-e", "MODEL_NAME=my models' & more"),
        *("-v", f"{place}:/models/my models' & more"),
    ]
    assert ask[3].endswith("/models/my models' & more:predict")
    assert "whose name is a number" in other
    assert "Try --output=models/clothes/1" in other


@pytest.mark.slow
def test_a_warm_up_request_that_fails_leaves_nothing(generator, tmp_path, monkeypatch):
    # Labels from 0 to 4 are right.
    wrong = [("serving_default", {"z": Z, "labels": LABELS + 1})]
    monkeypatch.setattr(checks, "warm_up_requests", lambda *arguments: wrong)
    with pytest.raises(tf.errors.InvalidArgumentError, match="labels must be from 0"):
        export.export_generator(generator, tmp_path / "models" / "1", num_classes=5)
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_an_export_that_draws_something_else_leaves_nothing(
    generator, tmp_path, monkeypatch
):
    fold = export.fold_generator

    def wrong(network):
        folded = fold(network)
        folded.get_layer("linear").bias.assign_add(np.full(128, 0.01))
        return folded

    monkeypatch.setattr(export, "fold_generator", wrong)
    with pytest.raises(ValueError, match="at most 1e-04") as seen:
        export.export_generator(generator, tmp_path / "models" / "1", num_classes=5)
    assert "e-0" in str(seen.value).split("Received")[1]
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_without_warm_up_there_are_no_requests(tmp_path, monkeypatch):
    monkeypatch.setattr(checks, "_FEWEST_IMAGES", 1)
    generator = make_generator(num_classes=0, attention=())
    record = export.export_generator(generator, tmp_path / "1", warm=False)
    assert not (tmp_path / "1" / checks.REQUESTS_PATH).exists()
    names = {"serving_default", "images", "sample", "sample_png"}
    assert set(record["signatures"]) == names
    assert list(record["signatures"]["serving_default"]["inputs"]) == ["z"]
    assert record["difference"]["attention"] is None
    assert '{"seeds": 7' in "\n".join(export.describe(record, tmp_path / "1"))


@pytest.mark.parametrize(
    ("options", "num_classes", "words"),
    [
        ({}, 0, "takes z alone. Received: a generator of z, labels"),
        ({"num_classes": 0}, 5, "takes z and labels. Received: a generator of z."),
    ],
)
def test_classes_must_be_as_the_generator_has_them(
    tmp_path, options, num_classes, words
):
    with pytest.raises(ValueError, match=words):
        export.export_generator(
            make_generator(**options), tmp_path / "1", num_classes=num_classes
        )
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "float64"])
def test_other_precisions_are_refused(tmp_path, policy):
    keras.config.set_dtype_policy(policy)
    with pytest.raises(ValueError, match="must compute in float32.*Received: .*float"):
        export.export_generator(make_generator(), tmp_path / "1", num_classes=5)
    assert keras.config.dtype_policy().name == policy


def test_a_full_disk_is_an_error_that_names_the_folder(
    generator, tmp_path, monkeypatch
):
    def full(*arguments, **options):
        raise tf.errors.ResourceExhaustedError(None, None, "No space left on device")

    # `ExportArchive()` makes an object of the backend's own class.
    monkeypatch.setattr(type(keras.export.ExportArchive()), "write_out", full)
    with pytest.raises(OSError, match="No space left.*Try freeing disk space"):
        export.export_generator(generator, tmp_path / "1", num_classes=5)
    assert not list(tmp_path.iterdir())

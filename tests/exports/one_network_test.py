"""Exports of one network, read by their own runtimes and as their model cards say."""

import functools
import json
import re

import numpy as np
import pytest

from sagan_tf import images
from sagan_tf.exports import export, formats, one_network
from tests.exports.signatures_test import CLASSES, LABELS, Z, make_generator

# The page has a test of its own, see web_page_test.py.
NAMES = [name for name in formats.FORMATS if name != formats.WEB]
INPUTS = {"z": Z, "labels": LABELS}
GENERATORS = {
    "with classes, in colour": {"num_classes": CLASSES, "channels": 3},
    "without classes, gray": {"num_classes": 0, "channels": 1},
}


@functools.cache
def generator_of(kind):
    return make_generator(**GENERATORS[kind])


@functools.cache
def live(kind):
    given = [Z, LABELS] if GENERATORS[kind]["num_classes"] else Z
    drawn = generator_of(kind)(given, training=False).numpy()
    assert drawn.std() > 0.1
    return drawn


def inputs_of(kind, count=8):
    names = ["z", "labels"] if GENERATORS[kind]["num_classes"] else ["z"]
    return {name: INPUTS[name][:count] for name in names}


@pytest.fixture(
    scope="module",
    params=[(name, kind) for name in NAMES for kind in GENERATORS],
    ids=", ".join,
)
def exported(request, tmp_path_factory):
    """Folder, record, format and kind of generator. Not to be changed."""
    name, kind = request.param
    for module in formats.FORMATS[name].MODULES:
        pytest.importorskip(module, reason=f"{module} is in the extra {name}")
    folder = tmp_path_factory.mktemp("models") / "small"
    num_classes = GENERATORS[kind]["num_classes"]
    record = export.export_generator(
        generator_of(kind), folder, format=name, num_classes=num_classes
    )
    return folder, record, name, kind


@pytest.mark.slow
def test_any_number_of_images_is_drawn_in_its_own_runtime(exported):
    folder, record, name, kind = exported
    run = formats.FORMATS[name].open_reader(folder)
    for count in (1, 3, 8):
        drawn = run(inputs_of(kind, count))
        assert (drawn.dtype, len(drawn)) == (np.float32, count)
        np.testing.assert_allclose(drawn, live(kind)[:count], atol=1e-5)
    assert 0 < record["difference"]["images"] <= 1e-5
    assert record["difference"]["tolerance"] == 1e-5


@pytest.mark.slow
def test_the_lines_of_its_card_draw_the_same(exported, monkeypatch):
    folder, _, _, kind = exported
    card = (folder / "model_card.md").read_text()
    (code,) = re.findall(r"In this folder:\n\n((?:    .*\n|\n)+)", card)
    names = {}
    monkeypatch.chdir(folder)
    exec(re.sub("^    ", "", code, flags=re.MULTILINE), names)
    assert names["inputs"].keys() == inputs_of(kind).keys()
    given = list(names["inputs"].values())
    expected = generator_of(kind)(given if len(given) > 1 else given[0], training=False)
    assert len(expected) == 3
    np.testing.assert_allclose(names["images"], expected, atol=1e-5)
    pixels = images.to_pixels(expected.numpy())
    assert names["pixels"].dtype == np.uint8
    assert np.max(np.abs(names["pixels"].astype(int) - pixels)) <= 1


@pytest.mark.slow
def test_the_record_has_the_signature_and_what_it_means(exported):
    folder, record, name, kind = exported
    assert json.loads((folder / "export.json").read_text()) == record
    assert record["format"] == name
    (signature,) = record["signatures"].values()
    channels = GENERATORS[kind]["channels"]
    assert signature["outputs"] == {
        "images": {"dtype": "float32", "shape": [None, 32, 32, channels]}
    }
    expected = {"z": {"dtype": "float32", "shape": [None, 6]}}
    if "labels" in inputs_of(kind):
        expected["labels"] = {"dtype": "int32", "shape": [None]}
    assert signature["inputs"] == expected
    assert record["meanings"].keys() == {"images", *expected}
    assert formats.FORMATS[name].FILE in record["files"]
    runtime = formats.FORMATS[name].RUNTIME
    assert f"Loaded again, by {runtime}" in export.describe(record, folder)[1]


@pytest.mark.slow
def test_nothing_in_its_files_needs_this_package(exported):
    folder, record, *_ = exported
    for name in record["files"].keys() - {"model_card.md"}:
        assert b"sagan_tf" not in (folder / name).read_bytes(), name


@pytest.mark.slow
def test_an_export_that_draws_something_else_leaves_nothing(tmp_path, monkeypatch):
    fold = one_network.fold_generator

    def wrong(network):
        folded = fold(network)
        folded.get_layer("linear").bias.assign_add(np.full(128, 1e-3))
        return folded

    monkeypatch.setattr(one_network, "fold_generator", wrong)
    kind = "without classes, gray"
    with pytest.raises(ValueError, match="at most 1e-05 .* The export was removed"):
        export.export_generator(
            generator_of(kind), tmp_path / "models" / "1", format="keras"
        )
    assert not list(tmp_path.iterdir())


def test_a_missing_package_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(formats.FORMATS["onnx"], "MODULES", ("not_there",))
    with pytest.raises(ValueError, match=r"Try pip install 'sagan-tf\[onnx\]'"):
        export.export_generator(None, tmp_path / "1", format="onnx")
    assert not list(tmp_path.iterdir())

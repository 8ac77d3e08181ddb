import json
import os
import zipfile

import keras
import numpy as np
import pytest

from sagan_tf.evaluation.features import classifier

RECORD = {
    "name": "tiny-cnn",
    "resolution": 12,
    "image_channels": 1,
    "num_classes": 3,
    "num_features": 5,
    "class_names": ["ant", "bee", "cow"],
    "held_out_accuracy": 0.5,
}


def tiny(seed=0):
    """A classifier whose weights, moving averages too, are ranged."""
    model = classifier.build_classifier(12, 1, 3, width=2, num_features=5)
    random = np.random.default_rng(seed)
    for weight in model.weights:
        weight.assign(random.uniform(0.1, 1.0, weight.shape))
    return model


def pictures(count=4):
    random = np.random.default_rng(1)
    return random.uniform(-1, 1, (count, 12, 12, 1)).astype(np.float32)


def numbers(model):
    return {name: value.numpy() for name, value in model(pictures()).items()}


@pytest.mark.parametrize("resolution, channels", [(8, 3), (12, 1), (28, 1), (64, 3)])
def test_images_become_features_and_logits(resolution, channels):
    model = classifier.build_classifier(resolution, channels, 7, 2, num_features=5)
    found = model(np.zeros([3, resolution, resolution, channels], np.float32))
    shapes = {name: tuple(value.shape) for name, value in found.items()}
    assert shapes == {"features": (3, 5), "logits": (3, 7)}


def test_it_computes_in_float32_under_another_policy():
    expected = numbers(tiny())
    keras.config.set_dtype_policy("mixed_bfloat16")
    for name, value in numbers(tiny()).items():
        np.testing.assert_array_equal(value, expected[name])


def test_features_are_standardized():
    """In training, by the batch's own statistics; each feature has a spread of 1."""
    model = classifier.build_classifier(12, 1, 3, width=4, num_features=5)
    features = model(pictures(64), training=True)["features"].numpy()
    np.testing.assert_allclose(features.mean(0), 0, atol=1e-5)
    # Its epsilon of 1e-3 takes a little away from a small spread.
    assert (features.std(0) > 0.7).all() and (features.std(0) < 1.001).all()


def test_logits_are_a_linear_map_of_the_features():
    model = tiny()
    found = numbers(model)
    kernel, bias = (w.numpy() for w in model.get_layer("logits").weights)
    np.testing.assert_allclose(
        found["logits"], found["features"] @ kernel + bias, rtol=1e-5
    )


def test_every_stage_is_in_the_features():
    """The last one alone forgets what does not tell the classes apart."""
    model = tiny()
    kernel = model.get_layer("projection").kernel
    assert kernel.shape == (2 + 4, 5)


@pytest.mark.parametrize(
    "sizes, words",
    [
        ((4, 1, 3), "resolution.*at least 8.*resolution=4"),
        ((32, 2, 3), r"image_channels must be 1 \(gray\) or 3 .*image_channels=2"),
        ((32, 1, 1), "num_classes.*at least 2.*num_classes=1"),
    ],
)
def test_impossible_sizes_are_refused(sizes, words):
    with pytest.raises(ValueError, match=words):
        classifier.build_classifier(*sizes)


def test_the_hash_is_of_every_weight():
    model = tiny()
    hashes = {classifier.weights_hash(model)}
    for weight in model.weights:
        value = weight.numpy()
        weight.assign(value + np.float32(1e-6))
        hashes.add(classifier.weights_hash(model))
        weight.assign(value)
    assert len(hashes) == 1 + len(model.weights)
    assert classifier.weights_hash(tiny()) in hashes


def test_what_is_read_is_what_was_written(tmp_path):
    model = tiny()
    written = classifier.save_classifier(tmp_path / "a" / "b", model, RECORD)
    read, record = classifier.load_classifier(tmp_path / "a" / "b")
    assert record == written
    assert record == {**RECORD, "sha256": classifier.weights_hash(model)}
    for name, value in numbers(model).items():
        np.testing.assert_array_equal(numbers(read)[name], value)
    assert sorted(os.listdir(tmp_path / "a")) == ["b"]


def test_a_classifier_is_not_replaced_unless_asked_to(tmp_path):
    classifier.save_classifier(tmp_path / "a", tiny(), RECORD)
    (tmp_path / "a" / "notes.txt").write_text("of the old one")
    with pytest.raises(ValueError, match="a classifier in .*a already.*--overwrite"):
        classifier.save_classifier(tmp_path / "a", tiny(1), RECORD)
    classifier.save_classifier(tmp_path / "a", tiny(1), RECORD, overwrite=True)
    _, record = classifier.load_classifier(tmp_path / "a")
    assert record["sha256"] == classifier.weights_hash(tiny(1))
    assert sorted(os.listdir(tmp_path / "a")) == ["classifier.json", "classifier.keras"]
    assert os.listdir(tmp_path) == ["a"]


def test_other_things_are_never_replaced(tmp_path):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "a.png").write_text("")
    with pytest.raises(ValueError, match="holds other files.*Try another --output"):
        classifier.save_classifier(tmp_path / "photos", tiny(), RECORD, overwrite=True)
    with pytest.raises(ValueError, match="a.png, which is a file"):
        classifier.check_output(tmp_path / "photos" / "a.png", overwrite=True)
    assert os.listdir(tmp_path / "photos") == ["a.png"]


def test_an_empty_folder_may_be_used(tmp_path):
    (tmp_path / "a").mkdir()
    classifier.save_classifier(tmp_path / "a", tiny(), RECORD)
    assert classifier.load_classifier(tmp_path / "a")[1]["name"] == "tiny-cnn"


@pytest.mark.parametrize("overwrite", [False, True])
def test_what_fails_leaves_things_as_they_were(tmp_path, overwrite, monkeypatch):
    if overwrite:
        classifier.save_classifier(tmp_path / "a", tiny(), RECORD)

    def full_disk(path, text):
        raise OSError(28, "No space left on device", str(path))

    monkeypatch.setattr(classifier, "write_text", full_disk)
    with pytest.raises(OSError, match="No space left"):
        classifier.save_classifier(tmp_path / "a", tiny(1), RECORD, overwrite)
    assert os.listdir(tmp_path) == ["a"] * overwrite
    if overwrite:
        _, record = classifier.load_classifier(tmp_path / "a")
        assert record["sha256"] == classifier.weights_hash(tiny())


def test_the_old_one_comes_back_when_the_new_one_cannot_take_its_place(
    tmp_path, monkeypatch
):
    classifier.save_classifier(tmp_path / "a", tiny(), RECORD)
    rename = os.rename

    def fail_once(path, target):
        if target == tmp_path / "a" and ".old" not in path.name:
            raise OSError(5, "Input/output error", str(path))
        return rename(path, target)

    monkeypatch.setattr(os, "rename", fail_once)
    with pytest.raises(OSError, match="Input/output error"):
        classifier.save_classifier(tmp_path / "a", tiny(1), RECORD, overwrite=True)
    assert os.listdir(tmp_path) == ["a"]
    _, record = classifier.load_classifier(tmp_path / "a")
    assert record["sha256"] == classifier.weights_hash(tiny())


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_place_that_cannot_be_written_is_found_before_a_training(tmp_path, overwrite):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(OSError, match=f"{tmp_path}/file"):
        classifier.check_output(tmp_path / "file" / "cls", overwrite)
    classifier.check_output(tmp_path / "new" / "cls", overwrite)
    assert os.listdir(tmp_path) == ["file"]


def test_a_folder_without_a_classifier_is_named(tmp_path):
    with pytest.raises(ValueError, match=f"{tmp_path} is not the folder of a class"):
        classifier.load_classifier(tmp_path)


def cut_network(folder):
    path = folder / "classifier.keras"
    path.write_bytes(path.read_bytes()[:-500])


def flipped_network(folder):
    path = folder / "classifier.keras"
    content = bytearray(path.read_bytes())
    for place in range(100, len(content) - 2000, 400):
        content[place] ^= 255
    path.write_bytes(content)


def other_network(folder):
    tiny(1).save(folder / "classifier.keras")


def no_network(folder):
    (folder / "classifier.keras").unlink()


def no_weights(folder):
    with zipfile.ZipFile(folder / "classifier.keras", "w") as file:
        file.writestr("readme.txt", "nothing")


def cut_record(folder):
    path = folder / "classifier.json"
    path.write_text(path.read_text()[:-9])


def record_without_name(folder):
    path = folder / "classifier.json"
    record = json.loads(path.read_text())
    del record["name"]
    path.write_text(json.dumps(record))


@pytest.mark.parametrize(
    "harm",
    [cut_network, flipped_network, other_network, no_network, no_weights, cut_record]
    + [record_without_name],
)
def test_a_damaged_classifier_is_named(tmp_path, harm):
    classifier.save_classifier(tmp_path / "a", tiny(), RECORD)
    harm(tmp_path / "a")
    with pytest.raises(ValueError, match=f"The classifier in {tmp_path}/a is damaged"):
        classifier.load_classifier(tmp_path / "a")


@pytest.mark.parametrize("name", ["digits-cnn", "a", "ResNet_18.v2", "my-inception"])
def test_plain_names_will_do(name):
    classifier.check_name(name)


@pytest.mark.parametrize(
    "name", ["", "my cnn", "../x", "-x", "é", "x" * 65, "Inception", "stand-in-1"]
)
def test_names_that_mislead_are_refused(name):
    with pytest.raises(ValueError, match="name must .*Try --name=digits-cnn"):
        classifier.check_name(name)

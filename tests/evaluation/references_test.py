import dataclasses
import hashlib
import json
import zipfile

import numpy as np
import pytest

from sagan_tf import images
from sagan_tf.errors import BadInput
from sagan_tf.evaluation import references
from sagan_tf.evaluation.metrics.frechet import frechet_distance
from sagan_tf.evaluation.protocols import PROTOCOLS, Protocol
from sagan_tf.settings.config import Config
from tests.evaluation.small_network import small_network

PROTOCOL = Protocol("tiny", "a test", num_real=40, num_fake=20)


@pytest.fixture
def npz(tmp_path):
    """A data set of 50 pictures, and its config."""
    random = np.random.default_rng(0)
    path = tmp_path / "images.npz"
    pixels = random.integers(0, 256, (50, 32, 32, 1), np.uint8)
    np.savez(path, images=pixels, labels=np.arange(50) % 3)
    return Config(dataset=f"npz:{path}", resolution=32, image_channels=1)


def make(config, path, protocol=PROTOCOL, network=None, keep=30):
    return references.make_reference(
        config, protocol, network or small_network(), path, keep
    )


def test_a_reference_is_made_once_and_read_ever_after(npz, tmp_path, monkeypatch):
    path = tmp_path / "stats.npz"
    first = make(npz, path)
    assert first.summary.count == 40
    assert first.summary.features.shape[0] == 30
    assert first.about["network"] == "small"

    def unwanted(*args, **kwargs):
        raise AssertionError("the feature network ran again")

    monkeypatch.setattr("sagan_tf.evaluation.scoring.summarize_images", unwanted)
    again = make(npz, path)
    assert again.about == first.about
    assert frechet_distance(first.summary.moments, again.summary.moments) < 1e-9


def test_a_protocol_that_asks_for_more_gets_all(npz, tmp_path):
    for number, asked in enumerate((None, 1000)):
        protocol = dataclasses.replace(PROTOCOL, num_real=asked)
        assert make(npz, tmp_path / f"{number}.npz", protocol).summary.count == 50


@pytest.mark.parametrize("labels", [True, False])
def test_a_reference_file_holds_everything(npz, tmp_path, labels):
    if not labels:
        pixels = np.load(npz.dataset.removeprefix("npz:"))["images"]
        np.savez(tmp_path / "images.npz", images=pixels)
    path = tmp_path / "new" / "stats.npz"
    made = make(npz, path)
    read = references.read_reference(path, PROTOCOL, small_network())
    assert (read.about, read.path) == (made.about, str(path))
    assert read.summary.count == 40
    for name in ("mean", "covariance"):
        theirs = getattr(made.summary.moments, name)
        ours = getattr(read.summary.moments, name)
        np.testing.assert_allclose(ours, theirs, rtol=1e-14)
    for name in ("features", "logits", "labels"):
        theirs, ours = getattr(made.summary, name), getattr(read.summary, name)
        np.testing.assert_array_equal(ours, theirs)
    assert (read.summary.labels is None) == (not labels)


def test_a_file_that_cannot_be_written_leaves_nothing(npz, tmp_path, monkeypatch):
    def full_disk(file, **arrays):
        file.write(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("sagan_tf.evaluation.references.np.savez", full_disk)
    with pytest.raises(OSError, match="stats.npz"):
        make(npz, tmp_path / "stats.npz")
    assert [p.name for p in tmp_path.iterdir()] == ["images.npz"]


def test_a_missing_reference_says_how_to_make_one(tmp_path):
    with pytest.raises(ValueError, match="sagan_tf.reference_statistics"):
        references.read_reference(tmp_path / "none.npz", PROTOCOL, small_network())


@pytest.mark.parametrize("damage", ["cut", "other", "text"])
def test_a_damaged_reference_is_named(npz, tmp_path, damage):
    path = tmp_path / "stats.npz"
    make(npz, path)
    if damage == "cut":
        path.write_bytes(path.read_bytes()[:-50])
    elif damage == "other":
        np.savez(path, mean=np.zeros(3), about=np.array(json.dumps({})))
    else:
        path.write_text("hello")
    with pytest.raises(ValueError, match=r"stats\.npz is not a whole reference file"):
        references.read_reference(path, PROTOCOL, small_network())


@pytest.mark.parametrize(
    ("name", "change", "words"),
    [
        ("about", lambda about: [about], "about: it must be an object"),
        ("about", lambda about: without(about, "num_classes"), "has no num_classes"),
        ("about", lambda about: {**about, "resolution": "a"}, "resolution must be"),
        ("features", lambda array: array.astype(str), "features <U"),
        ("features", lambda array: array[:, :-1], r"features float32 \(30, 5\)"),
        ("features", lambda array: array[:-1], r"features float32 \(29, 6\)"),
        ("logits", lambda array: array[0], r"logits float32 \(10,\)"),
        ("labels", lambda array: array[:-1], r"labels int32 \(29,\)"),
        ("labels", lambda array: array / 2, "labels float64"),
        ("count", lambda array: np.inf, "infinity"),
    ],
)
def test_odd_content_is_one_line(npz, tmp_path, name, change, words):
    path = tmp_path / "stats.npz"
    make(npz, path)
    arrays = dict(np.load(path))
    if name == "about":
        arrays[name] = json.dumps(change(json.loads(str(arrays[name]))))
    else:
        arrays[name] = change(arrays[name])
    np.savez(path, **arrays)
    with pytest.raises(BadInput, match=f"not a whole reference file: .*{words}"):
        references.read_reference(path, PROTOCOL, small_network())


def without(about, name):
    return {key: value for key, value in about.items() if key != name}


def test_differences_are_all_named(npz, tmp_path):
    path = tmp_path / "stats.npz"
    make(npz, path)
    other = dataclasses.replace(PROTOCOL, num_real=20, split="validation")
    with pytest.raises(ValueError) as error:
        references.read_reference(path, other, small_network(seed=1), npz)
    for part in ("_real is 40, needed 20", "_split", "network_hash", "stats.npz"):
        assert part in str(error.value)
    assert "resize" not in str(error.value)


def test_a_given_file_that_does_not_fit_names_what_does(npz, tmp_path):
    path = tmp_path / "stats.npz"
    made_with, asked = (PROTOCOLS[n] for n in ("quick-5k", "official-train-50k"))
    make(npz, path, made_with)
    with pytest.raises(BadInput, match=r"Try --protocol=quick-5k, with which it was"):
        references.read_reference(path, asked, small_network(), npz)
    other = dataclasses.replace(npz, resolution=64)
    with pytest.raises(BadInput) as error:
        references.read_reference(path, asked, small_network(), other)
    for part in (
        "--protocol=official-train-50k --resolution=64",
        "resolution is 32",
    ):
        assert part in str(error.value)
    assert "remove" not in str(error.value)


def test_a_file_with_too_few_features_is_computed_again(npz, tmp_path):
    path = tmp_path / "stats.npz"
    make(npz, path, keep=10)
    for keep, count in ((None, 10), (9, 10), (30, 30), (1000, 40)):
        made = make(npz, path, keep=keep)
        read = references.read_reference(path, PROTOCOL, small_network())
        for reference in (made, read):
            assert reference.summary.features.shape[0] == count
    change_an_image(npz)
    make(npz, tmp_path / "few.npz", keep=10)
    (tmp_path / "few.npz").replace(path)
    change_an_image(npz)
    before = path.read_bytes()
    with pytest.raises(ValueError, match="content_hash is"):
        make(npz, path, keep=30)
    assert path.read_bytes() == before


def test_a_folder_in_the_place_of_the_file_is_named(npz, tmp_path):
    with pytest.raises(IsADirectoryError, match=str(tmp_path)):
        make(npz, tmp_path)


def content(some, labels=None, parts=1):
    digest = hashlib.sha256()
    batches = [
        (some[each], None if labels is None else labels[each], each)
        for each in np.array_split(np.arange(len(some)), parts)
    ]
    passed = list(references.hashed(batches, digest))
    np.testing.assert_array_equal(np.concatenate([b for b, _ in passed]), some)
    return digest.hexdigest()


def test_content_hash_sees_pixels_labels_and_order_but_not_batches():
    pixels = np.random.default_rng(0).integers(0, 256, (6, 4, 4, 1), np.uint8)
    some, labels = images.from_pixels(pixels), np.arange(6)
    first = content(some, labels)
    assert content(some, labels, parts=4) == first
    changed = some.copy()
    changed[3, 1, 2, 0] += 2 / 255
    others = [
        content(changed, labels),
        content(some[::-1], labels),
        content(some, labels[::-1]),
        content(some),
        content(some.reshape(6, 2, 8, 1), labels),
    ]
    assert len({first, *others}) == 6


def change_an_image(config):
    path = config.dataset.removeprefix("npz:")
    arrays = dict(np.load(path))
    arrays["images"][:, 5, 5] ^= 1  # The lowest bit of one pixel.
    np.savez(path, **arrays)


def test_changed_pictures_are_refused(npz, tmp_path):
    path = tmp_path / "stats.npz"
    make(npz, path)
    change_an_image(npz)
    with pytest.raises(ValueError, match=r"content_hash is .*, needed .*remove this"):
        make(npz, path)


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"protocol": {"num_real": 41}}, "protocol_num_real is 40, needed 41"),
        ({"protocol": {"resize": "area"}}, "resize"),
        ({"network": {"seed": 1}}, "network_hash"),
        ({"config": {"resolution": 64}}, "resolution is 32, needed 64"),
        ({"config": {"image_channels": 3}}, "image_channels"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_another_treatment_is_refused(npz, tmp_path, change, word):
    path = tmp_path / "stats.npz"
    make(npz, path)
    protocol = dataclasses.replace(PROTOCOL, **change.get("protocol", {}))
    network = small_network(**change.get("network", {}))
    config = dataclasses.replace(npz, **change.get("config", {}))
    with pytest.raises(ValueError, match=word):
        make(config, path, protocol, network)
    with pytest.raises(ValueError, match=word):
        references.read_reference(path, protocol, network, config)


def test_a_fitting_file_is_read_without_the_pictures(npz, tmp_path):
    path = tmp_path / "stats.npz"
    made = make(npz, path)
    (tmp_path / "images.npz").unlink()
    read = references.read_reference(path, PROTOCOL, small_network(), npz)
    assert read.about == made.about


def test_the_file_of_a_run_is_named_by_what_decides_it():
    names = {
        references.file_name(protocol, network)
        for protocol in (PROTOCOL, dataclasses.replace(PROTOCOL, num_real=None))
        for network in (small_network(), small_network(seed=0xA << 250))
    }
    assert len(names) == 4
    fewer_fakes = dataclasses.replace(PROTOCOL, num_fake=3)
    assert references.file_name(fewer_fakes, small_network()) in names


@pytest.mark.parametrize(
    ("dataset", "split", "wanted"),
    [("tfds:cifar10", None, "validation"), ("digits", "train", "test")],
)
def test_the_validation_split_is_found(dataset, split, wanted):
    protocol = dataclasses.replace(PROTOCOL, split="validation")
    config = Config(dataset=dataset, split=split)
    assert references.for_protocol(config, protocol).split == wanted
    assert references.for_protocol(config, PROTOCOL) == config


def test_without_a_known_validation_split_one_has_to_be_given():
    protocol = dataclasses.replace(PROTOCOL, split="validation")
    with pytest.raises(ValueError, match="--reference_statistics=FILE"):
        references.for_protocol(Config(dataset="npz:x.npz"), protocol)


def test_real_images_that_cannot_be_read_are_named_or_left_out(tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    for index in range(40):
        pixels = np.full((32, 32, 1), 6 * index, np.uint8)
        images.write_png(folder / f"{index}.png", pixels)
    (folder / "7.png").write_bytes(b"")
    config = Config(dataset=f"folder:{folder}", resolution=32, image_channels=1)
    with pytest.raises(BadInput, match=f"{folder}/7.png: .*--skip_bad_images"):
        make(config, tmp_path / "stats.npz")
    skipping = dataclasses.replace(config, skip_bad_images=True)
    assert make(skipping, tmp_path / "stats.npz").summary.count == 39


def test_a_reference_that_says_it_has_terabytes_is_one_line(npz, tmp_path):
    path = tmp_path / "stats.npz"
    make(npz, path)
    header = {"descr": "<f8", "fortran_order": False, "shape": (10**12,)}
    with np.load(path) as file:
        arrays = {name: file[name] for name in file.files if name != "mean"}
    np.savez(path, **arrays)
    with zipfile.ZipFile(path, "a") as archive, archive.open("mean.npy", "w") as file:
        np.lib.format.write_array_header_1_0(file, header)
    with pytest.raises(BadInput, match="not a whole reference file: 'mean' says it is"):
        references.read_reference(path, PROTOCOL, small_network())

import json
import pathlib

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from sagan_tf import data, train_classifier
from sagan_tf.errors import BadInput
from sagan_tf.evaluation.features import classifier_training as training
from sagan_tf.evaluation.features.network import open_feature_network

SETTINGS = "--epochs=12", "--num_features=6"
CONFIGS = pathlib.Path(__file__).parents[3] / "configs"


def squares(path, count=90, seed=0, classes=3, **more):
    """Noisy images of 12 x 12: the label says in which corner a square is."""
    random = np.random.default_rng(seed)
    labels = np.arange(count) % classes
    images = random.integers(0, 60, (count, 12, 12, 1)).astype(np.uint8)
    for image, label in zip(images, labels):
        top, left = 6 * (label // 2) + 1, 6 * (label % 2) + 1
        # Shapes, too: an average over the image does not say where it was.
        image[top : top + 1 + 2 * label, left : left + 2] = 255
    np.savez(path, images=images, labels=labels, **more)
    return f"npz:{path}"


def run(output, dataset, *more):
    return train_classifier.main(
        [
            "train_classifier",
            f"--dataset={dataset}",
            f"--output={output}",
            "--resolution=12",
            "--image_channels=1",
            *more,
        ]
    )


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A folder with squares.npz and the classifier that was trained on it, a."""
    folder = tmp_path_factory.mktemp("trained")
    dataset = squares(folder / "squares.npz", class_names=["ant", "bee", "cow"])
    assert run(folder / "a", dataset, *SETTINGS) == 0
    return folder


def record_of(folder):
    return json.loads((folder / "classifier.json").read_text())


@pytest.mark.slow
def test_it_learns_to_read_held_out_pictures(trained):
    record = record_of(trained / "a")
    assert record["held_out_accuracy"] > 0.9
    assert record["num_training_images"] == 72
    assert record["num_held_out_images"] == 18
    assert (record["split"], record["held_out_split"]) == ("train", "test")


def test_what_it_says_is_what_the_network_does(trained):
    network = open_feature_network(str(trained / "a"))
    assert network.name == "squares-cnn"
    assert record_of(trained / "a")["class_names"] == ["ant", "bee", "cow"]
    source = data.open_source(f"npz:{trained}/squares.npz", split="test")
    images, labels = next(
        iter(
            data.make_dataset(
                source, resolution=12, image_channels=1, batch_size=18, seed=0
            )
        )
    )
    _, logits = network(images)
    accuracy = np.mean(logits.numpy().argmax(1) == labels.numpy())
    assert accuracy == pytest.approx(record_of(trained / "a")["held_out_accuracy"])


def test_the_record_says_how_it_was_made(trained):
    record = record_of(trained / "a")
    assert record["dataset"] == f"npz:{trained}/squares.npz"
    assert "split train: 72" in record["description"]
    expected = {
        "epochs": 12,
        "seed": 0,
        "resolution": 12,
        "num_classes": 3,
        "flip": False,
    }
    assert {name: record[name] for name in expected} == expected
    assert set(record["versions"]) > {"tensorflow", "keras", "sagan_tf"}


@pytest.mark.slow
def test_the_same_seed_gives_the_same_weights_and_another_does_not(trained, tmp_path):
    hashes = []
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        flags = f"--seed={seed}", "--epochs=2", "--num_features=6"
        assert run(tmp_path / name, f"npz:{trained}/squares.npz", *flags) == 0
        hashes.append(record_of(tmp_path / name)["sha256"])
    assert hashes[0] == hashes[1] != hashes[2]


@pytest.mark.slow
def test_it_says_what_it_reads_wrongly(tmp_path, capsys):
    dataset = squares(tmp_path / "a.npz")
    other = squares(tmp_path / "b.npz", count=31)
    arguments = "--epochs=1", f"--held_out_dataset={other}", "--name=my-cnn"
    assert run(tmp_path / "out", dataset, *arguments) == 0
    text = capsys.readouterr().out
    assert "of 31 held-out images are read correctly" in text
    assert "my-cnn (" in text and str(tmp_path / "out") in text
    record = record_of(tmp_path / "out")
    assert record["held_out_dataset"] == other
    # With images to measure with, all of the data set is there to learn from.
    assert (record["split"], record["num_training_images"]) == (None, 90)


def test_the_most_frequent_mistakes_are_named():
    confusion = np.array([[50, 0, 1], [7, 40, 0], [0, 2, 60]])
    assert training.describe_readings(confusion, ("ant", "bee", "cow")) == (
        "93.75% of 160 held-out images are read correctly\n"
        "Most frequent mistakes: bee as ant (7 of 47), cow as bee (2 of 62), "
        "ant as cow (1 of 51)"
    )
    assert "1 as 0 (7 of 47)" in training.describe_readings(confusion)
    assert training.describe_readings(np.diag([3, 4])) == (
        "100.00% of 7 held-out images are read correctly"
    )


def error_of(capsys, *arguments):
    assert run(*arguments) == 2
    printed = capsys.readouterr()
    assert "Training" not in printed.out
    lines = printed.err.splitlines()
    assert len(lines) == 1 and lines[0].startswith("error: ")
    return lines[0]


def test_a_classifier_that_is_there_is_refused_before_training(trained, capsys):
    dataset = f"npz:{trained}/squares.npz"
    assert "--overwrite" in error_of(capsys, trained / "a", dataset)


@pytest.mark.parametrize(
    "arguments, words",
    [
        (["--name=Inception"], "name must not start"),
        (["--dataset=npz:/no/such.npz"], "/no/such.npz"),
        (["--dataset=tfds:mnist"], "--held_out_split=test"),
        (["--resolution=4"], "resolution=4"),
        (["--epochs=0"], "epochs"),
        (["--resize=cubic"], "resize='cubic'"),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_what_cannot_be_trained_is_one_line(tmp_path, arguments, words, capsys):
    assert words in error_of(capsys, tmp_path / "out", "digits", *arguments)
    assert not (tmp_path / "out").exists()


def test_an_output_is_needed(capsys):
    assert train_classifier.main(["train_classifier"]) == 2
    assert "--output is needed" in capsys.readouterr().err


@pytest.mark.parametrize("bad", ["train", "test"])
def test_a_bad_image_is_named_and_another_error_stays(tmp_path, monkeypatch, bad):
    folders = tmp_path / "train", tmp_path / "test"
    for name in ("ant/0.png", "ant/1.png", "bee/2.png", "bee/3.png"):
        for part in folders:
            (tmp_path / part / name).parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(np.zeros([4, 4], np.uint8)).save(tmp_path / part / name)
    parts = [
        data.open_source(f"folder:{tmp_path}/{part}") for part in ("train", "test")
    ]

    def fail(*arguments):
        raise tf.errors.InvalidArgumentError(None, None, "somewhere")

    def train():
        training.train_classifier(
            tmp_path / "out", *parts, name="x", resolution=8, image_channels=1
        )

    monkeypatch.setattr(training, "fit", fail)
    monkeypatch.setattr(training, "make_batches", lambda *arguments: None)
    monkeypatch.setattr(training, "make_test_batches", lambda *arguments: None)
    with pytest.raises(tf.errors.InvalidArgumentError, match="somewhere"):
        train()
    (tmp_path / bad / "bee/2.png").write_bytes(b"\x89PNG")
    with pytest.raises(BadInput, match=f"{bad}/bee/2.png: .*--skip_bad_images"):
        train()


def test_a_bad_held_out_image_is_named_before_the_training(tmp_path, monkeypatch):
    for name in ("ant/0.png", "ant/1.png", "bee/2.png", "bee/3.png"):
        for part in ("train", "test"):
            (tmp_path / part / name).parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(np.zeros([4, 4], np.uint8)).save(tmp_path / part / name)
    (tmp_path / "test/bee/3.png").write_bytes(b"\x89PNG")
    parts = [
        data.open_source(f"folder:{tmp_path}/{part}") for part in ("train", "test")
    ]
    # As of TFRecords: nothing is decoded in advance.
    parts[1].random_access = False

    def fit(*arguments, **options):
        pytest.fail("trained")

    monkeypatch.setattr(training.keras.Model, "fit", fit)
    with pytest.raises(BadInput, match="test/bee/3.png: .*--skip_bad_images"):
        training.train_classifier(
            tmp_path / "out", *parts, name="x", resolution=8, image_channels=1
        )


def test_small_data_sets_are_seen_more_often():
    numbers = [training.default_epochs(n) for n in (100, 1438, 4000, 60_000, 10**6)]
    assert numbers == [30, 30, 15, 10, 10]


def test_small_data_sets_have_small_batches():
    numbers = [training.default_batch_size(n) for n in (5, 72, 400, 1438, 60_000)]
    assert numbers == [5, 8, 20, 64, 64]


@pytest.mark.slow
def test_real_digits_are_read(tmp_path):
    arguments = f"--flagfile={CONFIGS}/digits.flags", "--epochs=8"
    command = ["train_classifier", *arguments, f"--output={tmp_path}/a"]
    assert train_classifier.main(command) == 0
    record = record_of(tmp_path / "a")
    assert record["held_out_accuracy"] > 0.97
    assert (record["resolution"], record["image_channels"]) == (32, 1)
    assert record["name"] == "digits-cnn"


@pytest.mark.parametrize(
    "choice, parts",
    [
        ({}, ("train", "test")),
        ({"split": "test"}, ("test", "train")),
        ({"held_out_split": "train"}, ("test", "train")),
        ({"held_out_dataset": "digits"}, ("train", "test")),
    ],
)
def test_what_is_held_out_is_not_trained_on(choice, parts):
    first, second, about = training.open_parts("digits", **choice)
    assert (about["split"], about["held_out_split"]) == parts
    assert not (first.kept & second.kept).any() and (first.kept | second.kept).all()


def test_each_part_is_opened_with_what_is_meant_for_it(monkeypatch):
    """Where prepared data sets are matters to those of TFDS alone."""
    opened = []

    def record(dataset, split, data_dir, manual_dir, label_offset, skip_bad_images):
        opened.append((dataset, split, data_dir, label_offset, skip_bad_images))
        return dataset

    monkeypatch.setattr(data, "open_source", record)
    choice = {"data_dir": "/prepared", "label_offset": -1, "skip_bad_images": True}
    training.open_parts("tfds:x", held_out_split="validation", **choice)
    training.open_parts("tfds:x", held_out_dataset="npz:y", **choice)
    common = -1, True
    assert opened == [
        ("tfds:x", None, "/prepared", *common),
        ("tfds:x", "validation", "/prepared", *common),
        ("tfds:x", None, "/prepared", *common),
        ("npz:y", None, None, *common),
    ]


@pytest.mark.parametrize(
    "dataset, choice, words",
    [
        ("tfds:x", {}, "dataset='tfds:x'.*--held_out_split=test"),
        ("tfrecord:x", {}, "dataset='tfrecord:x'.*--held_out_dataset=tfrecord:"),
        ("tfds:x", {"held_out_split": "train"}, "must be different"),
        ("digits", {"split": "test", "held_out_split": "test"}, "must be different"),
        ("tfrecord:x", {"held_out_dataset": "tfrecord:x"}, "needs held-out images"),
        ("npz:x", {"data_dir": "/x"}, "data_dir is for tfds"),
    ],
)
def test_parts_that_cannot_be_used_are_refused(dataset, choice, words):
    with pytest.raises(ValueError, match=words):
        training.open_parts(dataset, **choice)


def test_pictures_without_labels_or_with_other_ones_are_refused(tmp_path):
    def source(**arrays):
        images = np.zeros((12, 4, 4, 1), np.uint8)
        np.savez(tmp_path / "x.npz", images=images, **arrays)
        return data.open_source(f"npz:{tmp_path}/x.npz")

    unlabelled = source()
    one, three, four = (source(labels=np.arange(12) % n) for n in (1, 3, 4))
    named, renamed = (
        source(labels=np.arange(12) % 3, class_names=list(names))
        for names in ("abc", "cba")
    )
    training.check_classes(three, named)
    training.check_classes(four, three)
    for pair, words in (
        ((unlabelled, unlabelled), "needs labels.*no labels"),
        ((three, unlabelled), "needs labels.*no labels"),
        ((one, one), "two classes.*, 1 class"),
        ((three, four), "classes of the training images.*3 classes; .*4 classes"),
        ((named, renamed), "classes of the training images"),
    ):
        with pytest.raises(ValueError, match=words):
            training.check_classes(*pair)


@pytest.mark.parametrize(
    "dataset, name",
    [
        ("digits", "digits-cnn"),
        ("npz:data/fashion_mnist_train.npz", "fashion_mnist_train-cnn"),
        ("folder:/data/my photos/", "my-photos-cnn"),
        ("tfds:imagenet_v2/topimages:3.1.0", "imagenet_v2-topimages-3.1.0-cnn"),
        ("tfrecord:/data/train-*", "train-cnn"),
        ("tfrecord:*", "tfrecord-cnn"),
    ],
)
def test_the_name_is_the_data_sets(dataset, name):
    assert training.default_name(dataset) == name


def test_every_held_out_picture_is_read_once_however_often_it_is_asked():
    source = data.open_source("digits", split="test")
    pictures = {
        "resolution": 8,
        "image_channels": 1,
        "resize": "area",
        "seed": 0,
    }
    batches = training.make_test_batches(source, pictures)
    for _ in range(2):
        assert sum(len(images) for images, _ in batches) == 359
    assert batches.cardinality() == 2


def test_shifts_are_whole_pixels_and_repeat_the_edge():
    """Each shifted image is a part of the image with its edge repeated."""
    images = np.random.default_rng(0).normal(size=(40, 6, 6, 2)).astype(np.float32)
    shifted = training.shift(images, 2, (0, 5)).numpy()
    padded = np.pad(images, [(0, 0), (2, 2), (2, 2), (0, 0)], "edge")
    found = set()
    for before, after in zip(padded, shifted):
        places = [
            (top, left)
            for top in range(5)
            for left in range(5)
            if (before[top : top + 6, left : left + 6] == after).all()
        ]
        assert len(places) == 1
        found |= set(places)
    assert {top for top, _ in found} == {left for _, left in found} == set(range(5))
    assert len(found) > 5  # Down and to the right are independent.
    again, other = (training.shift(images, 2, (0, step)).numpy() for step in (5, 6))
    np.testing.assert_array_equal(again, shifted)
    assert (other != shifted).any()


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ((8, 9, 1), (32, 1)),
        ((28, 28, 2), (32, 1)),
        ((60, 33, 3), (64, 3)),
        ((300, 65, 4), (128, 3)),
        ((300, 200, 3), (128, 3)),
    ],
)
def test_pictures_keep_about_their_size(tmp_path, shape, expected):
    np.savez(tmp_path / "x.npz", images=np.zeros((2, *shape), np.uint8))
    source = data.open_source(f"npz:{tmp_path / 'x.npz'}")
    assert training.natural_shape(source) == expected


def test_a_first_picture_that_is_a_gif_has_its_size(tmp_path):
    Image.fromarray(np.zeros((60, 70, 3), np.uint8)).save(tmp_path / "a.gif")
    source = data.open_source(f"folder:{tmp_path}")
    assert training.natural_shape(source) == (64, 3)


@pytest.mark.parametrize("contents", [b"\x89PNG but not really", b"GIF89a", b"BM"])
def test_a_first_picture_that_is_bad_is_named(tmp_path, contents):
    (tmp_path / "a.png").write_bytes(contents)
    source = data.open_source(f"folder:{tmp_path}")
    with pytest.raises(ValueError, match=r"a\.png: .*--skip_bad_images"):
        training.natural_shape(source)

import numpy as np
import pytest

from sagan_tf.data import open_source, resolve_num_classes


@pytest.mark.parametrize(
    "dataset", ["", "cifar10", "digits:x", "npz", "npz:", "zip:/a.zip", "/data/pets"]
)
def test_an_unknown_data_set_lists_the_kinds(dataset):
    with pytest.raises(
        ValueError, match="digits .*npz:FILE .*folder:DIR .*tfrecord:GLOB .*tfds:NAME"
    ) as error:
        open_source(dataset)
    assert f"Received: dataset={dataset!r}" in str(error.value)


@pytest.mark.parametrize(
    "dataset, choice",
    [
        ("tfrecord:*", {"split": "train"}),
        ("npz:a.npz", {"data_dir": "/data"}),
        ("folder:pets", {"label_offset": 1}),
        ("tfrecord:*", {"manual_dir": "/data"}),
    ],
)
def test_a_choice_that_would_be_ignored_is_refused(dataset, choice):
    (name,) = choice
    with pytest.raises(ValueError, match=f"{name} is for .*tfds.*Try without it"):
        open_source(dataset, **choice)


def test_the_number_of_classes_is_that_of_the_data_set(dataset_of):
    source = open_source("digits")
    assert resolve_num_classes(source) == 10
    assert resolve_num_classes(source, 10) == 10
    assert resolve_num_classes(source, 0) == 0


@pytest.mark.parametrize("num_classes", [9, 11, 1000])
def test_another_number_of_classes_is_refused(num_classes):
    with pytest.raises(
        ValueError, match=f"Received: num_classes={num_classes}, digits.*=10"
    ):
        resolve_num_classes(open_source("digits"), num_classes)


def test_without_names_there_may_be_more_classes_than_labels_seen(dataset_of):
    source = open_source(**dataset_of["tfrecord"])
    assert resolve_num_classes(source, 1000) == 1000
    with pytest.raises(ValueError, match="labels 0..3.*--label_offset=-1"):
        resolve_num_classes(source, 3)


def test_classes_cannot_be_asked_of_unlabelled_data(dataset_of):
    source = open_source(**dataset_of["unlabelled tfds"])
    assert resolve_num_classes(source) == 0
    with pytest.raises(ValueError, match="num_classes=10.*no labels.*num_classes=0"):
        resolve_num_classes(source, 10)


IN_MEMORY = ("digits", "npz", "folder")


def indices(source):
    elements = source.epoch(0, 0, shuffle=False)
    return [int(element["index"]) for element in elements]


def labels_of(source):
    elements = source.epoch(0, 0, shuffle=False)
    return {int(label) for label in elements.map(lambda e: source.decode(e)["label"])}


@pytest.mark.parametrize("kind", IN_MEMORY)
def test_train_and_test_share_no_picture_and_leave_none_out(dataset_of, kind):
    train, test = (
        indices(open_source(**dataset_of[kind], split=s)) for s in ("train", "test")
    )
    assert not set(train) & set(test)
    everything = indices(open_source(**dataset_of[kind]))
    assert sorted(train + test) == everything
    assert 0.7 < len(train) / len(everything) < 0.85


@pytest.mark.parametrize("kind", IN_MEMORY)
def test_every_class_is_in_train_and_in_test(dataset_of, kind):
    source = open_source(**dataset_of[kind])
    for split in ("train", "test"):
        part = open_source(**dataset_of[kind], split=split)
        assert labels_of(part) == set(range(source.num_classes))
        assert part.num_classes == source.num_classes


def test_a_fifth_of_each_class_is_held_out():
    source = open_source("digits", split="test")
    counts = np.bincount(source.labels[indices(source)])
    np.testing.assert_allclose(counts, np.bincount(source.labels) / 5, atol=0.5)


def test_the_split_is_said():
    source = open_source("digits", split="train")
    assert source.description == (
        "digits: 1,797 pictures of 8 x 8 x 1, 10 classes, split train: 1,438"
    )
    assert source.num_images == 1438


def test_the_split_is_the_same_in_every_run_and_version():
    """A frozen figure: other pictures held out would make results incomparable."""
    found = indices(open_source("digits", split="test"))
    assert found[:8] == [9, 11, 15, 16, 17, 19, 30, 33]
    assert sum(found) == 314663


def test_the_split_of_pictures_without_labels_is_a_fifth(tmp_path):
    np.savez(tmp_path / "a.npz", images=np.zeros((20, 4, 4, 1), np.uint8))
    train, test = (
        indices(open_source(f"npz:{tmp_path}/a.npz", split=s))
        for s in ("train", "test")
    )
    assert (len(train), len(test)) == (16, 4)
    assert test != list(range(16, 20)) and test != list(range(4))


def test_bad_pictures_do_not_move_others_to_another_split(folder):
    """One of either split is damaged: each loses its own, and names it once."""
    sources = [open_source(f"folder:{folder}", split=s) for s in ("train", "test")]
    bad = [indices(source)[0] for source in sources]
    for source, index in zip(sources, bad):
        with open(source.name(index), "wb") as file:
            file.write(b"\x89PNG\r\n")
    for source, index in zip(sources, bad):
        split = source.description.split("split ")[1].split(":")[0]
        good = open_source(f"folder:{folder}", split=split, skip_bad_images=True)
        assert indices(good) == [i for i in indices(source) if i != index]
        assert good.num_images == source.num_images - 1
        assert f"2 bad ones skipped, split {split}" in good.description


@pytest.mark.parametrize("split", ["validation", "train[:50%]", "Test"])
def test_another_split_is_refused(dataset_of, split):
    with pytest.raises(ValueError, match=r"train or test.*Received: .*Try --split="):
        open_source(**dataset_of["npz"], split=split)


def test_a_split_without_pictures_is_refused(tmp_path):
    np.savez(tmp_path / "a.npz", images=np.zeros((1, 4, 4, 1), np.uint8))
    with pytest.raises(ValueError, match="split=test.*no pictures.*--split=train"):
        open_source(f"npz:{tmp_path}/a.npz", split="test")

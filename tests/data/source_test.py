"""Splits of data sets that have none of their own."""

import numpy as np
import pytest

from sagan_tf.data import open_source
from sagan_tf.data.source import RandomAccessSource, classes_in_words
from sagan_tf.errors import BadInput

IN_MEMORY = ("digits", "npz", "folder")


def indices(source):
    elements = source.epoch(0, 0, shuffle=False)
    return [int(element["index"]) for element in elements]


def labels_of(source):
    elements = source.epoch(0, 0, shuffle=False)
    return {int(label) for label in elements.map(lambda e: source.decode(e)["label"])}


def test_one_class_is_no_plural():
    words = [classes_in_words(number) for number in (0, 1, 2)]
    assert words == ["no labels", "1 class", "2 classes"]


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
        "digits: 1,797 images of 8 x 8 x 1, 10 classes, split train: 1,438"
    )
    assert source.num_images == 1438


def test_the_split_is_the_same_in_every_run_and_version():
    """A frozen figure: other images held out would make results incomparable."""
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
        assert f"2 of them bad and skipped, split {split}" in good.description


def test_a_split_without_pictures_is_refused(tmp_path):
    np.savez(tmp_path / "a.npz", images=np.zeros((1, 4, 4, 1), np.uint8))
    with pytest.raises(ValueError, match="split=test.*no images.*--split=train"):
        open_source(f"npz:{tmp_path}/a.npz", split="test")


def test_a_balanced_epoch_has_as_many_images_of_each_class():
    labels = np.repeat([0, 1, 2], [20, 4, 1])
    source = RandomAccessSource(
        "x", labels, labels, 3, (), read=lambda row: row, name=str
    )
    source.skip([3])
    balanced = source.balanced()

    def order(each, epoch, **options):
        elements = each.epoch(5, epoch, **options).as_numpy_iterator()
        return [int(element["index"]) for element in elements]

    first, second = order(balanced, 0), order(balanced, 1)
    assert first == order(balanced, 0) != second
    for indices in (first, second):
        counts = np.bincount(labels[indices])
        assert counts.tolist() == [8, 8, 8]
        # No image comes twice before all of its class have come.
        of_one, of_two = (
            [i for i in indices if labels[i] == label] for label in (0, 1)
        )
        assert len(set(of_one)) == 8 and 3 not in of_one
        assert sorted(of_two) == sorted([20, 21, 22, 23] * 2)
    # Evaluations read every image once.
    unshuffled = order(balanced, 0, shuffle=False)
    assert unshuffled == [i for i in range(25) if i != 3]
    assert sorted(order(source, 0)) == unshuffled


def test_balanced_streams_go_on_where_an_unbroken_one_would_be():
    labels = np.repeat([0, 1], [9, 2])
    source = RandomAccessSource(
        "x", labels, labels, 2, (), read=lambda row: row, name=str
    ).balanced()
    whole = [int(e["index"]) for e in source.stream(1).take(40).as_numpy_iterator()]
    rest = source.stream(1, start_image=17).take(23).as_numpy_iterator()
    assert [int(e["index"]) for e in rest] == whole[17:]


def test_a_source_without_classes_cannot_be_balanced():
    source = RandomAccessSource("x", [0], None, 0, (), read=None, name=str)
    with pytest.raises(BadInput, match="balance_classes"):
        source.balanced()

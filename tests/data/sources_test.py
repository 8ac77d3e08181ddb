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
    ("dataset", "remedy"),
    [
        ("cifar10", "tfds:cifar10"),
        ("/data/pets", "folder:/data/pets"),
        ("pets/", "folder:pets/"),
        ("a/b.npz", "npz:a/b.npz"),
        ("a/b-*", "tfrecord:a/b-*"),
        ("a.tfrecord-00000-of-00002", "tfrecord:a.tfrecord-00000-of-00002"),
        ("npz:", "npz:FILE"),
        ("digits:x", "digits"),
        ("unknown (imported)", "folder:DIR"),
        ("zip:/a.zip", "folder:DIR"),
    ],
)
def test_the_likely_form_is_said(dataset, remedy):
    with pytest.raises(ValueError) as error:
        open_source(dataset)
    assert str(error.value).endswith(f"Try --dataset={remedy}.")


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
    with pytest.raises(
        ValueError, match=f"{name} is for .*tfds.*Try --{name}=(none|0)"
    ):
        open_source(dataset, **choice)


def test_the_number_of_classes_is_that_of_the_data_set(dataset_of):
    source = open_source("digits")
    assert resolve_num_classes(source) == 10
    assert resolve_num_classes(source, 10) == 10
    assert resolve_num_classes(source, 0) == 0


@pytest.mark.parametrize("num_classes", [9, 11, 1000])
def test_another_number_of_classes_is_refused(num_classes):
    with pytest.raises(
        ValueError,
        match=f"Received: num_classes={num_classes}, digits.*=10; or.*--initialize_f",
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


@pytest.mark.parametrize("split", ["validation", "train[:50%]", "Test"])
def test_another_split_is_refused(dataset_of, split):
    with pytest.raises(ValueError, match=r"train or test.*Received: .*or --split=none"):
        open_source(**dataset_of["npz"], split=split)

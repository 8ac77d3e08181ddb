import io
import os
import zipfile

import numpy as np
import pytest
from sklearn.datasets import load_digits

from sagan_tf.data import open_source
from sagan_tf.errors import BadInput

from .samples import random_pixels


def save(path, **arrays):
    np.savez(path / "a.npz", **arrays)
    return f"npz:{path}/a.npz"


def test_digits_are_spread_over_the_pixel_range():
    source = open_source("digits")
    assert (source.num_images, source.num_classes) == (1797, 10)
    assert source.class_names == tuple("0123456789")
    assert source.values.dtype == np.uint8 and source.values.shape == (1797, 8, 8, 1)
    values = load_digits().images[..., None]
    np.testing.assert_allclose(source.values, values * 255 / 16, atol=0.5)
    assert source.values.max() == 255
    element = source.decode({"index": 5})
    np.testing.assert_array_equal(element["image"], source.values[5])
    assert element["label"] == load_digits().target[5]


def test_npz_says_what_it_holds(tmp_path):
    images, labels = random_pixels(7, 4, 5, 3), np.array([0, 1, 4, 1, 0, 2, 2])
    source = open_source(save(tmp_path, images=images, labels=labels))
    assert source.description == "a.npz: 7 images of 4 x 5 x 3, 5 classes"
    assert source.class_names == ()
    names = ["ant", "bee", "cow", "doe", "emu", "fox"]
    source = open_source(
        save(tmp_path, images=images, labels=labels, class_names=names)
    )
    assert source.class_names == tuple(names) and source.num_classes == 6


def test_npz_without_labels_has_no_classes(tmp_path):
    source = open_source(save(tmp_path, images=random_pixels(7, 4, 5, 1)))
    assert source.num_classes == 0
    assert "no labels" in source.description


def test_label_offset_is_added(tmp_path):
    labels = np.array([1, 2, 3], np.uint8)
    dataset = save(tmp_path, images=random_pixels(3, 4, 4, 3), labels=labels)
    source = open_source(dataset, label_offset=-1)
    assert source.num_classes == 3
    assert [int(source.decode({"index": i})["label"]) for i in range(3)] == [0, 1, 2]


@pytest.mark.parametrize(
    "arrays, message",
    [
        ({"pictures": np.zeros(3)}, "must have an array 'images'.*Received: pictures"),
        ({"images": np.zeros([2, 4, 4, 3])}, r"must be uint8.*Received: float64 \(2,"),
        ({"images": np.zeros([2, 4, 4], np.uint8)}, r"Received: uint8 \(2, 4, 4\)"),
        ({"images": np.zeros([2, 4, 4, 5], np.uint8)}, "1 to 4 channels"),
        ({"images": np.zeros([0, 4, 4, 3], np.uint8)}, "'images' is empty"),
        ({"images": np.array([None])}, "cannot be read as a NumPy .npz file"),
    ],
)
def test_npz_with_other_images_is_refused(tmp_path, arrays, message):
    with pytest.raises(ValueError, match=f"a.npz.*{message}"):
        open_source(save(tmp_path, **arrays))


@pytest.mark.parametrize(
    "labels, message",
    [
        (np.array([0, 1]), r"shape \(3,\), one for each image. Received: int64 \(2,"),
        (np.array([0.0, 1, 2]), "must be integers.*Received: float64"),
        (np.array([0, -1, 2]), "Received: -1 for image 1 with label_offset=0"),
        (np.array([0, 9, 2]), "in 0..3.*Received: 9 for image 1"),
        (np.array([[0], [1], [2]]), r"int64 \(3, 1\). Try labels.ravel\(\)"),
    ],
)
def test_npz_with_bad_labels_is_refused(tmp_path, labels, message):
    dataset = save(
        tmp_path,
        images=random_pixels(3, 4, 4, 3),
        labels=labels,
        class_names=["a", "b", "c", "d"],
    )
    with pytest.raises(ValueError, match=f"a.npz.*{message}"):
        open_source(dataset)


def test_an_implausible_label_is_refused(tmp_path):
    labels = np.array([0, 20251103])
    dataset = save(tmp_path, images=random_pixels(2, 4, 4, 3), labels=labels)
    with pytest.raises(ValueError, match="Received: a label of 20,251,103"):
        open_source(dataset)


def test_a_missing_or_damaged_npz_is_named(tmp_path):
    with pytest.raises(ValueError, match="There is no file .*no.npz"):
        open_source(f"npz:{tmp_path}/no.npz")
    dataset = save(tmp_path, images=random_pixels(3, 4, 4, 3))
    (tmp_path / "a.npz").write_bytes((tmp_path / "a.npz").read_bytes()[:-40])
    with pytest.raises(ValueError, match="a.npz cannot be read.*Try"):
        open_source(dataset)
    np.save(tmp_path / "b.npy", random_pixels(3, 4, 4, 3))
    with pytest.raises(ValueError, match="single array"):
        open_source(f"npz:{tmp_path}/b.npy")
    (tmp_path / "c.npz").write_text("<html>404</html>")
    with pytest.raises(ValueError, match="it is not a .npz archive. Try"):
        open_source(f"npz:{tmp_path}/c.npz")


@pytest.mark.parametrize(
    "names, message",
    [
        (np.array("cat"), r"shape \(num_classes,\). Received: <U3 \(\)"),
        (np.array([["cat", "dog"]]), r"Received: <U3 \(1, 2\)"),
        (np.array(["cat", "dog", "cat"]), "must differ. Received: 'cat' 2 times"),
        (np.array(["2020-01-01"], "datetime64[D]"), "must be names"),
    ],
)
def test_npz_with_bad_class_names_is_refused(tmp_path, names, message):
    arrays = {"images": random_pixels(3, 4, 4, 3), "class_names": names}
    for labels in ({"labels": np.array([0, 1, 1])}, {}):
        with pytest.raises(BadInput, match=f"a.npz: 'class_names' {message}|{message}"):
            open_source(save(tmp_path, **arrays, **labels))


def test_npz_with_names_in_bytes_has_these_names(tmp_path):
    names = np.array(["caf\xe9".encode(), b"tea"])
    labels = np.array([0, 1, 1])
    source = open_source(
        save(
            tmp_path, images=random_pixels(3, 4, 4, 3), labels=labels, class_names=names
        )
    )
    assert source.class_names == ("caf\xe9", "tea")


@pytest.mark.parametrize(
    "labels, offset, message",
    [
        (np.array([0, 2**63, 1], np.uint64), 0, "Received: 9223372036854775808 for im"),
        (np.array([0, 1, 2], "timedelta64[s]"), 0, r"Received: timedelta64\[s\]"),
        (np.array([0, 1, 2]), 10**30, "Received: 10+2 for image 2"),
    ],
)
@pytest.mark.parametrize("named", [True, False])
def test_labels_beyond_int64_are_one_line(tmp_path, labels, offset, message, named):
    names = {"class_names": ["a", "b", "c"]} if named else {}
    arrays = {"images": random_pixels(3, 4, 4, 3), "labels": labels, **names}
    with pytest.raises(BadInput, match=f"{message}|a label of [0-9,]+"):
        open_source(save(tmp_path, **arrays), label_offset=offset)


def npy(shape, dtype="|u1", data=b"", version=1):
    """The bytes of an array whose header says anything."""
    header = repr({"descr": dtype, "fortran_order": False, "shape": shape})
    size = len(header).to_bytes(2 if version == 1 else 4, "little")
    return b"\x93NUMPY" + bytes([version, 0]) + size + header.encode() + data


@pytest.mark.parametrize(
    "contents",
    [
        npy((10**12, 1, 1, 1)),
        npy((10**12, 1, 1, 1), data=bytes(1000), version=2),
        npy((2**62, 2**62, 4, 4)),
        npy((-1, 4, 4, 3)),
        npy((10**12,), "<U0"),
        npy((2, 4, 4, 3), data=bytes(50)),
        npy((3, 4), "|O"),
        npy((3, 4), "nonsense"),
        npy("abc"),
        npy((2, 4, 4, 3), version=9),
        b"no array",
        b"",
    ],
)
@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_an_array_that_is_not_what_it_says_is_one_line(tmp_path, contents, compression):
    with zipfile.ZipFile(tmp_path / "a.npz", "w", compression) as file:
        file.writestr("images.npy", contents)
    with pytest.raises(BadInput, match="a.npz cannot be read.*Try"):
        open_source(f"npz:{tmp_path}/a.npz")


def test_a_member_that_says_it_unpacks_to_terabytes_is_one_line(tmp_path):
    name, size = b"images.npy", 2**40 + 128
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as file:
        file.writestr(name.decode(), npy((2**40, 1, 1, 1)))
        info = file.infolist()[0]
        info.file_size = info.compress_size = size  # The table at the end says so.
    with pytest.raises(BadInput, match="a.npz (cannot be read|does not fit)"):
        open_source(f"npz:{tmp_path}/a.npz")


def test_an_npz_larger_than_the_memory_is_one_line(tmp_path, monkeypatch):
    dataset = save(tmp_path, images=random_pixels(30, 4, 4, 3))
    monkeypatch.setattr(os, "sysconf", lambda name: 30)
    with pytest.raises(
        BadInput, match="does not fit into memory: 'images' takes 1,440"
    ):
        open_source(dataset)


def test_damage_anywhere_in_an_npz_is_one_line_or_an_array(tmp_path):
    file = io.BytesIO()
    np.savez_compressed(file, images=random_pixels(3, 4, 4, 3), labels=[0, 1, 2])
    whole, random = file.getvalue(), np.random.default_rng(0)
    for _ in range(300):
        contents = bytearray(whole)
        for place in random.integers(0, len(whole), 2):
            contents[place] = random.integers(256)
        (tmp_path / "a.npz").write_bytes(contents)
        try:
            open_source(f"npz:{tmp_path}/a.npz")
        except BadInput:
            pass


def test_an_npz_that_is_a_pipe_is_not_opened(tmp_path):
    os.mkfifo(tmp_path / "a.npz")
    with pytest.raises(BadInput, match="There is no regular file .*a.npz"):
        open_source(f"npz:{tmp_path}/a.npz")

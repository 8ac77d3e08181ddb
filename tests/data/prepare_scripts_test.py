"""The scripts that make .npz files from Debian's packages, on small files."""

import gzip
import importlib.util
import pathlib
import struct
import sys

import numpy as np
import pytest

from sagan_tf.data import open_source

from .samples import random_pixels

SCRIPTS = pathlib.Path(__file__).parents[2] / "scripts"


def load(name):
    spec = importlib.util.spec_from_file_location(name, SCRIPTS / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def fashion_mnist():
    return load("prepare_fashion_mnist")


@pytest.fixture
def emoji():
    return load("prepare_emoji128")


def write_idx(path, array, packed=True):
    header = struct.pack(f">I{array.ndim}I", 0x800 + array.ndim, *array.shape)
    contents = header + array.tobytes()
    if packed:
        path = path.with_name(path.name + ".gz")
        contents = gzip.compress(contents)
    path.write_bytes(contents)
    return path


@pytest.fixture
def idx_folder(tmp_path):
    """The four files: 13 and 7 pictures of 5 x 6."""
    for prefix, count in (("train", 13), ("t10k", 7)):
        pixels = random_pixels(count, 5, 6, seed=count)
        labels = (np.arange(count) % 10).astype(np.uint8)
        write_idx(tmp_path / f"{prefix}-images-idx3-ubyte", pixels)
        write_idx(tmp_path / f"{prefix}-labels-idx1-ubyte", labels)
    return tmp_path


def test_fashion_mnist_becomes_two_npz_files(fashion_mnist, idx_folder):
    paths = fashion_mnist.prepare(str(idx_folder), str(idx_folder / "data"))
    for path, count in zip(paths, (13, 7), strict=True):
        source = open_source(f"npz:{path}")
        assert (source.num_images, source.num_classes) == (count, 10)
        assert source.class_names[9] == "Ankle boot"
        np.testing.assert_array_equal(
            source.values[..., 0], random_pixels(count, 5, 6, seed=count)
        )
        np.testing.assert_array_equal(source.labels, np.arange(count) % 10)


@pytest.mark.parametrize("packed", [True, False])
def test_idx_files_are_read_packed_or_not(fashion_mnist, tmp_path, packed):
    pixels = random_pixels(4, 5, 6)
    write_idx(tmp_path / "x", pixels, packed)
    np.testing.assert_array_equal(fashion_mnist.read_idx(str(tmp_path / "x")), pixels)


def test_damaged_idx_files_are_named(fashion_mnist, tmp_path):
    pixels = random_pixels(4, 5, 6)
    packed = write_idx(tmp_path / "a", pixels)
    packed.write_bytes(packed.read_bytes()[:-9])
    with pytest.raises(ValueError, match="a.gz cannot be read"):
        fashion_mnist.read_idx(str(tmp_path / "a"))
    plain = write_idx(tmp_path / "b", pixels, packed=False)
    plain.write_bytes(plain.read_bytes()[:-9])
    with pytest.raises(ValueError, match="b must have"):
        fashion_mnist.read_idx(str(tmp_path / "b"))
    (tmp_path / "c").write_bytes(b"GIF89a......")
    with pytest.raises(ValueError, match="c is not an idx file"):
        fashion_mnist.read_idx(str(tmp_path / "c"))


def test_missing_files_end_with_the_package_to_install(
    fashion_mnist, tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr(sys, "argv", ["prepare", f"--input_dir={tmp_path}/no"])
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as stop:
        fashion_mnist.main()
    assert stop.value.code == 2
    assert "apt-get install dataset-fashion-mnist" in capsys.readouterr().err


def test_emoji_are_read_in_order_with_their_groups(emoji):
    lines = """
# group: Smileys & Emotion
# subgroup: face-smiling
1F600                 ; fully-qualified     # 😀 E1.0 grinning face
263A                  ; unqualified         # ☺ E0.6 smiling face
# group: People & Body
# subgroup: hand-fingers-open
1F44B 1F3FB           ; fully-qualified     # 👋🏻 E1.0 waving hand: light skin tone
1F3FB                 ; component           # 🏻 E1.0 light skin tone
""".splitlines()
    found = list(emoji.read_emoji_test(lines))
    assert [tuple(each) for each in found] == [
        ("\U0001f600", "Smileys & Emotion", "face-smiling", "grinning face"),
        (
            "\U0001f44b\U0001f3fb",
            "People & Body",
            "hand-fingers-open",
            "waving hand: light skin tone",
        ),
    ]


def test_emoji_arrays_fit_together(emoji, monkeypatch, tmp_path):
    entries = [
        emoji.Emoji("a", "G1", "s", "plain"),
        emoji.Emoji("b", "G1", "t", "not in the font"),
        emoji.Emoji("c\U0001f3fb", "G2", "s", "with a skin tone"),
    ]
    pictures = {each.text: random_pixels(8, 8, 3, seed=1) for each in entries}
    pictures["b"] = None
    monkeypatch.setattr(emoji, "draw", lambda font, text: pictures[text])
    arrays = emoji.build(None, entries)
    assert arrays["names"].tolist() == ["plain", "with a skin tone"]
    assert arrays["labels"].tolist() == [0, 1]
    assert arrays["sublabels"].tolist() == [0, 1]
    assert arrays["skin_tone"].tolist() == [False, True]
    assert arrays["codepoints"].tolist() == ["61", "63 1F3FB"]
    np.savez(tmp_path / "a.npz", **arrays)
    assert open_source(f"npz:{tmp_path}/a.npz").class_names == ("G1", "G2")


def test_skin_tones_can_be_left_out(emoji):
    arrays = {
        "images": random_pixels(5, 8, 8, 3),
        "skin_tone": np.array([False, True, False, True, False]),
        "class_names": np.array(["a", "b"]),
    }
    left = emoji.leave_out_skin_tones(arrays)
    np.testing.assert_array_equal(left["images"], arrays["images"][::2])
    assert len(left["class_names"]) == 2


def test_a_missing_font_ends_with_the_package_to_install(
    emoji, tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr(sys, "argv", ["prepare", f"--font={tmp_path}/no.ttf"])
    monkeypatch.setattr(emoji.features, "check", lambda name: True)
    with pytest.raises(SystemExit) as stop:
        emoji.main()
    assert stop.value.code == 2
    assert "apt-get install fonts-noto-color-emoji" in capsys.readouterr().err

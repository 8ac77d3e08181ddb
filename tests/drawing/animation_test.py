"""Animations, read again by Pillow."""

import numpy as np
import pytest
from PIL import Image, ImageSequence

from sagan_tf.drawing import animation


def read(path):
    """RGB frames and their times in milliseconds."""
    with Image.open(path) as picture:
        frames = [
            (np.asarray(frame.convert("RGB")), frame.info["duration"])
            for frame in ImageSequence.Iterator(picture)
        ]
        assert picture.info["loop"] == 0  # For ever.
    return [frame for frame, _ in frames], [time for _, time in frames]


def random_frames(channels, count=4, colours=None):
    random = np.random.default_rng(0)
    if colours is None:
        shape = (count, 30, 20, channels)
        return list(random.integers(0, 256, shape, dtype=np.uint8))
    palette = random.integers(0, 256, (colours, channels), dtype=np.uint8)
    return list(palette[random.integers(0, colours, (count, 30, 20))])


@pytest.mark.parametrize(
    ("name", "channels", "colours"),
    [("a.gif", 1, None), ("a.gif", 3, 256), ("A.WEBP", 1, None), ("a.webp", 3, None)],
)
def test_nothing_is_lost(tmp_path, name, channels, colours):
    frames = random_frames(channels, colours=colours)
    animation.write_animation(tmp_path / name, frames, [0.1, 0.02, 0.3, 2.5])
    found, times = read(tmp_path / name)
    assert times == [100, 20, 300, 2500]
    for frame, expected in zip(found, frames, strict=True):
        np.testing.assert_array_equal(frame, np.broadcast_to(expected, frame.shape))
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_a_gif_of_many_colours_looks_like_them(tmp_path):
    """The mean over small squares is right, as the eye sees it: it is dithered."""
    y, x = np.mgrid[:128, :128]
    frame = np.stack([2 * x, 2 * y, x + y], axis=-1).astype(np.uint8)
    animation.write_animation(tmp_path / "a.gif", [frame, frame[::-1]], [1, 1])
    for found, expected in zip(read(tmp_path / "a.gif")[0], [frame, frame[::-1]]):
        assert len(np.unique(found.reshape(-1, 3), axis=0)) > 200
        error = found.astype(float) - expected
        squares = error.reshape(16, 8, 16, 8, 3).mean(axis=(1, 3))
        assert np.sqrt(np.mean(error**2)) < 8
        assert np.sqrt(np.mean(squares**2)) < 1


def test_paper_stays_white_in_a_gif_of_many_colours(tmp_path):
    """Nearly white pixels, of which there are more, would pull it away."""
    random = np.random.default_rng(0)
    frame = random.integers(235, 255, (64, 64, 3), dtype=np.uint8)
    frame[:, :5], frame[:, -5:] = 255, 0
    animation.write_animation(tmp_path / "a.gif", [frame, frame], [1, 1])
    found = read(tmp_path / "a.gif")[0][0]
    assert (found[:, :5] == 255).all() and (found[:, -5:] == 0).all()


@pytest.mark.parametrize(
    ("path", "moves"),
    [("a/b.png", False), ("b.PNG", False), ("b.gif", True), ("x.y.WebP", True)],
)
def test_the_suffix_says_whether_it_moves(path, moves):
    assert animation.is_animation(path) is moves


@pytest.mark.parametrize("path", ["a.jpg", "a", "png", "a.gif/b"])
def test_another_suffix_is_refused(path):
    with pytest.raises(ValueError, match=r"output must be a \.png.*Try .*\.png\."):
        animation.is_animation(path)


@pytest.mark.parametrize(
    ("shapes", "seconds", "words"),
    [
        ([(3, 4, 1), (3, 5, 1)], [1, 1], "all of one shape"),
        ([], [], "all of one shape"),
        ([(3, 4, 1)] * 2, [1], "Received: 1 times"),
        ([(3, 4, 1)] * 2, [1, 0.01], "shortest 0.01"),
    ],
)
def test_what_is_no_animation_is_refused(tmp_path, shapes, seconds, words):
    frames = [np.zeros(shape, np.uint8) for shape in shapes]
    with pytest.raises(ValueError, match=words):
        animation.write_animation(tmp_path / "a.gif", frames, seconds)
    assert not list(tmp_path.iterdir())


def test_an_interrupted_animation_leaves_what_was_there(tmp_path, monkeypatch):
    path = tmp_path / "a.gif"
    path.write_bytes(b"before")

    def fail(self, file, **options):
        file.write(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Image.Image, "save", fail)
    with pytest.raises(OSError, match="No space left.*a.gif"):
        animation.write_animation(path, random_frames(1), [1] * 4)
    assert [p.name for p in tmp_path.iterdir()] == ["a.gif"]
    assert path.read_bytes() == b"before"

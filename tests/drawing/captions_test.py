"""Words beside pictures, which stay as they are."""

import numpy as np
import pytest

from sagan_tf import images
from sagan_tf.drawing import captions

SIZE, GAP = 64, 4


def grid(rows, columns, channels=1, seed=0):
    """Pictures with no white in them, and their grid."""
    shape = (rows * columns, SIZE, SIZE, channels)
    pixels = np.random.default_rng(seed).integers(0, 250, shape, dtype=np.uint8)
    return images.grid(pixels, columns, GAP)


def ink(paper):
    """Rows and columns between which something is written."""
    rows, columns = np.nonzero((paper < 128).any(axis=-1))
    return rows.min(), rows.max(), columns.min(), columns.max()


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("side", ["left", "right"])
def test_beside_each_row_stands_its_caption(channels, side):
    picture = grid(3, 2, channels)
    wide = captions.beside(picture, ["one", "", "three"], SIZE, GAP, side)
    added = wide.shape[1] - picture.shape[1]
    there = wide[:, added:] if side == "left" else wide[:, :-added]
    paper = wide[:, :added] if side == "left" else wide[:, -added:]
    np.testing.assert_array_equal(there, picture)
    pitch = SIZE + GAP
    assert (paper[pitch : 2 * pitch] == 255).all()
    for row in (0, 2):
        top, bottom, _, _ = ink(paper[row * pitch : row * pitch + SIZE])
        assert abs((top + bottom) / 2 - SIZE / 2) < 6
    first, third = paper[:SIZE], paper[2 * pitch :]
    assert not np.array_equal(first, third)


def test_above_each_column_stands_its_caption():
    picture = captions.beside(grid(1, 3), ["row"], SIZE, GAP)
    left = picture.shape[1] - (3 * SIZE + 2 * GAP)
    tall = captions.above(picture, ["a", "bb", "c"], SIZE, GAP, left)
    added = len(tall) - len(picture)
    np.testing.assert_array_equal(tall[added:], picture)
    for column in range(3):
        start = left + column * (SIZE + GAP)
        _, _, first, last = ink(tall[:added, start : start + SIZE])
        assert abs((first + last) / 2 - SIZE / 2) < 3
    assert (tall[:added, :left] == 255).all()


def test_below_each_picture_stands_its_caption():
    pictures = np.random.default_rng(0).integers(0, 250, (3, SIZE, SIZE, 3), np.uint8)
    tall = captions.below_each(pictures, ["one", "", "two\nlines"])
    np.testing.assert_array_equal(tall[:, :SIZE], pictures)
    assert (tall[1, SIZE:] == 255).all()
    one, two = (ink(tall[i, SIZE:]) for i in (0, 2))
    assert two[1] - two[0] > 2 * (one[1] - one[0])
    assert abs(two[0] - one[0]) < 5  # Both begin at the top.


def test_a_long_caption_ends_within_its_place():
    words = "tench, Tinca tinca, a fish of the carp family"
    tall = captions.below_each(np.zeros((2, SIZE, SIZE, 1), np.uint8), [words, "tench"])
    _, _, first, last = ink(tall[0, SIZE:])
    assert 0 < first and last < SIZE - 1
    assert last - first > SIZE // 2
    short = ink(tall[1, SIZE:])
    assert short[3] - short[2] < last - first
    picture = grid(2, 1)
    wide = captions.beside(picture, ["x " * 500, "y"], SIZE, GAP)
    assert wide.shape[1] < picture.shape[1] + 5 * SIZE


def test_captions_that_nearly_fit_are_written_smaller_not_cut():
    """`Ankle boot` is two pixels too wide in the font of pictures of 64 pixels."""
    pictures = np.zeros((1, SIZE, SIZE, 1), np.uint8)
    whole = captions.below_each(pictures, ["Ankle boot"])[0, SIZE:]
    cut = captions.below_each(pictures, ["Ankle boot, size 43"])[0, SIZE:]
    # Three letters of `boot` reach down to the line and up, the dots do not.
    assert (whole[:, -8:] < 128).any(axis=(1, 2)).sum() > 5
    assert (cut[:, -8:] < 128).any(axis=(1, 2)).sum() < 5


def test_a_heading_is_as_high_for_every_text():
    picture = grid(1, 2)
    heads = [captions.headed(picture, text, 14) for text in ("step 0", "yÄ" * 99, "")]
    assert len({head.shape for head in heads}) == 1
    for head in heads:
        np.testing.assert_array_equal(head[-len(picture) :], picture)
    added = len(heads[0]) - len(picture)
    assert (heads[2][:added] == 255).all()
    assert (heads[0][:added] < 128).any()


def test_letters_of_other_alphabets_and_arrows_are_in_the_font():
    pictures = np.zeros((5, 200, 200, 1), np.uint8)
    texts = ["→", "…", "Жук", "Größe", "\uffff"]
    strips = captions.below_each(pictures, texts)[:, 200:]
    missing = strips[4].tobytes()
    assert len({strip.tobytes() for strip in strips}) == 5
    assert all(strip.tobytes() != missing for strip in strips[:4])


@pytest.mark.parametrize(
    ("size", "letters"), [(16, 11), (64, 12), (128, 18), (999, 26)]
)
def test_letters_grow_with_the_pictures(size, letters):
    assert captions.letter_height(size) == letters

"""Where images stand in an image or animation, pixel for pixel as they are."""

import numpy as np
import pytest

from sagan_tf import images
from sagan_tf.drawing import captions
from sagan_tf.sampling import layouts
from sagan_tf.sampling import rows as sample_rows

RESOLUTION = 32
# Pictures of 32 pixels are shown twice as large, with a gap of two of their pixels.
SIZE, PITCH = 64, 68

CHOICE = sample_rows.Choice([5, 6, 7], [1, 0], [0.5, None], 4, 2, ("cat", "dog"))


def random_pixels(*count, channels=1):
    """Pictures without white or black, which words have."""
    shape = (*count, RESOLUTION, RESOLUTION, channels)
    return np.random.default_rng(0).integers(60, 200, shape, dtype=np.uint8)


def rows_of(choice):
    return sample_rows.rows_of_seeds(choice)


def at(picture, row, column, top=0, left=0, size=SIZE, pitch=(PITCH, PITCH)):
    y, x = top + row * pitch[0], left + column * pitch[1]
    return picture[y : y + size, x : x + size]


def place_of(picture, pixels):
    """Where the enlarged `pixels` first stand in a picture: top, left."""
    small = images.enlarge(pixels, 2)
    for top in range(len(picture) - SIZE + 1):
        for left in range(picture.shape[1] - SIZE + 1):
            if (picture[top, left] == small[0, 0]).all():
                if np.array_equal(picture[top : top + SIZE, left : left + SIZE], small):
                    return top, left
    raise AssertionError("The picture is not there.")


@pytest.mark.parametrize("channels", [1, 3])
def test_rows_of_seeds_with_and_without_words(channels):
    rows, pixels = rows_of(CHOICE), random_pixels(4, 3, channels=channels)
    plain = layouts.seed_rows(rows, pixels, CHOICE)
    # As before there were captions: images.grid, enlarged.
    expected = images.grid(pixels.reshape(12, 32, 32, channels), 3)
    np.testing.assert_array_equal(plain, images.enlarge(expected, 2))
    named = layouts.seed_rows(rows, pixels, CHOICE, captioned=True)
    top, left = place_of(named, pixels[0, 0])
    assert top > 10 and left > 40
    np.testing.assert_array_equal(named[top:, left:], plain)
    for row in range(4):
        assert (named[top + row * PITCH : top + row * PITCH + SIZE, :left] < 50).any()
    for column in range(3):
        start = left + column * PITCH
        assert (named[:top, start : start + SIZE] < 50).any()


def test_one_row_without_a_name_is_a_square():
    choice = sample_rows.Choice(list(range(5)), [], [None], 4, 0)
    rows, pixels = rows_of(choice), random_pixels(1, 5)
    picture = layouts.seed_rows(rows, pixels, choice)
    assert picture.shape == (2 * PITCH - 4, 3 * PITCH - 4, 1)
    for columns in (5, 1000):
        wide = layouts.seed_rows(rows, pixels, choice, columns)
        assert wide.shape == (SIZE, 5 * PITCH - 4, 1)


def test_torn_rows_have_their_words_below_each_picture():
    rows, pixels = rows_of(CHOICE), random_pixels(4, 3)
    picture = layouts.seed_rows(rows, pixels, CHOICE, columns=4, captioned=True)
    assert place_of(picture, pixels[0, 0]) == (0, 0)
    top, left = place_of(picture, pixels[1, 1])  # The fifth, the first of row two.
    assert left == 0 and top > PITCH + 20
    for column in range(4):
        below = picture[SIZE : top - 4, column * PITCH : column * PITCH + SIZE]
        assert (below < 50).any()


def test_large_pictures_are_not_enlarged():
    choice = sample_rows.Choice([5], [], [None], 4, 0)
    pixels = np.random.default_rng(0).integers(0, 9, (1, 1, 128, 128, 3), np.uint8)
    picture = layouts.seed_rows(rows_of(choice), pixels, choice)
    np.testing.assert_array_equal(picture, pixels[0, 0])


def walks(ways, frames, names=("a", "b")):
    stops = tuple(f"stop {number}" for number in range(ways + 1))
    z = np.zeros((ways * frames, 4), np.float32)
    return [sample_rows.Row(z, None, name, stops) for name in names]


def test_still_walks_have_a_row_from_stop_to_stop():
    rows, pixels = walks(2, 5), random_pixels(2, 10)
    plain = layouts.still_walks(rows, pixels)
    assert plain.shape == (4 * PITCH - 4, 5 * PITCH - 4, 1)
    np.testing.assert_array_equal(at(plain, 3, 1), images.enlarge(pixels[1, 6], 2))
    named = layouts.still_walks(rows, pixels, captioned=True)
    ends = ["stop 1", "stop 2"] * 2
    starts = ["a\nstop 0", "a\nstop 1", "b\nstop 0", "b\nstop 1"]
    expected = captions.beside(plain, ends, SIZE, 4, "right")
    np.testing.assert_array_equal(named, captions.beside(expected, starts, SIZE, 4))


def test_moving_walks_go_through_every_stop_once():
    rows, pixels = walks(2, 5, names=("", "", "", "", "")), random_pixels(5, 10)
    frames, seconds = layouts.moving_walks(rows, pixels, 0.05)
    order = [0, 1, 2, 3, 4, 6, 7, 8, 9]
    assert len(frames) == len(seconds) == len(order)
    assert [time > 0.05 for time in seconds] == [n in (0, 4, 9) for n in order]
    for frame, number in zip(frames, order):
        expected = images.grid(images.enlarge(pixels[:, number], 2), 3, 4)
        np.testing.assert_array_equal(frame, expected)


def test_slow_frames_are_not_hurried_at_stops():
    _, seconds = layouts.moving_walks(walks(1, 3), random_pixels(2, 3), 2.0)
    assert seconds == [2.0, 2.0, 2.0]


def test_one_picture_alone_fills_the_frame():
    (frame, *_), _ = layouts.moving_walks(walks(1, 3, [""]), random_pixels(1, 3), 0.1)
    assert frame.shape == (256, 256, 1)


def test_words_of_moving_walks_say_where_they_are(monkeypatch):
    texts = []

    def note(picture, text, size):
        texts.append(text)
        return picture

    monkeypatch.setattr(captions, "headed", note)
    frames, _ = layouts.moving_walks(walks(2, 3), random_pixels(2, 6), 0.1, True)
    expected = ["stop 0", "stop 0 → stop 1", "stop 1", "stop 1 → stop 2", "stop 2"]
    assert texts == expected
    assert len({frame.shape for frame in frames}) == 1


@pytest.mark.parametrize("texts", [None, list("abcdefghi")])
def test_neighbours_stand_right_of_their_picture(texts):
    everything = random_pixels(3, 3)
    samples, neighbours = everything[:, 0], everything[:, 1:]
    picture = layouts.neighbour_blocks(samples, neighbours, texts, columns=2)
    places = [place_of(picture, sample) for sample in samples]
    assert places[0] == (0, 0)
    assert places[1][0] == 0 and places[2][1] == 0
    for (top, left), row in zip(places, neighbours):
        gaps = []
        for other in row:
            other_top, other_left = place_of(picture, other)
            assert other_top == top
            gaps.append(other_left - left)
        assert gaps == [SIZE + 8, SIZE + 8 + PITCH]
    words = (picture[SIZE : places[2][0]] < 50).any()
    assert words == (texts is not None)


def test_neighbours_fill_about_a_square():
    picture = layouts.neighbour_blocks(random_pixels(40), random_pixels(40, 4))
    height, width = picture.shape[:2]
    assert 0.6 < height / width < 1.6

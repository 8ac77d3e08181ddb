"""Grids of samples, of a fake model whose training is counting."""

import numpy as np
import pytest
from PIL import Image

from sagan_tf.training.callbacks.sample_grid import SampleGrid
from tests.training.callbacks.counting import CountingModel, fit


def grid_of(model, tmp_path, every=2, steps=3, columns=2):
    fit(model, steps, SampleGrid(every, tmp_path, columns))
    return sorted(path.name for path in tmp_path.iterdir())


def test_grids_are_drawn_at_start_intervals_and_end(tmp_path):
    names = grid_of(CountingModel(), tmp_path)
    assert names == [f"step_{step:08d}.png" for step in (0, 2, 3)]


def test_a_resumed_run_draws_no_first_grid(tmp_path):
    assert grid_of(CountingModel(step=1), tmp_path, steps=1) == ["step_00000002.png"]


def test_a_grid_has_a_class_a_row(tmp_path):
    grid_of(CountingModel(num_classes=3), tmp_path)
    pixels = np.asarray(Image.open(tmp_path / "step_00000000.png"))
    assert pixels.shape == (3 * 4 + 2 * 2, 2 * 4 + 2)
    assert [pixels[6 * row, 0] for row in range(3)] == [128, 129, 130]


def test_a_grid_without_classes_is_a_square(tmp_path):
    grid_of(CountingModel(num_classes=None), tmp_path)
    pixels = np.asarray(Image.open(tmp_path / "step_00000000.png"))
    assert pixels.shape == (2 * 4 + 2, 2 * 4 + 2)


def test_of_many_classes_the_first_the_last_and_some_between_are_shown(tmp_path):
    grid_of(CountingModel(num_classes=100), tmp_path)
    pixels = np.asarray(Image.open(tmp_path / "step_00000000.png"))
    grays = [int(pixels[6 * row, 0]) for row in range((len(pixels) + 2) // 6)]
    assert len(grays) == 20
    assert (grays[0], grays[-1]) == (128, int(0.99 * 127.5 + 128))


def test_every_grid_has_the_same_z(tmp_path):
    model = CountingModel(num_classes=3)
    grid_of(model, tmp_path)
    first, *others = model.seen_z
    assert len(others) == 2
    assert len(np.unique(first)) == first.size
    for z in others:
        np.testing.assert_array_equal(z, first)


def test_more_steps_can_have_a_grid(tmp_path):
    fit(CountingModel(), 5, SampleGrid(0, tmp_path, 1, also=(1, 3)))
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == [f"step_{step:08d}.png" for step in (0, 1, 3, 5)]


@pytest.mark.parametrize("num_classes", [3, 0])
def test_words_and_real_images_stand_around_the_grid(tmp_path, num_classes):
    names = ["a", "b", "c"][:num_classes]
    shape = (3, 1) if num_classes else (1, 2)
    real = np.full((*shape, 4, 4, 1), 7, np.uint8)
    grid = SampleGrid(0, tmp_path, 2, scale=4, names=names, real=real)
    fit(CountingModel(num_classes=num_classes), 1, grid)
    with Image.open(tmp_path / "step_00000001.png") as picture:
        assert picture.info["Title"] == "step 1"
        pixels = np.asarray(picture)
    rows = num_classes or 2
    body = pixels[-(rows * 16 + (rows - 1) * 8) :]
    assert np.all(body[:16, -16:] == 7) and np.all(body[-16:, -16:] == 7)
    assert body[-1, -16 - 8 - 1] == (130 if num_classes else 128)
    assert np.any(pixels[: len(pixels) - len(body)] < 100)  # The step.
    words = body[:, : -(2 * 16 + 8 + 8 + 16)]
    assert np.any(words < 100) if num_classes else not words.size

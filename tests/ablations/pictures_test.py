"""Curves with bands, and grids under their names."""

import types

import numpy as np
import pytest
from PIL import Image

from sagan_tf.ablations import pictures as ablation_pictures
from sagan_tf.drawing import plots


def run(**fids):
    evaluations = {
        int(step[1:]): {"fid": fid, "inception_score": 1.0}
        for step, fid in fids.items()
    }
    return types.SimpleNamespace(evaluations=evaluations)


def test_a_curve_is_the_mean_of_the_seeds_with_their_deviation(tmp_path, monkeypatch):
    drawn = {}
    monkeypatch.setattr(
        ablation_pictures,
        "write_curves",
        lambda path, panels, title: drawn.update(panels),
    )
    runs = [run(_100=9.0, _200=4.0), run(_100=7.0), run(_100=None)]
    assert ablation_pictures.write_means(tmp_path / "x.png", {"TTUR": runs}, "t")
    steps, means, deviations = drawn["FID"]["TTUR"]
    assert (steps, means) == ([100, 200], [8.0, 4.0])
    # Of a sample: sqrt((1 + 1) / (2 - 1)).
    assert deviations == [pytest.approx(2**0.5), 0.0]


def test_nothing_to_draw_writes_nothing(tmp_path):
    path = tmp_path / "x.png"
    assert not ablation_pictures.write_means(path, {"TTUR": [run()], "b": []}, "t")
    assert not path.exists()


def test_a_spread_is_a_band(tmp_path):
    pictures = []
    for name, spreads in (("a.png", [0, 0, 0]), ("b.png", [1, 1, 2])):
        curve = ([1, 2, 3], [5.0, 4.0, None], spreads)
        plots.write_curves(tmp_path / name, {"FID": {"one": curve}})
        with Image.open(tmp_path / name) as picture:
            pictures.append(np.asarray(picture.convert("RGB"), int))
    assert pictures[0].shape == pictures[1].shape
    # Pale blue: neither white nor the line's own colour.
    pale = [
        ((p[..., 2] > 225) & (p[..., 0] > 180) & (p[..., 0] < 225)).sum()
        for p in pictures
    ]
    assert pale[1] > pale[0] + 1000


def test_grids_stand_under_their_names(tmp_path):
    grids = {}
    for index, (width, height) in enumerate(
        [(120, 40), (100, 60), (80, 8), (9, 9), (60, 60)]
    ):
        path = tmp_path / f"{index}.png"
        Image.fromarray(np.full((height, width), 40 * index, np.uint8)).save(path)
        grids[f"cell {index}"] = path
    ablation_pictures.write_grids(tmp_path / "sheet.png", grids)
    with Image.open(tmp_path / "sheet.png") as sheet:
        pixels = np.asarray(sheet)
    assert pixels.shape[1] == 4 * 120 + 3 * 16
    head = pixels.shape[0] // 2 - 60 - 8 + 8
    # The second grid, gray 40, in its place, and a name above it.
    row = (pixels == 40).all(-1)
    assert row.sum() >= 100 * 60
    assert row[:, 136:236].any() and not row[:, :120].all(1).any()
    assert (pixels[:head, 136:236] < 100).any()


def test_large_grids_are_reduced(tmp_path):
    Image.new("RGB", (3000, 200), "red").save(tmp_path / "wide.png")
    ablation_pictures.write_grids(tmp_path / "s.png", {"wide": tmp_path / "wide.png"})
    with Image.open(tmp_path / "s.png") as sheet:
        assert sheet.width == 640

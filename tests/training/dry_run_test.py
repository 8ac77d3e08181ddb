"""A run that is shown and not started."""

import numpy as np
import tiny
from PIL import Image

from sagan_tf import train


def test_a_dry_run_shows_everything_and_writes_nothing(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert tiny.run(tmp_path / "run", dry_run=True) == 0
    assert list(tmp_path.iterdir()) == []
    text = capsys.readouterr().out
    for part in ('"z_dim": 8', "10 classes", "attention_16x16", "activations", "MiB"):
        assert part in text


def test_a_dry_run_needs_no_workdir():
    flags = [f"--{name}={value}" for name, value in tiny.FLAGS.items()]
    assert train.main(["train", "--dry_run", *flags]) == 0


def test_augmented_images_are_drawn_below_the_real_ones(tmp_path, capsys):
    run = tmp_path / "run"
    changes = {"augment": "cutout", "augment_fill": "black", "augment_target": 0.6}
    assert tiny.run(run, dry_run=True, **changes) == 0
    assert [path.name for path in run.iterdir()] == ["augmented.png"]
    assert str(run / "augmented.png") in capsys.readouterr().out
    # Pixels twice as wide, and gaps between.
    picture = np.asarray(Image.open(run / "augmented.png").convert("L"))[::2, ::2]
    tiles = [
        [picture[34 * y : 34 * y + 32, 34 * x : 34 * x + 32] for x in range(8)]
        for y in range(8)
    ]
    assert picture.shape == (8 * 34 - 2, 8 * 34 - 2)
    for real, *below in zip(*tiles, strict=True):
        assert len({tile.tobytes() for tile in below}) > 3
        for tile in below:
            assert np.all((tile == real) | (tile == 0))
            assert np.any(tile != real)


def test_a_run_can_begin_where_a_dry_run_drew(tmp_path):
    run = tmp_path / "run"
    changes = {"augment": "flip", "total_steps": 4, "sample_every_steps": 0}
    assert tiny.run(run, dry_run=True, **changes) == 0
    assert tiny.run(run, **changes) == 0
    assert (run / "augmented.png").exists()

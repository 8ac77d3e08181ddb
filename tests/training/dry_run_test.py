"""A run that is shown and not started."""

import numpy as np
import pytest
import tiny
import untrained
from PIL import Image

from sagan_tf import train


def test_a_dry_run_shows_everything_and_starts_no_run(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert tiny.run(tmp_path / "run", dry_run=True) == 0
    assert [path.name for path in tmp_path.rglob("*.*")] == ["data.png"]
    text = capsys.readouterr().out
    for part in ('"z_dim": 8', "10 classes", "attention_16x16", "activations", "MiB"):
        assert part in text


def test_a_dry_run_needs_no_workdir(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    flags = [f"--{name}={value}" for name, value in tiny.FLAGS.items()]
    assert train.main(["train", "--dry_run", *flags]) == 0


def test_augmented_images_are_drawn_below_the_real_ones(tmp_path, capsys):
    run = tmp_path / "run"
    changes = {"augment": "cutout", "augment_fill": "black", "augment_target": 0.6}
    assert tiny.run(run, dry_run=True, **changes) == 0
    assert {path.name for path in run.iterdir()} == {"augmented.png", "data.png"}
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


@pytest.mark.slow
def test_a_run_can_begin_where_a_dry_run_drew(tmp_path):
    run = tmp_path / "run"
    changes = {"augment": "flip", "total_steps": 4, "sample_every_steps": 0}
    assert tiny.run(run, dry_run=True, **changes) == 0
    assert tiny.run(run, **changes) == 0
    assert (run / "augmented.png").exists()


def test_a_dry_run_looks_at_a_folder(tmp_path, capsys):
    for name, count in (("cat", 12), ("dog", 2)):
        (tmp_path / "data" / name).mkdir(parents=True)
        for i in range(count):
            image = Image.new("RGB", (40, 40), (20 * i, 0, 0))
            image.save(tmp_path / "data" / name / f"{i}.png")
    run = tmp_path / "run"
    data = {"dataset": f"folder:{tmp_path / 'data'}", "image_channels": 3}
    assert tiny.run(run, dry_run=True, **data) == 0
    text = capsys.readouterr().out
    assert "14 images in 2 classes of 2 to 12; the smallest is dog" in text
    assert "Try --balance_classes." in text and "configs/few_images.flags" in text
    # Pixels twice as wide. The dogs are two, and white.
    rows = np.asarray(Image.open(run / "data.png"))[:, -(8 * 68 - 4) :]
    cats, dogs = (rows[top + 32, 32::68] for top in (0, 68))
    assert len(np.unique(cats, axis=0)) == 8
    assert sorted(dogs[:, 1]) == [0, 0] + 6 * [255]


def test_an_existing_run_has_its_own_settings(tmp_path, capsys):
    untrained.write_run(tmp_path)
    command = ["train", f"--workdir={tmp_path}", "--dry_run", "--total_steps=3"]
    assert train.main(command) == 2
    assert "label 0 was digit 0, now 0 and 9 more" in capsys.readouterr().err
    (tmp_path / "data.json").unlink()
    assert train.main(command) == 0
    text = capsys.readouterr().out
    assert '"z_dim": 8' in text and '"total_steps": 3' in text
    assert train.main([*command, "--z_dim=9"]) == 2
    assert "z_dim was 8, now 9" in capsys.readouterr().err


def test_a_start_without_discriminator_is_refused(tmp_path, capsys):
    untrained.write_run(tmp_path / "source")
    start = f"--initialize_from={tmp_path}/source"
    assert train.main(["train", start, f"--workdir={tmp_path}/new", "--dry_run"]) == 2
    assert "needs a run with both networks" in capsys.readouterr().err
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"balance_classes": True}, "balance_classes needs"),
        ({"batch_size": 9}, "A batch needs 9 images"),
        ({"mode_seeking_weight": 1}, "mode_seeking_distance cannot be measured"),
    ],
)
def test_what_a_training_would_refuse_is_refused(tmp_path, capsys, changes, line):
    same = np.zeros((8, 32, 32, 1), np.uint8)
    np.savez(tmp_path / "same.npz", images=same)
    changes |= {"dataset": f"npz:{tmp_path}/same.npz", "num_classes": 0}
    assert tiny.run(tmp_path / "run", dry_run=True, **changes) == 2
    assert line in capsys.readouterr().err
    assert not (tmp_path / "run").exists()

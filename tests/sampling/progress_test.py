"""The grids of a training as an animation."""

import subprocess
import sys

import numpy as np
import pytest
from PIL import Image, ImageSequence

from sagan_tf.sampling import progress


def write_grids(workdir, steps, shape=(40, 60), mode="L"):
    """Writes a grid for each step, of one brightness: that of its place."""
    folder = workdir / "samples"
    folder.mkdir(parents=True, exist_ok=True)
    for number, step in enumerate(steps):
        value = 10 + 5 * number
        values = np.full((*shape, 3)[: 3 if mode == "RGB" else 2], value, np.uint8)
        Image.fromarray(values).save(folder / f"step_{step:08d}.png")


def frames_of(path):
    with Image.open(path) as picture:
        return [
            (np.asarray(frame.convert("RGB")), frame.info["duration"])
            for frame in ImageSequence.Iterator(picture)
        ]


@pytest.mark.parametrize("name", ["a.gif", "new/a.webp"])
@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_grids_come_in_the_order_of_steps_under_their_number(tmp_path, name, mode):
    steps = [0, 1000, 2000, 10_000]
    write_grids(tmp_path, steps, mode=mode)
    (tmp_path / "samples" / "step_00002000.png.17.tmp").write_bytes(b"half")
    (tmp_path / "samples" / "notes.txt").write_text("mine")
    found = progress.write_progress(tmp_path, tmp_path / name)
    assert found == steps
    frames = frames_of(tmp_path / name)
    assert [time for _, time in frames] == [400, 400, 400, 3000]
    for number, (frame, _) in enumerate(frames):
        assert frame.shape[1] == 60
        assert (frame[-40:] == 10 + 5 * number).all()
        assert (frame[:-40] < 128).any()
    heads = {frame[:-40].tobytes() for frame, _ in frames}
    assert len(heads) == 4


def test_times_number_of_frames_and_words_can_be_chosen(tmp_path):
    write_grids(tmp_path, range(0, 1001, 100))
    found = progress.write_progress(
        tmp_path, tmp_path / "a.gif", 5.0, max_frames=3, captioned=False
    )
    assert found == [0, 200, 1000]
    frames = frames_of(tmp_path / "a.gif")
    assert [time for _, time in frames] == [5000, 5000, 5000]
    assert frames[0][0].shape == (40, 60, 3)


def test_grids_of_other_sizes_stand_in_the_corner_of_the_largest(tmp_path):
    write_grids(tmp_path, [0, 5], shape=(20, 80))
    write_grids(tmp_path, [10, 20, 30], shape=(40, 60), mode="RGB")
    progress.write_progress(tmp_path, tmp_path / "a.gif", captioned=False)
    first, _, third, *_ = [frame for frame, _ in frames_of(tmp_path / "a.gif")]
    assert first.shape == third.shape == (40, 80, 3)
    assert (first[:20] == 10).all() and (first[20:] == 255).all()
    assert (third[:, :60] == 10).all() and (third[:, 60:] == 255).all()


@pytest.mark.parametrize(
    ("steps", "count", "chosen"),
    [
        ([0, 1, 2, 4, 8, 16, 32, 64], 4, [0, 2, 8, 64]),
        (list(range(0, 101)), 2, [0, 100]),
        (list(range(1, 101)), 3, [1, 10, 100]),
        ([10**k for k in range(7)], 4, [1, 100, 10**4, 10**6]),
        ([1, 2, 3, 4, 1000], 4, [1, 3, 4, 1000]),
        ([3, 4], 9, [3, 4]),
        ([5], 2, [5]),
    ],
)
def test_steps_are_spread_evenly_over_their_logarithm(steps, count, chosen):
    assert progress.spread_steps(steps, count) == chosen


@pytest.mark.parametrize("count", range(2, 30))
@pytest.mark.parametrize("first", [0, 7])
def test_there_are_as_many_steps_as_wanted_with_both_ends(first, count):
    steps = list(range(first, 29_000, 1000))
    chosen = progress.spread_steps(steps, count)
    assert len(chosen) == min(count, len(steps))
    assert chosen == sorted(set(chosen))
    assert (chosen[0], chosen[-1]) == (steps[0], steps[-1])
    assert set(chosen) <= set(steps)


@pytest.mark.parametrize("steps", [[], [100]])
def test_a_run_without_grids_is_named(tmp_path, steps):
    write_grids(tmp_path, steps)
    with pytest.raises(
        ValueError, match=rf"Received: .*samples, which has {len(steps)}"
    ):
        progress.write_progress(tmp_path, tmp_path / "a.gif")
    with pytest.raises(ValueError, match="which has 0"):
        progress.write_progress(tmp_path / "no", tmp_path / "a.gif")
    assert not (tmp_path / "a.gif").exists()


@pytest.mark.parametrize("content", [b"no picture", b"\x89PNG\r\n\x1a\n cut off", b""])
def test_a_damaged_grid_is_named(tmp_path, content):
    write_grids(tmp_path, [0, 10, 20])
    (tmp_path / "samples" / "step_00000010.png").write_bytes(content)
    with pytest.raises(ValueError, match="step_00000010.png must be an image"):
        progress.write_progress(tmp_path, tmp_path / "a.gif")
    assert not (tmp_path / "a.gif").exists()


def test_it_does_without_tensorflow(tmp_path):
    write_grids(tmp_path, [0, 10])
    code = (
        "import sys; from sagan_tf import sample; status = sample.main(['sample', "
        f"'--workdir={tmp_path}', '--progress', '--output={tmp_path}/a.gif']); "
        "sys.exit(status or 'tensorflow' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("2 steps from 0 to 10: ")

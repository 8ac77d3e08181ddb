"""The command `sample` as a user runs it, on a run that was never trained."""

import numpy as np
import pytest
import untrained
from PIL import Image

from sagan_tf import sample

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run directory with two sample grids. Not to be changed."""
    workdir = tmp_path_factory.mktemp("run")
    untrained.write_run(workdir)
    for step in (0, 100):
        picture = Image.fromarray(np.full((40, 60), step, np.uint8))
        picture.save(workdir / "samples" / f"step_{step:08d}.png")
    return workdir


def command(run, output, *flags):
    seeds = [] if "--progress" in flags else ["--seeds=0-2"]
    defaults = [f"--workdir={run}", f"--output={output}", *seeds]
    return sample.main(["sample", *defaults, *flags])


@pytest.mark.parametrize(
    ("name", "flags", "printed"),
    [
        ("a.png", [], "3 images from step 7: "),
        ("a.png", ["--truncation=0.5,1", "--labels=1-3"], "18 images from step 7: "),
        ("a.png", ["--standing_batches=1"], "3 images from step 7: "),
        ("a.png", ["--interpolate"], "18 images from step 7: "),
        (
            "new/a.gif",
            ["--interpolate_labels", "--labels=1,2", "--columns=3"],
            "3 frames, 1.3 seconds, from step 7: ",
        ),
        ("a.webp", ["--progress"], "2 steps from 0 to 100: "),
    ],
)
def test_a_kind_of_image(run, tmp_path, capsys, name, flags, printed):
    assert command(run, tmp_path / name, *flags) == 0
    assert capsys.readouterr().out == f"{printed}{tmp_path / name}\n"
    with Image.open(tmp_path / name) as picture:
        picture.load()
        assert getattr(picture, "n_frames", 1) == {"g": 1, "f": 3, "p": 2}[name[-1]]


@pytest.mark.parametrize(
    ("name", "flags", "words"),
    [
        ("a.png", ["--interpolate", "--neighbours=3"], ["one kind", "--neighbours"]),
        ("a.gif", [], ["still image", "a.gif"]),
        ("a.jpg", [], ["output must be", "a.jpg"]),
        ("a.png", ["--truncation=0.5,x"], ["truncation", "'0.5,x'"]),
        ("a.png", ["--interpolate_labels"], ["two labels", "0 labels", "--labels=all"]),
        (
            "a.gif",
            ["--interpolate", "--interpolate_labels", "--labels=1,2"],
            ["3 seeds, 2 labels"],
        ),
        ("a.gif", ["--interpolate", "--frame_seconds=0"], ["frame_seconds"]),
        (
            "a.png",
            ["--neighbours=3", "--feature_network=nowhere"],
            ["feature network", "nowhere"],
        ),
    ],
    ids=lambda value: ",".join(value) if isinstance(value, list) else "",
)
def test_what_cannot_be_drawn_is_one_line(run, tmp_path, capsys, name, flags, words):
    assert command(run, tmp_path / "new" / name, *flags) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert all(word in line for word in words), line
    assert not list(tmp_path.iterdir())


def test_help_tells_every_flag_of_the_text_above_it(capsys):
    assert sample.main(["sample", "--help"]) == 0
    text, _, flags = capsys.readouterr().out.partition("this command:")
    named = {word for word in text.split() if word.startswith("--")}
    for word in named:
        name = word.lstrip("-").partition("=")[0].strip(".,:")
        assert f"--{name}" in flags or f"--[no]{name}" in flags, name

"""Which flags of `sample` go together."""

import pytest

from sagan_tf.sample import _define
from sagan_tf.sampling import kinds
from sagan_tf.settings.command import parse


def check(*flags):
    values = parse(["sample", *flags], _define)
    given = {name for name in values if values[name].present}
    kinds.check({name: values[name].value for name in values}, given)


GIF, PNG = "--output=a.gif", "--output=a.png"


@pytest.mark.parametrize(
    "flags",
    [
        [PNG],
        [PNG, "--labels=all", "--truncation=0.5,none", "--columns=3", "--captions"],
        [PNG, "--interpolate"],
        [GIF, "--interpolate", "--interpolate_labels", "--frame_seconds=0.1"],
        ["--output=a.webp", "--interpolate_labels"],
        [PNG, "--neighbours=5", "--neighbour_images=9", "--feature_network=a"],
        [PNG, "--neighbours=5", "--skip_bad_images"],
        [PNG, "--neighbours=5", "--inception=a", "--labels=1"],
        [GIF, "--progress", "--max_frames=9", "--frame_seconds=0.1", "--nocaptions"],
    ],
)
def test_flags_that_go_together(flags):
    check(*flags)


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        ([PNG, "--interpolate", "--neighbours=5"], "--interpolate --neighbours"),
        (
            [GIF, "--progress", "--interpolate_labels"],
            "--interpolate_labels --progress",
        ),
        ([GIF, "--progress", "--neighbours=1"], "--neighbours --progress"),
        ([GIF], "still image must be a .png.*a.gif"),
        (["--output=a.webp", "--neighbours=5"], "still image must be a .png.*a.webp"),
        ([GIF, "--progress", "--seeds=1", "--labels=2"], "--progress --seeds --labels"),
        ([GIF, "--progress", "--columns=9", "--noema"], "--progress --ema --columns"),
        ([PNG, "--progress"], "--progress needs an animation.*a.png"),
        (["--output=a.jpg"], "must be a .png.*a.jpg"),
        ([PNG, "--interpolate", "--frame_seconds=1"], "--frame_seconds.*a.png"),
        ([PNG, "--frame_seconds=1"], "--frame_seconds goes with --interpolate or"),
        ([GIF, "--interpolate", "--max_frames=9"], "--max_frames goes with --progress"),
        ([PNG, "--neighbour_images=9"], "--neighbour_images goes with --neighbours"),
        ([PNG, "--feature_network=a"], "--feature_network goes with --neighbours"),
        ([PNG, "--inception=a"], "--inception goes with --neighbours"),
    ],
)
def test_flags_that_do_not_are_named(flags, words):
    with pytest.raises(ValueError, match=f"{words}(.|\n)*Try "):
        check(*flags)


@pytest.mark.parametrize(
    "flag",
    [
        "--columns=0",
        "--neighbours=0",
        "--neighbour_images=1",
        "--max_frames=1",
        "--frame_seconds=0.001",
    ],
)
def test_numbers_out_of_range_are_named(flag):
    with pytest.raises(ValueError, match=flag.partition("=")[0].lstrip("-")):
        check(PNG, flag)

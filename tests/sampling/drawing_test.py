"""What `sample` writes of a run, looked at again."""

import functools
import json

import numpy as np
import pytest
import untrained
from PIL import Image, ImageSequence

from sagan_tf import images
from sagan_tf.evaluation.features import of_run
from sagan_tf.evaluation.features.network import open_feature_network
from sagan_tf.model import generating
from sagan_tf.run import building
from sagan_tf.sampling import drawing, rows
from tests.evaluation.small_network import small_network

pytestmark = pytest.mark.slow

load_generator = functools.cache(building.load_generator)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run directory and its generator. Not to be changed."""
    workdir = tmp_path_factory.mktemp("run")
    return workdir, untrained.write_run(workdir)


@pytest.fixture(autouse=True)
def load_once(monkeypatch):
    """Networks are built once: it takes seconds."""
    monkeypatch.setattr(building, "load_generator", load_generator)


def open_drawing(run, **flags):
    flags = {
        "checkpoint": "newest",
        "ema": True,
        "seeds": "3,4",
        "labels": "2,7",
        "truncation": None,
        **flags,
    }
    return drawing.Drawing(run[0], **flags)


@functools.cache
def pure_images(generator):
    """Pixels by seed, label and truncation."""
    keys = [(seed, label, None) for seed in (3, 4) for label in (2, 7)] + [(3, 2, 0.5)]
    z = [generating.one_each([seed], [], 8, 0, cut)[0] for seed, _, cut in keys]
    labels = np.int32([label for _, label, _ in keys])
    generated = generating.generate_one_by_one(generator, np.concatenate(z), labels)
    return dict(zip(keys, images.to_pixels(generated)))


def image_of(run, seed, label, truncation=None, scale=2):
    """The image of one seed, enlarged: `(H, W)`."""
    pixels = pure_images(run[1])[seed, label, truncation]
    return images.enlarge(pixels, scale)[..., 0]


def read(path):
    return np.asarray(Image.open(path))


def test_seeds_are_written_in_rows_of_labels(run, tmp_path):
    draw = open_drawing(run)
    assert draw.step == untrained.STEP
    assert draw.write(tmp_path / "new" / "a.png") == "4 images"
    picture = read(tmp_path / "new" / "a.png")
    assert picture.shape == (132, 132)
    np.testing.assert_array_equal(picture[68:, :64], image_of(run, 3, 7))
    np.testing.assert_array_equal(picture[:64, 68:], image_of(run, 4, 2))


def test_several_truncations_have_words_beside_them_unless_told_not_to(run, tmp_path):
    draw = open_drawing(run, labels="2", truncation="0.5,none")
    assert draw.write(tmp_path / "words.png") == "4 images"
    draw.write(tmp_path / "bare.png", captions=False)
    words, bare = read(tmp_path / "words.png"), read(tmp_path / "bare.png")
    assert bare.shape == (132, 132)
    np.testing.assert_array_equal(words[-132:, -132:], bare)
    assert words.shape[0] > 140 and words.shape[1] > 170
    np.testing.assert_array_equal(bare[:64, :64], image_of(run, 3, 2, 0.5))
    np.testing.assert_array_equal(bare[68:, 68:], image_of(run, 4, 2))


def test_walks_through_classes_begin_and_end_at_them(run, tmp_path):
    draw = open_drawing(run)
    written = draw.write(
        tmp_path / "a.png", interpolate_labels=True, columns=4, captions=False
    )
    assert written == "8 images"
    picture = read(tmp_path / "a.png")
    assert picture.shape == (132, 4 * 68 - 4)
    for row, seed in enumerate((3, 4)):
        band = picture[row * 68 : row * 68 + 64]
        np.testing.assert_array_equal(band[:, :64], image_of(run, seed, 2))
        np.testing.assert_array_equal(band[:, 3 * 68 :], image_of(run, seed, 7))
        assert not np.array_equal(band[:, 68:132], band[:, :64])
    draw.write(tmp_path / "b.png", interpolate_labels=True, columns=4)
    assert read(tmp_path / "b.png").shape[1] > picture.shape[1] + 60


@pytest.mark.parametrize("suffix", ["gif", "webp"])
def test_a_walk_moves_if_its_file_can(run, tmp_path, suffix):
    path = tmp_path / f"walk.{suffix}"
    draw = open_drawing(run, seeds="3,4,3", labels="2")
    written = draw.write(path, interpolate=True, columns=3, frame_seconds=0.2)
    assert written == "5 frames, 2.2 seconds,"
    with Image.open(path) as picture:
        frames = [np.asarray(f.convert("L")) for f in ImageSequence.Iterator(picture)]
    assert len(frames) == 5
    for frame, seed in ((0, 3), (2, 4), (4, 3)):
        expected = image_of(run, seed, 2, scale=8).astype(int)
        # sin(w) / sin(w) is not quite 1.
        assert np.abs(frames[frame] - expected).max() <= 1
    assert not np.array_equal(frames[0], frames[1])


def test_z_and_class_walk_together(run, tmp_path):
    draw = open_drawing(run, seeds="3,4", labels="2,7")
    both = {"interpolate": True, "interpolate_labels": True, "columns": 3}
    assert draw.write(tmp_path / "a.png", captions=False, **both) == "3 images"
    picture = read(tmp_path / "a.png")
    np.testing.assert_array_equal(picture[:, :64], image_of(run, 3, 2))
    end = image_of(run, 4, 7).astype(int)
    assert np.abs(picture[:, 2 * 68 :] - end).max() <= 1


@pytest.fixture
def small(monkeypatch):
    """`--feature_network=small` opens the test's network."""

    def open_small(spec, place=None):
        return small_network() if spec == "small" else open_feature_network(spec, place)

    monkeypatch.setattr(of_run, "open_feature_network", open_small)


def test_neighbours_stand_beside_their_picture_and_in_json(
    run, small, tmp_path, capsys
):
    draw = open_drawing(run)
    written = draw.write(
        tmp_path / "near.png", neighbours=3, feature_network="small", columns=1
    )
    notes = tmp_path / "near.neighbours.json"
    assert written == f"4 images and their neighbours (distances: {notes})"
    record = json.loads(notes.read_text())
    assert record["num_images"] == 1797
    assert [(each["seed"], each["label"]) for each in record["samples"]] == [
        (3, 2),
        (4, 2),
        (3, 7),
        (4, 7),
    ]
    for each in record["samples"]:
        distances = [near["distance"] for near in each["neighbours"]]
        assert distances == sorted(distances) and len(set(distances)) == 3
    assert capsys.readouterr().out.splitlines() == record["report"]
    picture = read(tmp_path / "near.png")
    np.testing.assert_array_equal(picture[:64, :64], image_of(run, 3, 2))
    assert picture.shape[1] == 64 + 8 + 3 * 68 - 4
    bare = tmp_path / "bare.png"
    draw.write(
        bare, neighbours=1, feature_network="small", neighbour_images=50, captions=False
    )
    assert (
        json.loads(bare.with_suffix(".neighbours.json").read_text())["num_images"] == 50
    )


def test_copies_are_marked(run, small, tmp_path, monkeypatch):
    words = []

    def note(pictures, texts):
        words.extend(texts)
        return pictures

    monkeypatch.setattr(drawing.layouts.captions, "below_each", note)
    monkeypatch.setattr(
        drawing.find_neighbours.__globals__["Neighbours"], "threshold", 1e9
    )
    draw = open_drawing(run, seeds="3", labels="2")
    draw.write(tmp_path / "a.png", neighbours=1, feature_network="small")
    assert words[0] == "seed 3 copy?\ndigit 2"


def test_without_a_feature_network_both_remedies_are_named(run, tmp_path):
    with pytest.raises(
        ValueError, match="Try another --inception. Or .*--feature_network"
    ):
        open_drawing(run).write(
            tmp_path / "a.png", neighbours=3, inception=str(tmp_path / "nothing")
        )
    assert not list(tmp_path.iterdir())


def test_an_unconditional_run_is_drawn_too(tmp_path, small):
    run = tmp_path / "run", untrained.write_run(tmp_path / "run", num_classes=0)
    draw = open_drawing(run, labels=None, seeds="1-3")
    assert draw.choice == rows.Choice([1, 2, 3], [], [None], 8, 0, ())
    assert draw.write(tmp_path / "a.png", captions=True) == "3 images"
    assert draw.write(tmp_path / "b.gif", interpolate=True, columns=2).startswith("3 f")
    assert draw.write(tmp_path / "c.png", neighbours=2, feature_network="small")
    with pytest.raises(ValueError, match="unconditional"):
        draw.write(tmp_path / "d.png", interpolate_labels=True)
    assert not (tmp_path / "d.png").exists()

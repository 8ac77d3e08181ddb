"""The training images nearest to generated ones, against all of them at once."""

import dataclasses
import json

import numpy as np
import pytest
from PIL import Image

from sagan_tf import data, images
from sagan_tf.sampling import neighbours
from sagan_tf.settings.config import Config
from tests.evaluation.small_network import small_network

COUNT = 300


@pytest.fixture
def config(tmp_path):
    """A data set of 300 images with labels, of which 240 are for training."""
    random = np.random.default_rng(0)
    pixels = random.integers(0, 256, (COUNT, 20, 24, 1), dtype=np.uint8)
    labels = np.arange(COUNT) % 5
    np.savez(tmp_path / "data.npz", images=pixels, labels=labels)
    return Config(
        dataset=f"npz:{tmp_path / 'data.npz'}",
        split="train",
        resolution=32,
        image_channels=1,
        attention_resolution=(16,),
    )


@pytest.fixture
def training_set(config):
    """All training images as pixels, their indices and labels, in stored order."""
    source = data.open_source(config.dataset, config.split)
    batches = data.make_dataset(
        source,
        resolution=32,
        image_channels=1,
        batch_size=source.num_images,
        seed=0,
        shuffle=False,
        repeat=False,
    )
    ((stored, labels),) = batches
    indices = np.flatnonzero(source.kept)
    return images.to_pixels(stored).numpy(), indices, labels.numpy()


def features_of(pixels):
    features, _ = small_network()(images.from_pixels(pixels))
    return features.numpy().astype(np.longdouble)


def all_distances(one, other):
    difference = features_of(one)[:, None] - features_of(other)[None]
    return np.sqrt((difference**2).sum(-1))


def generated_pixels(count=7):
    random = np.random.default_rng(1)
    return random.integers(0, 256, (count, 32, 32, 1), dtype=np.uint8)


@pytest.mark.parametrize("batch", [7, 64, 500])
def test_neighbours_are_those_of_all_distances(
    config, training_set, monkeypatch, batch
):
    monkeypatch.setattr(neighbours, "_BATCH", batch)
    pixels, indices, labels = training_set
    generated = generated_pixels()
    found = neighbours.find_neighbours(config, small_network(), generated, neighbours=4)
    distances = all_distances(generated, pixels)
    nearest = np.argsort(distances, axis=1)[:, :4]
    expected = np.take_along_axis(distances, nearest, 1).astype(float)
    np.testing.assert_allclose(found.distances, expected, rtol=1e-5)
    np.testing.assert_array_equal(found.pixels, pixels[nearest])
    np.testing.assert_array_equal(found.labels, labels[nearest])
    assert found.num_images == len(pixels) == 240
    for names, row in zip(found.names, nearest):
        for name, place in zip(names, row):
            assert name.endswith(f"data.npz, image {indices[place]}")


def test_real_distances_leave_the_image_itself_out(config, training_set, monkeypatch):
    pixels, _, _ = training_set
    found = neighbours.find_neighbours(
        config, small_network(), generated_pixels(), neighbours=1
    )
    distances = all_distances(pixels, pixels)
    np.fill_diagonal(distances, np.inf)
    expected = np.sort(distances.min(axis=1).astype(float))
    np.testing.assert_allclose(np.sort(found.real_distances), expected, rtol=1e-5)
    # Only some of many training images are queries, but all are searched.
    monkeypatch.setattr(neighbours, "_TYPICAL_IMAGES", 100)
    fewer = neighbours.find_neighbours(
        config, small_network(), generated_pixels(), neighbours=1
    )
    assert len(fewer.real_distances) == 100
    near = np.abs(fewer.real_distances[:, None] - expected).min(axis=1)
    assert near.max() < 1e-4


def test_copies_are_told(config, training_set):
    pixels, indices, _ = training_set
    generated = np.concatenate([pixels[[5, 80, 200]], generated_pixels(2)])
    found = neighbours.find_neighbours(config, small_network(), generated, neighbours=2)
    assert found.suspicious.tolist() == [True] * 3 + [False] * 2
    np.testing.assert_allclose(found.distances[:3, 0], 0, atol=1e-5)
    names = [row[0].rpartition(" ")[2] for row in found.names[:3]]
    assert names == [str(indices[place]) for place in (5, 80, 200)]
    *_, verdict = found.report()
    assert "Copies? 3 of 5 generated images (60.0%)" in verdict
    assert verdict.endswith("more than by chance. Look at them.")


def test_images_that_are_no_copies_are_not_accused(config):
    held_out = dataclasses.replace(config, split="test")
    source = data.open_source(held_out.dataset, "test")
    batches = data.make_dataset(
        source,
        resolution=32,
        image_channels=1,
        batch_size=60,
        seed=0,
        repeat=False,
        labelled=False,
    )
    (held_out_images,) = batches
    found = neighbours.find_neighbours(
        config, small_network(), images.to_pixels(held_out_images).numpy(), neighbours=1
    )
    *_, verdict = found.report()
    assert verdict.endswith("no sign of copies.")
    assert found.suspicious.sum() < 4


def of_distances(near, real):
    near = np.asarray(near, float)[:, None]
    return neighbours.Neighbours(
        near, None, None, [["a"]] * len(near), np.asarray(real, float), 9, "", "space"
    )


@pytest.mark.parametrize(
    ("copies", "words"), [(0, "no sign"), (2, "no sign"), (9, "more than by chance")]
)
def test_the_verdict_counts_with_chance(copies, words):
    """Of 100 images one or two are as near as 1 % of real ones are."""
    near = [0.5] * copies + [3.0] * (100 - copies)
    found = of_distances(near, [1.0] * 10 + [2.0] * 990)
    assert found.threshold == 1.0
    assert words in found.report()[-1]
    assert f"{copies} of 100" in found.report()[-1]


def test_images_that_are_there_twice_do_not_hide_copies():
    """If 5 % of real images are duplicates, 5 % of generated ones may be."""
    real = [0.0] * 50 + [2.0] * 950
    assert "no sign" in of_distances([0.0] * 5 + [2.0] * 95, real).report()[-1]
    assert "Look at them" in of_distances([0.0] * 25 + [2.0] * 75, real).report()[-1]


def test_the_search_can_be_limited_to_some_images(config, training_set):
    pixels, _, _ = training_set
    found = neighbours.find_neighbours(
        config, small_network(), generated_pixels(), neighbours=3, num_images=100
    )
    again = neighbours.find_neighbours(
        config, small_network(), generated_pixels(), neighbours=3, num_images=100
    )
    assert found.num_images == 100
    assert found.names == again.names
    numbers = [int(name.rpartition(" ")[2]) for row in found.names for name in row]
    assert max(numbers) > 200  # Not the first ones.
    whole = all_distances(generated_pixels(), pixels).min(axis=1).astype(float)
    assert (found.distances[:, 0] >= whole * 0.9999).all()
    assert (found.distances[:, 0] > whole * 1.0001).any()


def test_a_data_set_without_labels_has_neighbours_too(config, tmp_path):
    folder = tmp_path / "flat"
    folder.mkdir()
    for number in range(5):
        values = np.full((8, 8), 40 * number, np.uint8)
        Image.fromarray(values).save(folder / f"{number}.png")
    config = dataclasses.replace(
        config, dataset=f"folder:{folder}", split=None, num_classes=0
    )
    generated = np.full((1, 32, 32, 1), 85, np.uint8)
    found = neighbours.find_neighbours(config, small_network(), generated, 2)
    assert found.labels is None
    assert [name.rpartition("/")[2] for name in found.names[0]] == ["2.png", "3.png"]
    record = json.loads(found.to_json([{"seed": 0, "label": None}]))
    assert "label" not in record["samples"][0]["neighbours"][0]


def test_json_has_distances_and_names(config):
    found = neighbours.find_neighbours(
        config, small_network(), generated_pixels(2), neighbours=3
    )
    record = json.loads(found.to_json([{"seed": 4}, {"seed": 5}]))
    assert record["num_images"] == 240
    assert record["report"] == found.report()
    assert record["num_training"] == 240
    assert record["training"]["median"] == np.median(found.real_distances)
    first, second = record["samples"]
    assert (first["seed"], second["seed"]) == (4, 5)
    assert not first["suspicious"]
    for place in range(3):
        assert second["neighbours"][place] == {
            "distance": found.distances[1, place],
            "picture": found.names[1][place],
            "label": found.labels[1, place],
        }


def test_more_neighbours_than_images_are_refused(config):
    with pytest.raises(ValueError, match="neighbours=9, 8 of .*--neighbour_images"):
        neighbours.find_neighbours(
            config, small_network(), generated_pixels(), neighbours=9, num_images=8
        )


def test_a_damaged_image_is_named(config, tmp_path):
    folder = tmp_path / "flat"
    folder.mkdir()
    for number in range(5):
        Image.fromarray(np.zeros((8, 8), np.uint8)).save(folder / f"{number}.png")
    (folder / "3.png").write_bytes((folder / "3.png").read_bytes()[:50])
    config = dataclasses.replace(
        config, dataset=f"folder:{folder}", split=None, num_classes=0
    )
    with pytest.raises(ValueError, match="3.png.*Try replacing it"):
        neighbours.find_neighbours(
            config, small_network(), generated_pixels(), neighbours=1
        )

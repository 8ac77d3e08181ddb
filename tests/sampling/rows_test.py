"""Which z and classes the rows have, and how they are named."""

import dataclasses

import numpy as np
import pytest

from sagan_tf import build_generator
from sagan_tf.model import latents
from sagan_tf.sampling import rows as sample_rows
from sagan_tf.sampling import walks

CHOICE = sample_rows.Choice(
    seeds=[4, 9, 2],
    labels=[],
    truncations=[None],
    z_dim=5,
    num_classes=3,
    class_names=("cat", "dog", "cow"),
)


def choose(**changes):
    return dataclasses.replace(CHOICE, **changes)


def z_of(seeds, truncation=None):
    return latents.draw_z(seeds, 5, truncation=truncation).numpy()


def test_a_row_for_each_label_and_truncation():
    rows = sample_rows.rows_of_seeds(choose(labels=[2, 0], truncations=[0.5, None]))
    assert [row.name for row in rows] == [
        "cow\ntruncation 0.5",
        "cow\nno truncation:\nanother z",
        "cat\ntruncation 0.5",
        "cat\nno truncation:\nanother z",
    ]
    assert [row.classes.tolist() for row in rows] == [[2] * 3] * 2 + [[0] * 3] * 2
    for row, truncation in zip(rows, [0.5, None] * 2):
        np.testing.assert_array_equal(row.z, z_of(CHOICE.seeds, truncation))


def test_numbers_of_a_sweep_are_the_same_z_shrunk():
    half, whole = sample_rows.rows_of_seeds(choose(truncations=[0.5, 1.0]))
    np.testing.assert_allclose(half.z, whole.z / 2, rtol=1e-6)


def test_without_labels_each_seed_keeps_its_own_in_every_row():
    rows = sample_rows.rows_of_seeds(choose(truncations=[0.5, 2.0]))
    own = latents.draw_labels(CHOICE.seeds, 3).numpy().tolist()
    assert [row.classes.tolist() for row in rows] == [own, own]
    assert [row.name for row in rows] == ["truncation 0.5", "truncation 2"]


def test_names_are_numbers_where_there_are_none():
    (row,) = sample_rows.rows_of_seeds(choose(labels=[2], class_names=()))
    assert row.name == "class 2"
    (row,) = sample_rows.rows_of_seeds(choose(num_classes=0, class_names=()))
    assert (row.name, row.classes) == ("", None)


def test_each_image_of_seeds_is_described():
    choice = choose(seeds=[7, 1], labels=[2, 0], truncations=[0.5, None])
    found = sample_rows.describe_seeds(choice)
    assert found[0] == {"seed": 7, "label": 2, "truncation": 0.5}
    assert found[3] == {"seed": 1, "label": 2, "truncation": None}
    assert [each["label"] for each in found] == [2] * 4 + [0] * 4
    own = sample_rows.describe_seeds(choose())
    assert [each["label"] for each in own] == CHOICE.own_labels().tolist()
    none = sample_rows.describe_seeds(choose(num_classes=0, class_names=()))
    assert {each["label"] for each in none} == {None}


def class_walks(choice, frames):
    return sample_rows.rows_of_walks(choice, frames, in_classes=True, in_z=False)


def double_walks(choice, frames):
    return sample_rows.rows_of_walks(choice, frames, in_classes=True)


def test_a_class_walk_mixes_classes_and_leaves_z():
    rows = class_walks(choose(labels=[0, 2, 1], truncations=[0.5]), 3)
    assert [row.name for row in rows] == ["seed 4", "seed 9", "seed 2"]
    assert rows[0].stops == ("cat", "cow", "dog")
    expected = [
        [1, 0, 0],
        [0.5, 0, 0.5],
        [0, 0, 1],
        [0, 0, 1],
        [0, 0.5, 0.5],
        [0, 1, 0],
    ]
    for row, seed in zip(rows, CHOICE.seeds):
        np.testing.assert_array_equal(row.classes, np.float32(expected))
        np.testing.assert_array_equal(row.z, np.repeat(z_of([seed], 0.5), 6, axis=0))


def test_a_double_walk_changes_z_and_class_together():
    (row,) = double_walks(choose(labels=[2, 0, 1]), 3)
    assert row.stops == ("cow\nseed 4", "cat\nseed 9", "dog\nseed 2")
    np.testing.assert_array_equal(row.classes, walks.class_path([2, 0, 1], 3, 3))
    np.testing.assert_allclose(row.z[[0, 2, 5]], z_of(CHOICE.seeds), atol=1e-5)
    (own,) = double_walks(choose(), 3)
    labels = CHOICE.own_labels()
    np.testing.assert_array_equal(own.classes, walks.class_path(labels, 3, 3))


def test_walks_of_z_have_the_class_of_their_first_seed_or_of_the_first_of_all():
    seeds = [0, 3, 6, 9]
    labels = latents.draw_labels(seeds, 3).numpy()
    assert len(set(labels[:3])) > 1
    (row,) = sample_rows.rows_of_walks(choose(seeds=seeds), 2)
    assert row.classes.tolist() == np.repeat(labels[:3], 2).tolist()
    (row,) = sample_rows.rows_of_walks(choose(seeds=seeds), 2, keep_class=True)
    assert row.classes.tolist() == [labels[0]] * 6
    assert row.stops == ("seed 0", "seed 3", "seed 6", "seed 9")
    rows = sample_rows.rows_of_walks(choose(seeds=seeds, labels=[1, 2]), 2)
    assert [(row.name, set(row.classes)) for row in rows] == [
        ("dog", {1}),
        ("cow", {2}),
    ]


@pytest.mark.parametrize(
    ("walk", "changes", "frames", "words"),
    [
        (class_walks, {"num_classes": 0}, 9, "unconditional"),
        (class_walks, {"labels": [1]}, 9, "1 labels"),
        (class_walks, {"labels": [1, 2]}, 1, "1 columns"),
        (double_walks, {"num_classes": 0}, 9, "unconditional"),
        (double_walks, {"labels": [1, 2]}, 9, "3 seeds, 2 labels"),
        (double_walks, {"seeds": [1]}, 9, "1 seeds"),
        (sample_rows.rows_of_walks, {"seeds": [1]}, 9, "1 seeds"),
    ],
)
def test_a_walk_to_nowhere_is_refused(walk, changes, frames, words):
    with pytest.raises(ValueError, match=rf"Received: .*{words}|{words}.*Received"):
        walk(choose(**changes), frames)


def make_generator(num_classes):
    generator = build_generator(
        resolution=32,
        z_dim=5,
        num_classes=num_classes,
        channels=2,
        image_channels=1,
        attention_resolution=(),
        initializer="orthogonal",
    )
    random = np.random.default_rng(0)
    for variable in generator.trainable_variables:
        if "gamma" in variable.path or "beta" in variable.path:
            variable.assign(random.normal(0, 1, variable.shape))
    return generator


@pytest.mark.slow
def test_an_image_of_a_walk_is_the_same_among_others_and_at_its_ends():
    generator = make_generator(3)
    choice = choose(labels=[0, 2, 1], seeds=[4, 9])
    drawn = sample_rows.draw(generator, class_walks(choice, 3))
    assert drawn.shape == (2, 6, 32, 32, 1)
    assert drawn.dtype == np.uint8
    pure = sample_rows.draw(generator, sample_rows.rows_of_seeds(choice))
    np.testing.assert_array_equal(drawn[:, 0], pure[0])
    np.testing.assert_array_equal(drawn[:, 2], pure[1])
    np.testing.assert_array_equal(drawn[:, 3], pure[1])
    np.testing.assert_array_equal(drawn[:, 5], pure[2])
    assert not np.array_equal(drawn[:, 1], pure[0])
    other = choose(labels=[2, 1], seeds=[9])
    alone = sample_rows.draw(generator, class_walks(other, 3))
    np.testing.assert_array_equal(alone[0], drawn[1, 3:])


def test_an_unconditional_generator_draws_too():
    rows = sample_rows.rows_of_seeds(choose(num_classes=0, truncations=[0.5, 1.0]))
    pixels = sample_rows.draw(make_generator(0), rows)
    assert pixels.shape == (2, 3, 32, 32, 1)
    assert len({image.tobytes() for row in pixels for image in row}) == 6

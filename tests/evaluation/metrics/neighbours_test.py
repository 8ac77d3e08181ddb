"""Precision, recall, density and coverage against their definitions, written out."""

import numpy as np
import pytest

from sagan_tf.evaluation.metrics import neighbours
from sagan_tf.evaluation.metrics.neighbours import neighbour_scores


def two_sets(dtype=np.float64):
    rng = np.random.default_rng(0)
    real = rng.normal(size=(90, 6))
    fake = rng.normal(size=(70, 6)) * 1.1 + 0.6
    return real.astype(dtype), fake.astype(dtype)


def distances(one, other):
    differences = one[:, np.newaxis].astype(np.float64) - other
    return np.sqrt((differences**2).sum(axis=-1))


def by_definition(real, fake, k):
    # Sorted, column 0 is the distance of each row to itself.
    real_radii, fake_radii = (
        np.sort(distances(rows, rows), axis=1)[:, k] for rows in (real, fake)
    )
    in_real_ball = distances(fake, real) <= real_radii
    in_fake_ball = distances(real, fake) <= fake_radii
    return {
        "precision": in_real_ball.any(axis=1).mean(),
        "recall": in_fake_ball.any(axis=1).mean(),
        "density": in_real_ball.sum() / (k * len(fake)),
        "coverage": in_real_ball.any(axis=0).mean(),
    }


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_the_four_are_those_of_their_definitions(dtype):
    real, fake = two_sets(dtype)
    at_2, at_4 = (by_definition(real, fake, k) for k in (2, 4))
    # Neither 0 nor 1, and every one different: no two can be mistaken.
    values = [*at_2.values(), *at_4.values()]
    assert len(set(values)) == 8 and 0 < min(values) and max(values) < 1
    assert neighbour_scores(real, fake, 2, 4) == pytest.approx(
        (at_2["precision"], at_2["recall"], at_4["density"], at_4["coverage"])
    )
    assert neighbour_scores(real, fake, 4, 2) == pytest.approx(
        (at_4["precision"], at_4["recall"], at_2["density"], at_2["coverage"])
    )


def test_the_papers_neighbours_are_the_defaults():
    real, fake = two_sets()
    at_3, at_5 = (by_definition(real, fake, k) for k in (3, 5))
    assert neighbour_scores(real, fake) == pytest.approx(
        (at_3["precision"], at_3["recall"], at_5["density"], at_5["coverage"])
    )


def test_blocks_of_distances_change_nothing(monkeypatch):
    real, fake = two_sets()
    whole = neighbour_scores(real, fake)
    # 90 distances of 8 bytes: some 10 rows a block.
    monkeypatch.setattr(neighbours, "BLOCK_MEBIBYTES", 7200 / 2**20)
    assert len(list(neighbours._blocks(fake, real))) > 3
    assert neighbour_scores(real, fake) == whole


def test_a_set_lies_in_itself():
    real, _ = two_sets()
    scores = neighbour_scores(real, real)
    assert scores[:2] == (1, 1)
    assert scores.coverage == 1
    # Each ball holds its centre and k neighbours, the last of them on its border.
    assert 1 <= scores.density <= 6 / 5


def test_sets_far_apart_share_nothing():
    real, fake = two_sets()
    assert neighbour_scores(real, fake + 100) == (0, 0, 0, 0)


def test_pictures_of_one_kind_are_precise_but_cover_little():
    real, _ = two_sets()
    fake = real[0] + np.random.default_rng(1).normal(size=(70, 6)) * 1e-3
    scores = neighbour_scores(real, fake)
    assert scores.precision == 1
    assert scores.recall < 0.05
    assert scores.coverage < 0.3


@pytest.mark.parametrize("count", [(5, 9), (9, 5)])
def test_too_few_images_are_refused(count):
    real, fake = np.zeros((count[0], 2)), np.zeros((count[1], 2))
    with pytest.raises(ValueError, match=f"at least 6.*{count[0]} real, {count[1]} fa"):
        neighbour_scores(real, fake)


@pytest.mark.parametrize(
    "none", [{"precision_neighbours": 0}, {"density_neighbours": 0}]
)
def test_no_neighbours_are_refused(none):
    with pytest.raises(ValueError, match="at least 1. Received: "):
        neighbour_scores(*two_sets(), **none)


def test_features_of_other_networks_are_refused():
    with pytest.raises(ValueError, match="fake_features must have shape"):
        neighbour_scores(np.zeros((9, 3)), np.zeros((9, 4)))

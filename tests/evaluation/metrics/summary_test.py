import numpy as np
import pytest

from sagan_tf.evaluation.metrics.rows import ROWS_AT_A_TIME
from sagan_tf.evaluation.metrics.summary import summarize
from tests.evaluation.gaussians import features


def numbers(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


@pytest.mark.parametrize("with_labels", [True, False])
def test_mean_and_covariance_are_of_all_images_and_the_first_are_kept(with_labels):
    features, logits = numbers(7, 4), numbers(7, 10, seed=1)
    labels = np.arange(7) % 2
    batches = [
        (features[part], logits[part], labels[part] if with_labels else None, low, high)
        for part, low, high in ((slice(3), -0.5, [0, 0.2]), (slice(3, 7), 0, 0.75))
    ]
    found = summarize(batches, keep=5)
    np.testing.assert_allclose(found.moments.mean, features.mean(0), rtol=1e-6)
    np.testing.assert_allclose(
        found.moments.covariance, np.cov(features.astype(float).T), rtol=1e-9
    )
    np.testing.assert_array_equal(found.features, features[:5])
    np.testing.assert_array_equal(found.logits, logits[:5])
    if with_labels:
        np.testing.assert_array_equal(found.labels, [0, 1, 0, 1, 0])
        assert found.labels.dtype == np.int32
    else:
        assert found.labels is None
    assert (found.count, found.low, found.high) == (7, -0.5, 0.75)


def test_many_batches_have_the_moments_of_one():
    rows = features(2 * ROWS_AT_A_TIME + 300, 5).astype(np.float32)
    logits = np.ones((len(rows), 2))
    parts = np.array_split(np.arange(len(rows)), 11)
    found = summarize([(rows[p], logits[p], None, -1, 1) for p in parts], keep=3)
    np.testing.assert_allclose(
        found.moments.covariance, np.cov(rows.astype(float).T), rtol=1e-9, atol=1e-9
    )
    assert found.count == len(rows)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("where", [0, 1])
def test_the_image_whose_feature_is_not_finite_is_named(bad, where):
    batches = [
        (numbers(3, 4), numbers(3, 10), None, -1, 1),
        (numbers(2, 4), numbers(2, 10), None, -1, 1),
    ]
    batches[1][where][1, 2] = bad
    with pytest.raises(ValueError, match="image 4"):
        summarize(batches, keep=9)

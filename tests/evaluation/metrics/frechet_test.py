"""Metrics against closed forms, other libraries' functions and TF-GAN."""

import numpy as np
import pytest
import scipy.linalg

from sagan_tf.evaluation.metrics import frechet, tfgan
from sagan_tf.evaluation.metrics.moments import Moments, moments_of
from tests.evaluation.gaussians import features


def distance(real, fake):
    return frechet.frechet_distance(*moments_of(real, fake))


def gaussian(mean, covariance):
    return Moments.from_statistics(100, np.asarray(mean), np.asarray(covariance))


def test_frechet_distance_of_independent_features_has_a_closed_form():
    real = gaussian([1, 2, 3], np.diag([4.0, 9.0, 0.25]))
    fake = gaussian([1, 0, 6], np.diag([1.0, 16.0, 4.0]))
    # |m - m'|^2 + sum (s - s')^2
    expected = (4 + 9) + (1 + 1 + 1.5**2)
    assert frechet.frechet_distance(real, fake) == pytest.approx(expected, rel=1e-14)


def test_frechet_distance_of_commuting_covariances_has_a_closed_form():
    basis = scipy.linalg.qr(np.random.default_rng(0).normal(size=(6, 6)))[0]
    one, two = np.array([9, 5, 3, 2, 1, 0.5]), np.array([1, 7, 0.1, 4, 2, 8])
    real, fake = (
        gaussian(np.zeros(6), basis * values @ basis.T) for values in (one, two)
    )
    expected = ((np.sqrt(one) - np.sqrt(two)) ** 2).sum()
    assert frechet.frechet_distance(real, fake) == pytest.approx(expected, rel=1e-12)


def test_frechet_distance_is_that_of_the_formula_with_a_matrix_root():
    real, fake = features(300, 12, seed=1), features(200, 12, seed=2)
    one, two = np.cov(real, rowvar=False), np.cov(fake, rowvar=False)
    difference = real.mean(axis=0) - fake.mean(axis=0)
    root = scipy.linalg.sqrtm(one @ two).real
    expected = difference @ difference + np.trace(one + two - 2 * root)
    assert distance(real, fake) == pytest.approx(expected, rel=1e-10)


def test_frechet_distance_of_lines_has_a_closed_form():
    # C = a a^T has rank 1, and tr (C C')^(1/2) = |a . a'|.
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, 40))
    real, fake = gaussian(np.zeros(40), np.outer(a, a)), gaussian(b, np.outer(b, b))
    expected = b @ b + a @ a + b @ b - 2 * abs(a @ b)
    assert frechet.frechet_distance(real, fake) == pytest.approx(expected, rel=1e-13)


def test_what_rounding_leaves_of_an_eigenvalue_of_zero_does_not_count():
    # Its root would: 1e-8. Cholesky takes this matrix for one of full rank.
    line = Moments.from_statistics(2, np.zeros(2), [[1, 1], [1, 1 + 2**-52]])
    round_ = Moments.from_statistics(2, np.zeros(2), np.eye(2))
    expected = 2 + 2 - 2 * np.sqrt(2)
    assert frechet.frechet_distance(line, round_) == pytest.approx(expected, rel=1e-12)


def test_frechet_distance_is_exact_with_fewer_images_than_features():
    real, fake = features(30, 64, seed=1), features(20, 64, seed=2)
    # The centered rows are factors of the covariances: no eigenvalues are needed.
    one, two = (
        (rows - rows.mean(axis=0)) / np.sqrt(len(rows) - 1) for rows in (real, fake)
    )
    cross = np.linalg.svd(one @ two.T, compute_uv=False).sum()
    difference = real.mean(axis=0) - fake.mean(axis=0)
    expected = difference @ difference + (one**2).sum() + (two**2).sum() - 2 * cross
    assert distance(real, fake) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(
    ("num_real", "num_fake", "tolerance"),
    # As many images as in the second line leave covariances without full rank, whose
    # roots TF-GAN computes less exactly.
    [(400, 300, 1e-9), (40, 30, 5e-5)],
)
def test_frechet_distance_is_that_of_tfgan(num_real, num_fake, tolerance):
    real, fake = features(num_real, 48, seed=1), features(num_fake, 48, seed=2)
    expected = tfgan.frechet_distance(real, fake)
    assert distance(real, fake) == pytest.approx(expected, rel=tolerance)


@pytest.mark.parametrize("count", [300, 20])
def test_frechet_distance_of_a_set_to_itself_is_zero(count):
    rows = features(count, 48)
    assert abs(distance(rows, rows)) < 1e-6
    # From other sums, in another order.
    assert abs(distance(rows, rows[::-1])) < 1e-6


def test_frechet_distance_of_features_without_spread_is_that_of_the_means():
    assert distance(np.zeros((5, 3)), np.full((4, 3), 2.0)) == 12


def test_frechet_distance_of_other_features_is_refused():
    with pytest.raises(ValueError, match="3 and 4 features"):
        frechet.frechet_distance(Moments(3), Moments(4))


def labelled(count, size, num_classes, seed):
    rows = features(count, size, seed)
    labels = np.random.default_rng(seed).permutation(count) % num_classes
    return rows + labels[:, np.newaxis], labels.astype(np.int32)


# Rows per class above D (moments are needed) and below.
@pytest.mark.parametrize("size", [5, 60])
def test_intra_frechet_distance_is_the_mean_of_the_classes(size):
    real, real_labels = labelled(90, size, 3, seed=1)
    fake, fake_labels = labelled(60, size, 3, seed=2)
    mean, per_class = frechet.intra_frechet_distance(
        real, real_labels, fake, fake_labels, 3
    )
    expected = [
        distance(real[real_labels == label], fake[fake_labels == label])
        for label in range(3)
    ]
    np.testing.assert_allclose(per_class, expected, rtol=1e-11)
    assert mean == pytest.approx(np.mean(expected), rel=1e-11)
    assert np.ptp(expected) > 0.01 * mean  # the classes differ, so their order shows


def test_intra_frechet_distance_needs_labels():
    rows = features(20, 3)
    with pytest.raises(ValueError, match="fake_labels must be .*Received: None"):
        frechet.intra_frechet_distance(rows, np.arange(20) % 2, rows, None, 2)


def test_intra_frechet_distance_names_the_classes_that_are_short_of_images():
    rows = features(6, 3)
    real, fake = np.array([0, 0, 1, 1, 2, 2]), np.array([0, 0, 0, 0, 1, 2])
    message = r"class 1 \(2 real, 1 fake\), class 2 \(2 real, 1 fake\)\."
    with pytest.raises(ValueError, match=message):
        frechet.intra_frechet_distance(rows, real, rows, fake, 3)


@pytest.mark.parametrize("labels", [np.zeros(5, int), np.zeros(6), [0, 1, 1, 0, 1, -1]])
def test_labels_that_do_not_fit_are_refused(labels):
    rows = features(6, 3)
    with pytest.raises(ValueError, match="real_labels must be"):
        frechet.intra_frechet_distance(rows, labels, rows, [0, 1] * 3, 2)


def test_class_accuracy_is_the_share_read_correctly():
    logits = [[1.0, 2, 0], [5, 2, 0], [0, 0, 1], [0, 1, 0]]
    assert frechet.class_accuracy(logits, [1, 0, 2, 2]) == 0.75


def test_class_accuracy_refuses_labels_that_no_logit_stands_for():
    with pytest.raises(ValueError, match=r"0\.\.2\. Received: 3"):
        frechet.class_accuracy(np.zeros((2, 3)), [0, 3])

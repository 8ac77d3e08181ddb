"""TF-GAN's functions, through the door: same numbers, float64, less memory."""

import subprocess
import sys

import numpy as np
import pytest
import scipy.special
import scipy.stats
import tensorflow as tf

from sagan_tf.evaluation.metrics import tfgan
from sagan_tf.evaluation.metrics.moments import moments_of
from tests.evaluation.gaussians import features


def run_python(code):
    command = [sys.executable, "-c", code]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.slow
def test_the_door_leaves_no_empty_modules_and_needs_no_hub():
    code = (
        "import sys; from sagan_tf.evaluation.metrics import tfgan;"
        "early = 'tensorflow' in sys.modules;"
        "score, _ = tfgan.inception_score([[1.0, 2.0], [2.0, 0.0]]);"
        "names = ['tensorflow_gan', 'tensorflow_gan.python', 'tensorflow_hub'];"
        "print(early, score > 1, [n in sys.modules for n in names])"
    )
    result = run_python(code)
    assert result.stdout.strip() == "False True [False, False, False]", result.stderr


@pytest.mark.slow
def test_a_whole_tfgan_that_is_imported_already_is_used():
    # Stands in for a TF-GAN that imports: the door must not put shells over it.
    code = (
        "import sys, types; from sagan_tf.evaluation.metrics import tfgan;"
        "names = ['tensorflow_gan', 'tensorflow_gan.python',"
        " 'tensorflow_gan.python.eval', tfgan._METRICS];"
        "real = [types.ModuleType(n) for n in names];"
        "sys.modules.update(zip(names, real));"
        "print(tfgan._metrics() is real[3], sys.modules['tensorflow_gan'] is real[0])"
    )
    result = run_python(code)
    assert result.stdout.strip() == "True True", result.stderr


def score(logits):
    p = scipy.special.softmax(logits, axis=1)
    return np.exp(scipy.stats.entropy(p, p.mean(axis=0, keepdims=True), axis=1).mean())


def test_inception_score_is_taken_over_contiguous_parts():
    logits = 3 * features(103, 5)
    parts = [logits[i * 103 // 10 : (i + 1) * 103 // 10] for i in range(10)]
    scores = [score(part) for part in parts]
    mean, sd = tfgan.inception_score(logits, splits=10)
    assert mean == pytest.approx(np.mean(scores), rel=1e-11)
    assert sd == pytest.approx(np.sqrt(np.mean((scores - np.mean(scores)) ** 2)))


def test_inception_score_of_one_split_has_no_sd():
    logits = features(50, 5)
    assert tfgan.inception_score(logits) == (pytest.approx(score(logits)), 0)


@pytest.mark.parametrize("splits", [0, 6])
def test_inception_score_needs_an_image_per_split(splits):
    with pytest.raises(ValueError, match=f"5 images, splits={splits}"):
        tfgan.inception_score(features(5, 4), splits)


def test_inception_score_is_computed_in_float64():
    logits = (5 * features(200, 6)).astype(np.float32)
    exact, _ = tfgan.inception_score(logits.astype(np.float64))
    assert tfgan.inception_score(logits) == (exact, 0)
    assert float(np.float32(exact)) != exact  # float32 would show


def test_classes_that_vanish_do_not_spoil_the_score():
    logits = features(50, 4)
    more = np.column_stack([logits, np.full(50, -5000.0)])
    assert tfgan.inception_score(more) == tfgan.inception_score(logits)


def test_each_image_of_another_class_scores_the_number_of_classes():
    assert tfgan.inception_score(100 * np.eye(7)) == (pytest.approx(7), 0)


def test_logits_that_are_not_finite_are_refused():
    logits = np.zeros((5, 3))
    logits[3, 1] = np.nan
    with pytest.raises(ValueError, match="logits must be finite.*first in row 3"):
        tfgan.inception_score(logits)


def test_no_logits_are_refused():
    with pytest.raises(ValueError, match="at least one image. Received: 0 images"):
        tfgan.inception_score(np.zeros((0, 3)))


def test_frechet_distance_is_computed_in_float64():
    real, fake = (features(60, 5, seed).astype(np.float32) for seed in (1, 2))
    exact = tfgan.frechet_distance(real.astype(np.float64), fake.astype(np.float64))
    assert tfgan.frechet_distance(real, fake) == exact
    assert float(np.float32(exact)) != exact


@pytest.mark.parametrize("count", [60, 4])
def test_frechet_distance_of_moments_is_that_of_the_features(count):
    """Also of fewer rows than features, where TF-GAN's root is not exact."""
    real, fake = features(300, 5, 1) + 1, features(count, 5, 2)
    found = tfgan.frechet_distance_of_moments(*moments_of(real, fake))
    expected = tfgan.frechet_distance(real, fake)
    assert found == pytest.approx(expected, rel=1e-6 if count < 5 else 1e-12)


def test_kernel_distance_is_that_of_its_formula():
    real, fake = features(30, 4, seed=1), features(20, 4, seed=2)

    def kernel(x, y):
        return (x @ y.T / 4 + 1) ** 3

    def mean_of_others(rows):
        values = kernel(rows, rows)
        return (values.sum() - np.trace(values)) / (len(rows) * (len(rows) - 1))

    expected = mean_of_others(real) + mean_of_others(fake)
    expected -= 2 * kernel(real, fake).mean()
    mean, error = tfgan.kernel_distance(real, fake)
    assert mean == pytest.approx(expected, rel=1e-11)
    assert np.isnan(error)


# The last two leave remainders in one set and in both.
@pytest.mark.parametrize("counts", [(60, 60), (60, 40), (59, 47)])
def test_blocks_one_by_one_give_what_tfgan_gives_for_all(counts):
    real, fake = (features(count, 4, seed) for seed, count in enumerate(counts))
    metrics = tfgan._metrics()
    expected = metrics.kernel_classifier_distance_and_std_from_activations(
        tf.constant(real), tf.constant(fake), max_block_size=16
    )
    found = tfgan.kernel_distance(real, fake, block_size=16)
    np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_kernel_distance_refuses_blocks_of_less_than_two():
    with pytest.raises(ValueError, match="10 blocks.*100 real, 19 fake, block_size=10"):
        tfgan.kernel_distance(features(100, 3), features(19, 3), block_size=10)


@pytest.mark.slow
def test_kernel_distance_says_nothing_of_deprecated_loops():
    # TensorFlow says so once per process.
    code = (
        "import tensorflow as tf; from sagan_tf.evaluation.metrics import tfgan;"
        "tf.get_logger().setLevel('INFO'); level = tf.get_logger().level;"
        "tfgan.kernel_distance([[1.0], [2.0]], [[1.0], [3.0]]);"
        "print(tf.get_logger().level == level)"
    )
    result = run_python(code)
    assert result.stdout.strip() == "True", result.stderr
    assert "back_prop" not in result.stderr

import numpy as np
import pytest

from sagan_tf.evaluation.comparison import TITLES, compare, warnings
from sagan_tf.evaluation.metrics import tfgan
from sagan_tf.evaluation.metrics.frechet import frechet_distance
from sagan_tf.evaluation.metrics.neighbours import neighbour_scores
from sagan_tf.evaluation.scoring import summarize
from tests.evaluation.small_network import FEATURES, LOGITS, small_network

SAME = {"fid": 1.0, "fid_exact": 1.0}


def summary(count=60, shift=0.0, seed=0, labels=True, keep=10**6, low=-1.0, high=1.0):
    random = np.random.default_rng(seed)
    features = random.normal(shift, 1, (count, FEATURES)).astype(np.float32)
    logits = random.normal(size=(count, LOGITS)).astype(np.float32)
    of = np.arange(count) % LOGITS if labels else None
    return summarize([(features * [1, 2, 3, 1, 1, 0.5], logits, of, low, high)], keep)


def test_every_metric_is_the_function_of_its_name():
    fake, real = summary(seed=1, shift=0.3), summary(count=80)
    found = compare(fake, real, small_network(), LOGITS)
    assert set(found) == set(TITLES) - {"intra_fid", "kid_standard_error"}
    pair = real.features, fake.features
    kid, _ = tfgan.kernel_distance(*pair)
    expected = {
        "fid": tfgan.frechet_distance(*pair),
        "fid_exact": frechet_distance(real.moments, fake.moments),
        "kid": kid,
        "inception_score": tfgan.inception_score(fake.logits)[0],
        "inception_score_10": tfgan.inception_score(fake.logits, 10)[0],
        "class_accuracy": np.mean(fake.logits.argmax(1) == fake.labels),
        "precision": neighbour_scores(*pair)["precision"],
        "coverage": neighbour_scores(*pair)["coverage"],
    }
    for name, value in expected.items():
        np.testing.assert_allclose(found[name], value, rtol=1e-6, err_msg=name)


def test_fake_and_real_are_not_taken_for_one_another():
    wide, narrow = summary(seed=1), summary(seed=2)
    narrow.features[:] *= 0.01
    found = compare(narrow, wide, small_network())
    assert found["precision"] == 1
    assert found["recall"] < 0.2


def test_class_accuracy_needs_a_classifier_of_these_classes():
    fake, real = summary(seed=1), summary()
    assert "class_accuracy" not in compare(fake, real, small_network(), 7)
    unlabelled = summary(seed=1, labels=False)
    assert "class_accuracy" not in compare(unlabelled, real, small_network(), LOGITS)
    inception = small_network(is_inception=True)
    assert "class_accuracy" not in compare(fake, real, inception, LOGITS)


def test_neighbours_are_limited_and_fid_is_not():
    fake, real = summary(seed=1, count=90), summary(count=90)
    few = compare(fake, real, small_network(), max_neighbour_images=30)
    first = compare(
        summary(seed=1, count=90, keep=30), summary(count=90, keep=30), small_network()
    )
    assert few["fid"] == compare(fake, real, small_network())["fid"]
    assert few["precision"] == first["precision"]
    assert few["kid"] == first["kid"]


def test_intra_fid_is_the_mean_over_classes():
    fake, real = summary(seed=1, count=200), summary(count=300, shift=0.2)
    found = compare(fake, real, small_network(), LOGITS, intra_fid=True)
    each = [
        tfgan.frechet_distance(
            real.features[real.labels == label], fake.features[fake.labels == label]
        )
        for label in range(LOGITS)
    ]
    np.testing.assert_allclose(found["intra_fid"], np.mean(each), rtol=1e-9)


@pytest.mark.parametrize(
    ("fake", "real", "words"),
    [
        ({"labels": False}, {}, "generated images without"),
        ({}, {"labels": False}, "real images without"),
        ({}, {"keep": 50}, "50 of 60 real ones"),
    ],
)
def test_intra_fid_is_refused_by_name(fake, real, words):
    with pytest.raises(ValueError, match=words):
        sets = summary(seed=1, **fake), summary(**real)
        compare(*sets, small_network(), LOGITS, intra_fid=True)


@pytest.mark.parametrize(
    ("fake", "words"),
    [
        ({"count": FEATURES}, "6 generated images are fewer than the 6 features + 1"),
        ({"low": -1, "high": -0.998}, "All generated images are black"),
        ({"low": 0.2, "high": 0.2}, "of one flat color"),
    ],
)
def test_what_to_mistrust_is_named(fake, words):
    network = small_network(is_inception=True)
    fine = {"fid": 1.0, "fid_exact": 1.00005}
    assert not warnings(summary(seed=1), summary(), network, fine)
    lines = warnings(summary(**fake), summary(), network, fine)
    assert any(words in line for line in lines)
    for fid in (1.0002, np.nan):
        (line,) = warnings(summary(seed=1), summary(), network, fine | {"fid": fid})
        assert line.startswith(f"TF-GAN's FID is {fid}, and 1.00005 with an exact root")


def test_rounding_of_a_fid_of_zero_is_no_reason_to_warn():
    same = summary()
    network = small_network(is_inception=True)
    assert not warnings(same, same, network, compare(same, same, network))


def test_a_collapsed_generator_is_named():
    equal = np.ones((60, FEATURES)), np.ones((60, LOGITS))
    fake = summarize([(*equal, None, -1, 1)], keep=9)
    network = small_network(is_inception=True)
    assert "alike" in " ".join(warnings(fake, summary(), network, SAME))


def test_numbers_of_another_network_are_no_published_ones():
    (line,) = warnings(summary(seed=1), summary(), small_network(), SAME)
    assert "feature space of small" in line


@pytest.mark.parametrize(("count", "has_kid"), [(3, False), (4, True)])
def test_few_images_have_no_kid_rather_than_no_result(count, has_kid):
    """1,500 real images make two blocks, each of which needs two images a side."""
    found = compare(summary(count, seed=1), summary(1500), small_network())
    assert ("kid" in found) == has_kid
    assert found["fid"] > 0

import numpy as np
import pytest
import tensorflow as tf

from sagan_tf import images
from sagan_tf.evaluation import scoring
from sagan_tf.evaluation.metrics.rows import ROWS_AT_A_TIME
from sagan_tf.evaluation.protocols import Protocol
from sagan_tf.model import generating, latents
from sagan_tf.networks.builders import build_generator
from tests.evaluation.gaussians import features
from tests.evaluation.small_network import FEATURES, small_network

CLASSES, Z_DIM = 3, 5
PROTOCOL = Protocol("tiny", "a test", num_real=20, num_fake=21, seed=4)


def paint(z, labels):
    """A stand-in for a generator: every image is a function of its z and label."""
    value = tf.tanh(tf.reduce_sum(z[:, :3], 1))
    if labels is not None:
        value *= tf.cast(labels + 1, tf.float32) / CLASSES
    gray = value[:, None, None, None] * tf.linspace(0.3, 1.0, 8)[None, None, :, None]
    return tf.tile(gray, [1, 8, 1, 1])


paint.z_dim = Z_DIM


def expected(protocol, num_classes=CLASSES):
    indices = range(protocol.num_fake)
    z = latents.draw_z(indices, Z_DIM, protocol.seed, protocol.truncation)
    labels = None
    if num_classes:
        labels = latents.draw_labels(indices, num_classes, protocol.seed)
    features, logits = small_network()(paint(z, labels))
    return features.numpy(), logits.numpy(), labels


@pytest.mark.parametrize("batch_size", [1, 4, 21, 64])
def test_features_are_of_images_0_to_n_at_any_batch_size(batch_size):
    found = scoring.summarize_generator(
        paint, small_network(), PROTOCOL, CLASSES, batch_size=batch_size
    )
    features, logits, labels = expected(PROTOCOL)
    assert found.count == 21
    np.testing.assert_allclose(found.features, features, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(found.logits, logits, rtol=1e-5, atol=1e-5)
    np.testing.assert_array_equal(found.labels, labels)


@pytest.mark.slow
def test_two_replicas_share_the_work_and_find_the_same(two_replicas):
    with two_replicas.scope():
        generator = build_generator(
            resolution=32, num_classes=CLASSES, channels=2, z_dim=8, image_channels=1
        )
    one, two = (
        scoring.summarize_generator(
            generating.from_network(generator),
            small_network(),
            PROTOCOL,
            CLASSES,
            batch_size=4,
            strategy=strategy,
        )
        for strategy in (None, two_replicas)
    )
    assert two.count == 21
    np.testing.assert_allclose(two.features, one.features, rtol=1e-4, atol=1e-6)
    np.testing.assert_array_equal(two.labels, one.labels)
    np.testing.assert_allclose(
        two.moments.covariance, one.moments.covariance, rtol=1e-3, atol=1e-9
    )


def test_an_unconditional_generator_gets_no_labels():
    found = scoring.summarize_generator(paint, small_network(), PROTOCOL, 0)
    assert found.labels is None
    np.testing.assert_allclose(found.features, expected(PROTOCOL, 0)[0], rtol=1e-5)


@pytest.mark.parametrize("changes", [{"seed": 5}, {"truncation": 0.5}])
def test_seed_and_truncation_are_the_protocols(changes):
    protocol = PROTOCOL.changed(changes)
    found = scoring.summarize_generator(paint, small_network(), protocol, CLASSES)
    np.testing.assert_allclose(found.features, expected(protocol)[0], rtol=1e-5)
    assert not np.allclose(found.features, expected(PROTOCOL)[0])


def test_rounded_images_score_as_their_files_do():
    protocol = PROTOCOL.changed({"quantize": True})
    found = scoring.summarize_generator(paint, small_network(), protocol, CLASSES)
    indices = range(protocol.num_fake)
    made = paint(
        latents.draw_z(indices, Z_DIM, protocol.seed),
        latents.draw_labels(indices, CLASSES, protocol.seed),
    )
    stored = images.from_pixels(images.to_pixels(made.numpy()))
    read = scoring.summarize_images([(stored, None)], small_network(), keep=99)
    np.testing.assert_allclose(found.features, read.features, rtol=1e-6)
    exact = scoring.summarize_generator(paint, small_network(), PROTOCOL, CLASSES)
    assert np.abs(exact.features - read.features).max() > 1e-4


@pytest.mark.parametrize("scale", [1.01, 255.0, np.nan])
def test_images_out_of_range_are_refused(scale):
    def broken(z, labels):
        return paint(z, labels) * 0 + scale

    broken.z_dim = Z_DIM
    with pytest.raises(ValueError, match=r"in \[-1, 1\].* Received: .*images 0 to 20"):
        scoring.summarize_generator(broken, small_network(), PROTOCOL, CLASSES)


def some_images(count=11, size=8):
    random = np.random.default_rng(0)
    return random.uniform(-1, 1, (count, size, size, 1)).astype(np.float32)


def test_given_images_are_summarized_and_the_first_ones_kept():
    labels = np.arange(8)
    batches = [(some_images()[:6], labels[:6]), (some_images()[6:8], labels[6:])]
    found = scoring.summarize_images(batches, small_network(), keep=7)
    assert found.count == 8
    np.testing.assert_array_equal(found.labels, np.arange(7))
    features = small_network()(some_images())[0].numpy()
    np.testing.assert_allclose(found.features, features[:7], rtol=1e-5)
    np.testing.assert_allclose(found.moments.mean, features[:8].mean(0), rtol=1e-5)


def test_only_the_features_that_are_kept_take_memory():
    found = scoring.summarize_images(
        [(some_images(), None)] * 3, small_network(), keep=2
    )
    assert found.features.shape == (2, FEATURES)
    assert found.count == 33


def test_standing_statistics_are_used_when_the_protocol_says_so():
    generator = build_generator(
        resolution=32, num_classes=CLASSES, channels=2, z_dim=8, image_channels=1
    )

    def means():
        return [v.numpy() for v in generator.variables if v.name == "moving_mean"]

    before = means()
    scoring.use_protocol_statistics(generator, PROTOCOL, CLASSES)
    for old, new in zip(before, means(), strict=True):
        np.testing.assert_array_equal(new, old)
    standing = PROTOCOL.changed({"standing_batches": 2, "standing_batch_size": 6})
    scoring.use_protocol_statistics(generator, standing, CLASSES)
    assert all(np.abs(new).max() > 0 for new in means())


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
    found = scoring.summarize(batches, keep=5)
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
    batches = [(rows[part], logits[part], None, -1, 1) for part in parts]
    found = scoring.summarize(batches, keep=3)
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
        scoring.summarize(batches, keep=9)

import numpy as np
import pytest

from sagan_tf.evaluation import self_check
from sagan_tf.evaluation.metrics import frechet
from sagan_tf.evaluation.self_check import add_noise, blur, drop_modes
from tests.evaluation.small_network import small_network


@pytest.fixture(scope="module")
def digits():
    return self_check._read("digits", 32, small_network())


def failures(checks):
    return [check.name for check in checks if not check.passed]


def test_the_metrics_pass_with_their_peers():
    checks = self_check.peer_checks()
    assert len(checks) > 20
    assert failures(checks) == []


@pytest.mark.slow
def test_even_a_random_projection_sees_blur_and_noise(digits):
    """Which classes are there takes a network that knows them."""
    checks = self_check.image_checks(*digits, small_network(features=24))
    assert len(checks) == 10
    assert all("lost classes" in name for name in failures(checks))


@pytest.mark.slow
def test_a_wrong_distance_fails(digits, monkeypatch, capsys):
    right = frechet.frechet_distance

    def without_the_root(real, fake):
        return right(real, fake) + 1e-3

    monkeypatch.setattr(
        "sagan_tf.evaluation.metrics.frechet.frechet_distance", without_the_root
    )
    failed = failures(self_check.peer_checks())
    assert len([name for name in failed if name.startswith("frechet")]) == 6
    failed = failures(self_check.image_checks(*digits, small_network()))
    assert "FID of a set with itself is 0" in failed
    assert "FID from streamed statistics equals TF-GAN's from features" in failed


@pytest.mark.slow
def test_a_network_that_sees_nothing_fails(digits):
    blind = small_network()
    see = blind.function
    blind.function = lambda images: see(images * 0 + 0.1)
    failed = failures(self_check.image_checks(*digits, blind))
    assert "FID grows with noise" in failed


def test_the_command_prints_a_line_a_check_and_says_if_one_failed(monkeypatch, capsys):
    for name, value in (
        ("open_feature_network", lambda *_: small_network()),
        ("image_checks", lambda *_: [self_check.Check("of images", "1", True)]),
    ):
        monkeypatch.setattr(f"sagan_tf.evaluation.self_check.{name}", value)
    assert self_check.run("small") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1] == "25 of 25 passed"
    assert sum(line.endswith("pass") for line in lines) == 25
    monkeypatch.setattr("sagan_tf.evaluation.metrics.peers.agrees", lambda *_: False)
    assert self_check.run("small") == 7
    assert "1 of 25 passed" in capsys.readouterr().out


def test_the_classifier_trains_without_a_word(monkeypatch, capsys):
    def train(folder, training, held_out, **options):
        print("Epoch 1/30")

    for name, value in (
        ("open_feature_network", lambda *_: small_network()),
        ("image_checks", lambda *_: []),
        ("classifier_training.train_classifier", train),
    ):
        monkeypatch.setattr(f"sagan_tf.evaluation.self_check.{name}", value)
    assert self_check.run() == 0
    assert capsys.readouterr().out.startswith("1,797 images of digits")


def test_inception_can_be_checked_from_its_folder(monkeypatch):
    opened = []

    def open_network(*place):
        opened.append(place)
        return small_network()

    for name, value in (
        ("open_feature_network", open_network),
        ("image_checks", lambda *_: []),
        ("classifier_training.train_classifier", None),
    ):
        monkeypatch.setattr(f"sagan_tf.evaluation.self_check.{name}", value)
    assert self_check.run(inception="modules/inception") == 0
    assert opened == [(None, "modules/inception")]


def test_data_without_labels_is_refused(tmp_path):
    path = tmp_path / "images.npz"
    np.savez(path, images=np.zeros((4, 8, 8, 1), np.uint8))
    with pytest.raises(ValueError, match="needs labels"):
        self_check._read(f"npz:{path}", 32, small_network())


def images(count=6, resolution=8, channels=3):
    """Random images, some pixels of which are at the ends of the range."""
    values = np.random.default_rng(0).normal(size=(count, resolution, resolution, 1))
    values = values * np.linspace(1, 2, channels)
    return np.clip(values, -1, 1).astype(np.float32)


DEGRADATIONS = {
    "blur": lambda images, amount: blur(images, amount),
    "add_noise": lambda images, amount: add_noise(images, amount),
    "drop_modes": lambda images, amount: drop_modes(
        images, np.arange(6, dtype=np.int32), 6 - amount
    )[0],
}
each = pytest.mark.parametrize("degrade", DEGRADATIONS.values(), ids=DEGRADATIONS)


@each
def test_shape_dtype_and_range_stay_and_the_original_does_too(degrade):
    original = images()
    result = degrade(original, 2)
    assert (result.shape, result.dtype) == (original.shape, np.float32)
    assert np.abs(result).max() <= 1
    np.testing.assert_array_equal(original, images())


@each
def test_more_is_further_from_the_original_and_nothing_is_no_change(degrade):
    distances = [np.abs(degrade(images(), n) - images()).mean() for n in range(4)]
    assert distances[0] == 0
    assert np.all(np.diff(distances) > 0)


def test_blur_spreads_a_point_as_a_gaussian_does():
    point = np.full((1, 15, 15, 1), 0.0, np.float32)
    point[0, 7, 7] = 1
    x = np.arange(15) - 7
    gaussian = np.exp(-(x**2) / (2 * 1.5**2))
    gaussian /= gaussian.sum()
    expected = np.outer(gaussian, gaussian)[None, :, :, None]
    np.testing.assert_allclose(blur(point, 1.5), expected, atol=1e-4)


def test_blur_does_not_mix_images_or_channels():
    one = images(1, channels=1)
    others = np.concatenate([one, np.ones_like(one), -one], axis=-1)
    both = np.concatenate([others, np.zeros_like(others)])
    np.testing.assert_array_equal(blur(both, 1)[:1, ..., :1], blur(one, 1))


def test_a_plain_image_stays_plain_up_to_its_border():
    plain = np.full((2, 8, 8, 1), 0.5, np.float32)
    np.testing.assert_allclose(blur(plain, 3), plain, atol=1e-6)


def test_noise_has_the_standard_deviation_asked_for():
    gray = np.zeros((50, 16, 16, 3), np.float32)
    noise = add_noise(gray, 0.1, seed=3)
    assert abs(noise.std() / 0.1 - 1) < 0.01
    assert abs(noise.mean()) < 0.001
    assert abs(np.corrcoef(noise[..., 0].ravel(), noise[..., 1].ravel())[0, 1]) < 0.03


def test_noise_and_dropping_follow_their_seed():
    labels = np.int32([0, 1, 0, 1, 2, 2])
    for degrade in (
        lambda seed: add_noise(images(), 0.3, seed),
        lambda seed: drop_modes(images(), labels, 2, seed)[0],
    ):
        np.testing.assert_array_equal(degrade(1), degrade(1))
        assert not np.array_equal(degrade(1), degrade(2))


def test_only_images_of_the_kept_classes_are_left_with_their_labels():
    labels = np.int32([3, 0, 2, 1, 3, 0])
    left, left_labels = drop_modes(images(), labels, 2)
    assert left_labels.dtype == np.int32
    np.testing.assert_array_equal(left_labels < 2, True)
    for image, label in zip(left, left_labels):
        (source,) = np.flatnonzero((images() == image).all((1, 2, 3)))
        assert labels[source] == label
    stayed = labels < 2
    np.testing.assert_array_equal(left[stayed], images()[stayed])


def test_what_cannot_be_is_refused():
    with pytest.raises(ValueError, match="sigma must be 0 or greater. Received: -1"):
        blur(images(), -1)
    with pytest.raises(ValueError, match="sd must be 0 or greater. Received: nan"):
        add_noise(images(), float("nan"))
    with pytest.raises(ValueError, match="num_kept_classes=2, 6 labels, none"):
        drop_modes(images(), np.full(6, 2, np.int32), 2)

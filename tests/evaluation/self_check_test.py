import numpy as np
import pytest

from sagan_tf.evaluation import self_check
from sagan_tf.evaluation.metrics import frechet
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
    assert "FID from streamed statistics as TF-GAN's from features" in failed


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


def test_data_without_labels_is_refused(tmp_path):
    path = tmp_path / "images.npz"
    np.savez(path, images=np.zeros((4, 8, 8, 1), np.uint8))
    with pytest.raises(ValueError, match="needs labels"):
        self_check._read(f"npz:{path}", 32, small_network())

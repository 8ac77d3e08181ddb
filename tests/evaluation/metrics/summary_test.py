import json

import numpy as np
import pytest

from sagan_tf import images
from sagan_tf.evaluation.metrics.summary import (
    ContentHash,
    Summary,
    check_same,
    read_reference,
    write_reference,
)

ABOUT = {"dataset": "digits", "num_real": 7, "class_names": ["a", "b"]}


def numbers(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def summary(keep=5, labels=True):
    found = Summary(keep)
    for part, first in ((slice(0, 3), 0), (slice(3, 7), 3)):
        of = (np.arange(7)[part] % 2).astype(np.int32) if labels else None
        found.add(numbers(7, 4)[part], numbers(7, 10, seed=1)[part], of, -0.5, first)
    return found


def test_mean_and_covariance_are_of_all_images_and_the_first_are_kept():
    found = summary(keep=5)
    features = numbers(7, 4)
    np.testing.assert_allclose(found.moments.mean, features.mean(0), rtol=1e-6)
    np.testing.assert_allclose(
        found.moments.covariance, np.cov(features.astype(float).T), rtol=1e-9
    )
    np.testing.assert_array_equal(found.features, features[:5])
    np.testing.assert_array_equal(found.logits, numbers(7, 10, seed=1)[:5])
    np.testing.assert_array_equal(found.labels, [0, 1, 0, 1, 0])
    assert (found.count, found.low, found.high) == (7, -0.5, 3)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("where", ["features", "logits"])
def test_the_image_whose_feature_is_not_finite_is_named(bad, where):
    found = Summary(9)
    found.add(numbers(3, 4), numbers(3, 10))
    values = {"features": numbers(2, 4), "logits": numbers(2, 10)}
    values[where][1, 2] = bad
    with pytest.raises(ValueError, match="image 4"):
        found.add(**values)


@pytest.mark.parametrize("labels", [True, False])
def test_a_reference_file_holds_everything(tmp_path, labels):
    path = tmp_path / "new" / "stats.npz"
    written = summary(labels=labels)
    write_reference(path, written, ABOUT)
    read, about = read_reference(path)
    assert about == ABOUT
    assert read.count == 7
    for name in ("mean", "covariance"):
        theirs = getattr(written.moments, name)
        np.testing.assert_allclose(getattr(read.moments, name), theirs, rtol=1e-14)
    np.testing.assert_array_equal(read.features, written.features)
    np.testing.assert_array_equal(read.logits, written.logits)
    if labels:
        np.testing.assert_array_equal(read.labels, written.labels)
    else:
        assert read.labels is None


def test_a_file_that_cannot_be_written_leaves_nothing(tmp_path, monkeypatch):
    path = tmp_path / "stats.npz"
    write_reference(path, summary(), ABOUT)
    before = path.read_bytes()

    def full_disk(file, **arrays):
        file.write(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("sagan_tf.evaluation.metrics.summary.np.savez", full_disk)
    with pytest.raises(OSError, match="stats.npz"):
        write_reference(path, summary(), ABOUT)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["stats.npz"]


def test_a_missing_reference_says_how_to_make_one(tmp_path):
    with pytest.raises(ValueError, match="sagan_tf.reference_statistics"):
        read_reference(tmp_path / "none.npz")


@pytest.mark.parametrize("damage", ["cut", "other", "text"])
def test_a_damaged_reference_is_named(tmp_path, damage):
    path = tmp_path / "stats.npz"
    write_reference(path, summary(), ABOUT)
    if damage == "cut":
        path.write_bytes(path.read_bytes()[:-50])
    elif damage == "other":
        np.savez(path, mean=np.zeros(3), about=np.array(json.dumps({})))
    else:
        path.write_text("hello")
    with pytest.raises(ValueError, match=r"stats\.npz is not a whole reference file"):
        read_reference(path)


def test_differences_are_all_named():
    about = {"resize": "area", "num_real": 10, "network_hash": "ab"}
    check_same("x.npz", about, {"resize": "area"})
    with pytest.raises(ValueError) as error:
        check_same("x.npz", about, {"num_real": 20, "network_hash": "cd", "new": 1})
    for part in ("num_real is 10, needed 20", "network_hash", "new is None", "x.npz"):
        assert part in str(error.value)
    assert "resize" not in str(error.value)


def content(some, labels=None, parts=1):
    digest = ContentHash()
    for each in np.array_split(np.arange(len(some)), parts):
        digest.add(some[each], None if labels is None else labels[each])
    return digest.hexdigest()


def test_content_hash_sees_pixels_labels_and_order_but_not_batches():
    pixels = np.random.default_rng(0).integers(0, 256, (6, 4, 4, 1), np.uint8)
    some, labels = images.from_pixels(pixels), np.arange(6)
    first = content(some, labels)
    assert content(some, labels, parts=4) == first
    changed = some.copy()
    changed[3, 1, 2, 0] += 2 / 255
    others = [
        content(changed, labels),
        content(some[::-1], labels),
        content(some, labels[::-1]),
        content(some),
        content(some.reshape(6, 2, 8, 1), labels),
    ]
    assert len({first, *others}) == 6

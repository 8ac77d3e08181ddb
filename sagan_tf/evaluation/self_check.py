"""Checks that the metrics measure what they should; prints a table with pass or fail.

It compares real images with themselves, with similar images and with degraded images.
It also compares our values with those of other packages.
"""

import contextlib
import io
import os
import tempfile
from typing import NamedTuple

import numpy as np
from scipy import ndimage

from sagan_tf import data
from sagan_tf.errors import FINISHED, SELF_CHECK_FAILED, BadInput
from sagan_tf.evaluation import scoring
from sagan_tf.evaluation.features import classifier_training
from sagan_tf.evaluation.features.network import open_feature_network
from sagan_tf.evaluation.metrics import frechet, peers, tfgan

# Each check compares one half of the images with the other half.
_MOST_IMAGES = 4_000
_BLURS = (0.5, 1.0, 2.0, 4.0)
_NOISES = (0.1, 0.2, 0.4, 0.8)
_SHARES_OF_CLASSES = (0.8, 0.6, 0.4, 0.2)
_WIDTH = 62


class Check(NamedTuple):
    """A line of the table: what is checked, the values, and whether they are right."""

    name: str
    values: str
    passed: bool


def run(feature_network=None, inception=None, dataset="digits", resolution=32):
    """Checks the metrics, and prints the results.

    Args:
        feature_network, inception: see `open_feature_network`; without both, a small
            classifier is trained (half a minute for the digits).
        dataset: str, like `--dataset`; the data set must have labels.
        resolution: int, of the images.

    Returns:
        The exit status: `FINISHED` if everything passed, else `SELF_CHECK_FAILED`.

    Raises:
        BadInput: the network or the data set cannot be used.
    """
    with tempfile.TemporaryDirectory() as folder:
        if feature_network is None and inception is None:
            feature_network = os.path.join(folder, "classifier")
            training, held_out, about = classifier_training.open_parts(dataset)
            # Only the table is printed, not the epochs of the classifier.
            with contextlib.redirect_stdout(io.StringIO()):
                classifier_training.train_classifier(
                    feature_network,
                    training,
                    held_out,
                    name=classifier_training.default_name(dataset),
                    resolution=resolution,
                    image_channels=1,
                    about=about,
                )
        network = open_feature_network(feature_network, inception)
        images, labels = _read(dataset, resolution, network)
        print(f"{len(images):,} images of {dataset}, feature network {network.name}")
        checks = [*peer_checks(), *image_checks(images, labels, network)]
    for check in checks:
        verdict = "pass" if check.passed else "FAIL"
        print(f"{check.name:<{_WIDTH}}{check.values:>34}  {verdict}")
    failed = sum(not check.passed for check in checks)
    print(f"{len(checks) - failed} of {len(checks)} passed")
    return SELF_CHECK_FAILED if failed else FINISHED


def peer_checks():
    """Compares our values with the frozen ones of other packages: list of `Check`."""
    checks = []
    for figure in peers.figures():
        ours = peers.measure(figure)
        settings = ", ".join(
            f"{key} {figure[key]}"
            if key in ("splits", "neighbours")
            else f"{figure[key]}"
            for key in peers.SETTINGS
            if key in figure
        )
        title = figure["metric"].replace("_", " ")
        name = f"{title} as {figure['package']} {figure['version']} ({settings})"
        values = f"differs by {_relative(ours, figure['value']):.1e}"
        checks.append(Check(name, values, peers.agrees(figure, ours)))
    return checks


def image_checks(images, labels, network):
    """Compares real images with themselves and with worse ones: list of `Check`.

    Args:
        images: `(N, R, R, C)` float32 in [-1, 1], in random order.
        labels: `(N,)` int32.
        network: `FeatureNetwork`.
    """
    half = len(images) // 2
    rest, rest_labels = images[half:], labels[half:]
    noise = np.random.default_rng(0).uniform(-1, 1, rest.shape).astype(np.float32)
    real, others, of_noise = (
        _summary(batch, network) for batch in (images[:half], rest, noise)
    )
    num_classes = int(labels.max()) + 1
    kept = [max(1, round(share * num_classes)) for share in _SHARES_OF_CLASSES]
    series = {
        "blur": [blur(rest, sigma) for sigma in _BLURS],
        "noise": [add_noise(rest, sd) for sd in _NOISES],
        "lost classes": [drop_modes(rest, rest_labels, number)[0] for number in kept],
    }
    checks = _distance_checks(real, others, of_noise)
    for name, worse in series.items():
        summaries = [others, *(_summary(batch, network) for batch in worse)]
        for title, measure in (("FID", _fid), ("KID", _kid)):
            values = [measure(real, summary) for summary in summaries]
            shown = " ".join(f"{value:.3g}" for value in values)
            grows = bool(np.all(np.diff(values) > 0))
            checks.append(Check(f"{title} grows with {name}", shown, grows))
    return checks


def _distance_checks(real, others, noise):
    """Checks the FID of equal sets, of similar sets and of noise, and TF-GAN's FID."""
    itself, of_half, of_noise = (_fid(real, s) for s in (real, others, noise))
    size = float(np.trace(real.moments.covariance))
    theirs = tfgan.frechet_distance(real.features, others.features)
    tolerance = 5e-5 if real.count <= real.features.shape[1] else 1e-9
    difference = _relative(of_half, theirs)
    return [
        Check("FID of a set with itself is 0", f"{itself:.1e}", abs(itself) < 1e-6),
        Check(
            "FID of two halves is small: below a tenth of the variance",
            f"{of_half:.4g} of {size:.4g}",
            of_half < size / 10,
        ),
        Check(
            "FID of noise is large: above ten times that of two halves",
            f"{of_noise:.4g}",
            of_noise > 10 * of_half,
        ),
        Check(
            "FID from streamed statistics equals TF-GAN's from features",
            f"differs by {difference:.1e}",
            difference < tolerance,
        ),
    ]


def _relative(ours, theirs):
    """Returns the difference, relative to the larger of the two: float."""
    return abs(ours - theirs) / max(abs(ours), abs(theirs), np.finfo(float).tiny)


def _summary(images, network):
    parts = np.array_split(images, range(64, len(images), 64))
    return scoring.summarize_images(
        [(part, None) for part in parts], network, keep=len(images)
    )


def _fid(real, fake):
    return frechet.frechet_distance(real.moments, fake.moments)


def _kid(real, fake):
    return tfgan.kernel_distance(real.features, fake.features, _MOST_IMAGES)[0]


def _read(dataset, resolution, network):
    """Reads the images, in a fixed random order, and their labels."""
    source = data.open_source(dataset)
    if not source.num_classes:
        raise BadInput(
            f"The check needs labels. Received: {dataset}, which has none. Try "
            "--dataset=digits."
        )
    batches = data.read_once(
        source,
        resolution=resolution,
        image_channels=network.image_channels,
        count=_MOST_IMAGES,
    )
    images, labels, _ = zip(*batches)
    return np.concatenate(images), np.concatenate(labels)


def blur(images, sigma):
    """Convolves images with a Gaussian; border values continue beyond the border.

    Images stay `(N, R, R, C)` float32 in [-1, 1]. `sigma`, at least 0, is the standard
    deviation in pixels.
    """
    _check_amount("sigma", sigma)
    blurred = ndimage.gaussian_filter(images, (0, sigma, sigma, 0), mode="nearest")
    return np.clip(blurred, -1, 1)


def add_noise(images, sd, seed=0):
    """Adds normal noise, independent in every pixel and channel, and clips.

    `sd`, at least 0, is the standard deviation before clipping. With the same seed, a
    larger `sd` gives more of the same noise. Images are like those of `blur`.
    """
    _check_amount("sd", sd)
    noise = np.random.default_rng(seed).standard_normal(images.shape, np.float32)
    return np.clip(images + np.float32(sd) * noise, -1, 1)


def drop_modes(images, labels, num_kept_classes, seed=0):
    """Replaces images of all but the first classes; returns images and labels.

    Images of the classes 0 to `num_kept_classes` - 1 stay in place. Each other image
    becomes one of these, drawn with replacement. Images are like those of `blur`.
    """
    kept = np.flatnonzero(labels < num_kept_classes)
    if not kept.size:
        raise BadInput(
            "drop_modes needs an image of a class below num_kept_classes. Received: "
            f"num_kept_classes={num_kept_classes}, {len(labels)} labels, none of them "
            "below it. Try more classes."
        )
    source = np.random.default_rng(seed).choice(kept, len(labels))
    source[kept] = kept
    return images[source], labels[source]


def _check_amount(name, value):
    if not value >= 0:
        raise BadInput(f"{name} must be 0 or greater. Received: {value}. Try 1.")

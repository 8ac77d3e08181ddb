"""Checks that the metrics measure what they should: a table with pass or fail.

It compares real images with themselves, with others of their kind, and with degraded
ones, and our values with those of other packages.
"""

import dataclasses
import pathlib
import tempfile

import numpy as np

from sagan_tf import data
from sagan_tf.errors import FINISHED, SELF_CHECK_FAILED, BadInput
from sagan_tf.evaluation import degradations, scoring
from sagan_tf.evaluation.features import classifier_data, classifier_training
from sagan_tf.evaluation.features.network import open_feature_network
from sagan_tf.evaluation.metrics import frechet, peers, tfgan

# A check compares half of them with the other half.
_MOST_IMAGES = 4_000
_BLURS = (0.5, 1.0, 2.0, 4.0)
_NOISES = (0.1, 0.2, 0.4, 0.8)
_SHARES_OF_CLASSES = (0.8, 0.6, 0.4, 0.2)
_WIDTH = 62


@dataclasses.dataclass(frozen=True)
class Check:
    """A line of the table: what is checked, the values, whether they are right."""

    name: str
    found: str
    passed: bool


def run(feature_network=None, inception=None, dataset="digits", resolution=32):
    """Checks the metrics, and prints what came out.

    Args:
        feature_network, inception: see `open_feature_network`; without the first, a
            small classifier is trained (half a minute for the digits).
        dataset: str, as `--dataset`; with labels.
        resolution: int, of the images.

    Returns:
        The exit status: `FINISHED` if everything passed, else `SELF_CHECK_FAILED`.

    Raises:
        BadInput: the network or the data set cannot be used.
    """
    with tempfile.TemporaryDirectory() as folder:
        if feature_network is None:
            feature_network = pathlib.Path(folder) / "classifier"
            _train(feature_network, dataset, resolution)
        network = open_feature_network(str(feature_network), inception)
        images, labels = _read(dataset, resolution, network)
        print(f"{len(images):,} images of {dataset}, feature network {network.name}")
        checks = [*peer_checks(), *image_checks(images, labels, network)]
    for check in checks:
        verdict = "pass" if check.passed else "FAIL"
        print(f"{check.name:<{_WIDTH}}{check.found:>34}  {verdict}")
    failed = sum(not check.passed for check in checks)
    print(f"{len(checks) - failed} of {len(checks)} passed")
    return SELF_CHECK_FAILED if failed else FINISHED


def peer_checks():
    """Compares our values with the frozen ones of other packages: list of `Check`."""
    checks = []
    for figure in peers.figures():
        ours = peers.measure(figure)
        difference = _relative(ours, figure.value)
        title = figure.metric.replace("_", " ")
        settings = ", ".join(
            f"{value}" if key not in ("splits", "neighbours") else f"{key} {value}"
            for key, value in figure.settings.items()
        )
        name = f"{title} as {figure.package} {figure.version} ({settings})"
        agrees = peers.agrees(figure, ours)
        checks.append(Check(name, f"differs by {difference:.1e}", agrees))
    return checks


def image_checks(images, labels, network):
    """Compares real images with themselves and with worse ones: list of `Check`.

    Args:
        images: `(N, R, R, C)` float32 in [-1, 1], in random order.
        labels: `(N,)` int32.
        network: `FeatureNetwork`.
    """
    half = len(images) // 2
    real = _summary(images[:half], network)
    rest, rest_labels = images[half:], labels[half:]
    others = _summary(rest, network)
    num_classes = int(labels.max()) + 1
    kept = [max(1, round(share * num_classes)) for share in _SHARES_OF_CLASSES]
    series = {
        "blur": [degradations.blur(rest, sigma) for sigma in _BLURS],
        "noise": [degradations.add_noise(rest, sd) for sd in _NOISES],
        "lost classes": [
            degradations.drop_modes(rest, rest_labels, number)[0] for number in kept
        ],
    }
    checks = [*_distance_checks(real, others, rest.shape, network)]
    for name, worse in series.items():
        summaries = [others, *(_summary(some, network) for some in worse)]
        for title, measure in (("FID", _fid), ("KID", _kid)):
            values = [measure(real, summary) for summary in summaries]
            shown = " ".join(f"{value:.3g}" for value in values)
            grows = bool(np.all(np.diff(values) > 0))
            checks.append(Check(f"{title} grows with {name}", shown, grows))
    return checks


def _distance_checks(real, others, shape, network):
    """FID of equal sets, of like sets and of noise; and as TF-GAN has it."""
    noise = np.random.default_rng(0).uniform(-1, 1, shape).astype(np.float32)
    itself, of_half = _fid(real, real), _fid(real, others)
    of_noise = _fid(real, _summary(noise, network))
    size = float(np.trace(real.moments.covariance))
    yield Check("FID of a set with itself is 0", f"{itself:.1e}", abs(itself) < 1e-6)
    yield Check(
        "FID of two halves is small: below a tenth of the variance",
        f"{of_half:.4g} of {size:.4g}",
        of_half < size / 10,
    )
    yield Check(
        "FID of noise is large: above ten times that of two halves",
        f"{of_noise:.4g}",
        of_noise > 10 * of_half,
    )
    yield _same_as_tfgan(real, others)


def _same_as_tfgan(real, others):
    ours = _fid(real, others)
    pair = (s.features.astype(np.float64) for s in (real, others))
    theirs = tfgan.frechet_distance(*pair)
    tolerance = 5e-5 if real.count <= real.features.shape[1] else 1e-9
    difference = _relative(ours, theirs)
    return Check(
        "FID from streamed statistics as TF-GAN's from features",
        f"differs by {difference:.1e}",
        difference < tolerance,
    )


def _relative(ours, theirs):
    """Difference over the larger of the two: float."""
    return abs(ours - theirs) / max(abs(ours), abs(theirs), np.finfo(float).tiny)


def _summary(images, network):
    parts = np.array_split(images, range(64, len(images), 64))
    return scoring.summarize_images(
        [(part, None) for part in parts], network, keep=len(images)
    )


def _fid(real, fake):
    return frechet.frechet_distance(real.moments, fake.moments)


def _kid(real, fake):
    pair = real.features, fake.features
    return tfgan.kernel_distance(*pair, block_size=_MOST_IMAGES)[0]


def _read(dataset, resolution, network):
    """The images, in a random order that is always the same, and their labels."""
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


def _train(folder, dataset, resolution):
    training, held_out, about = classifier_data.open_parts(dataset)
    classifier_training.train_classifier(
        folder,
        training,
        held_out,
        name=classifier_data.default_name(dataset),
        resolution=resolution,
        image_channels=1,
        about=about,
    )

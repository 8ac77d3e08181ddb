"""Compares a set of images with a reference: all metrics, and warnings about them."""

import numpy as np

from sagan_tf.errors import BadInput
from sagan_tf.evaluation.metrics import frechet, neighbours, tfgan

# Keys in a record, and the titles that a person reads.
TITLES = {
    "fid": "FID",
    "fid_exact": "FID, exact root",
    "kid": "KID",
    "kid_standard_error": "KID, standard error",
    "inception_score": "IS",
    "inception_score_10": "IS, 10 splits",
    "inception_score_10_sd": "IS, 10 splits, sd",
    "precision": "precision",
    "recall": "recall",
    "density": "density",
    "coverage": "coverage",
    "class_accuracy": "class accuracy",
    "intra_fid": "intra-FID",
}
_KID_BLOCK = 1000
# TF-GAN's FID may differ from the exact FID by this part of it without a warning.
_FID_TOLERANCE = 1e-4


def compare(
    fake, real, network, num_classes=0, max_neighbour_images=10_000, intra_fid=False
):
    """Compares one set of images with another.

    Args:
        fake: `Summary` of the images to measure.
        real: `Summary` of the reference.
        network: the `FeatureNetwork` of both summaries.
        num_classes: int; class accuracy is measured if the network is a classifier of
            this many classes and the images have labels.
        max_neighbour_images: int, images of each set for precision, recall, density,
            coverage and KID.
        intra_fid: bool, whether to add the mean of the classes' FIDs.

    Returns:
        Dict of metrics, see `TITLES`, to floats, without metrics that cannot be
        measured.

    Raises:
        BadInput: see `check_for_intra_fid`; or a class has fewer than 2 images.
    """
    moments = real.moments, fake.moments
    metrics = {
        "fid": tfgan.frechet_distance_of_moments(*moments),
        "fid_exact": frechet.frechet_distance(*moments),
    }
    pair = real.features[:max_neighbour_images], fake.features[:max_neighbour_images]
    fewer, more = sorted(map(len, pair))
    if fewer >= 2 * -(-more // _KID_BLOCK):  # Each block needs two of each set.
        metrics["kid"], error = tfgan.kernel_distance(*pair, block_size=_KID_BLOCK)
        if np.isfinite(error):  # A single block has no error.
            metrics["kid_standard_error"] = error
    metrics["inception_score"], _ = tfgan.inception_score(fake.logits)
    if len(fake.logits) >= 10:
        mean, sd = tfgan.inception_score(fake.logits, splits=10)
        metrics |= {"inception_score_10": mean, "inception_score_10_sd": sd}
    if fewer > 5:
        metrics |= neighbours.neighbour_scores(*pair)
    is_classifier = not network.is_inception and network.num_logits == num_classes
    if is_classifier and fake.labels is not None:
        metrics["class_accuracy"] = frechet.class_accuracy(fake.logits, fake.labels)
    if intra_fid:
        check_for_intra_fid("generated", fake, num_classes)
        check_for_intra_fid("real", real, num_classes)
        metrics["intra_fid"], _ = frechet.intra_frechet_distance(
            real.features, real.labels, fake.features, fake.labels, num_classes
        )
    return {name: float(value) for name, value in metrics.items()}


def check_for_intra_fid(what, summary, num_classes):
    """Checks that the `Summary` of "generated" or "real" images suffices for intra-FID.

    Raises:
        BadInput: labels, or features of some images, are missing.
    """
    if summary.labels is None or not num_classes:
        raise BadInput(
            f"intra-FID needs labels. Received: {what} images without any. "
            "Try without --intra_fid."
        )
    if len(summary.features) < summary.count:
        raise BadInput(
            "intra-FID needs the features of all images. Received: "
            f"{len(summary.features):,} of {summary.count:,} {what} ones. Try "
            "python -m sagan_tf.reference_statistics with "
            f"--keep_features={summary.count}."
        )


def warnings(fake, real, network, metrics):
    """Returns lines that say why `metrics` (see `compare`) may mislead: list of str."""
    lines = []
    official, exact = metrics["fid"], metrics["fid_exact"]
    rounding = 1e-9 * np.trace(real.moments.covariance)
    if not abs(official - exact) <= max(_FID_TOLERANCE * abs(exact), rounding):
        lines.append(
            f"TF-GAN's FID is {official:.6g}, and {exact:.6g} with an exact root: the "
            "covariances are too close to singular for TF-GAN's root."
        )
    for what, summary in (("generated", fake), ("real", real)):
        if summary.count < network.num_features + 1:
            lines.append(
                f"{summary.count:,} {what} images are fewer than the "
                f"{network.num_features:,} features + 1: their covariance lacks full "
                "rank, and the Frechet distance depends strongly on their number."
            )
    if fake.high - fake.low < 2 / 255:
        color = "black" if fake.high < -0.99 else "of one flat color"
        lines.append(
            f"All generated images are {color} (values {fake.low:.3f} to "
            f"{fake.high:.3f}): the generator is broken or untrained."
        )
    elif np.trace(fake.moments.covariance) < 1e-6 * np.trace(real.moments.covariance):
        lines.append("All generated images are alike: the generator has collapsed.")
    if not network.is_inception:
        lines.append(
            f"These values are in the feature space of {network.name}: compare them "
            "with one another, not with published ones."
        )
    return lines

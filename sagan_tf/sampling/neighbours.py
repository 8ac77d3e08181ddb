"""Finds the training images nearest to generated ones, which may be copies."""

import dataclasses
import json

import numpy as np
import tensorflow as tf
from scipy import stats

from sagan_tf import data, images
from sagan_tf.errors import BadInput
from sagan_tf.evaluation.metrics.neighbours import NearestRows
from sagan_tf.run.building import open_data

# Training images whose own nearest neighbours show which distances are usual.
_TYPICAL_IMAGES = 1000
# A generated image is suspicious if it is as near to a training image as this share of
# training images is to another one. The report warns if the probability of as many
# suspicious images by chance is below the second number.
_SUSPICIOUS_SHARE = 0.01
_CHANCE = 0.01
_BATCH = 64


@dataclasses.dataclass(frozen=True)
class Neighbours:
    """The nearest training images of N generated ones, and the usual distances.

    Attributes:
        distances: `(N, K)` float64, rising.
        pixels: uint8 `(N, K, R, R, C)`.
        labels: `(N, K)` int32, or `None` without classes.
        names: N lists of K str: path, or place in the file or data set.
        real_distances: `(M,)` float64: from training images to their nearest neighbour.
        num_images: int, training images that were searched.
        description: str, of the data set.
        space: str, what the distances are measured in.
    """

    distances: np.ndarray
    pixels: np.ndarray
    labels: np.ndarray | None
    names: list
    real_distances: np.ndarray
    num_images: int
    description: str
    space: str

    @property
    def threshold(self):
        """The distance within which 1 % of training images have another one."""
        return _quantiles(self.real_distances)["percentile_1"]

    @property
    def suspicious(self):
        """`(N,)` bool, which generated images are within the threshold."""
        return self.distances[:, 0] <= self.threshold

    def report(self):
        """The distances and a verdict, for a person to read: list of lines."""
        near, real = self.distances[:, 0], self.real_distances
        width = len(f"{max(len(near), len(real)):,}")
        lines = [
            f"Distances to the nearest of {self.num_images:,} training images, in "
            f"{self.space}:"
        ]
        for kind, distances in (("generated", near), ("training", real)):
            lowest, percentile, median = _quantiles(distances).values()
            lines.append(
                f"  from {len(distances):{width},} {kind + ' images':<16} lowest "
                f"{lowest:#.4g}, 1 % within {percentile:#.4g}, median {median:#.4g}"
            )
        count, total = int(self.suspicious.sum()), len(near)
        # More than 1 % if there are equal distances, as between duplicates.
        share = float(np.mean(real <= self.threshold))
        # The probability of as many or more if generated images are like real ones.
        is_chance = stats.binom.sf(count - 1, total, share) >= _CHANCE
        verdict = (
            "no sign of copies" if is_chance else "more than by chance. Look at them"
        )
        lines.append(
            f"Copies? {count:,} of {total:,} generated images ({count / total:.1%}) "
            f"are within {self.threshold:#.4g} of a training image; {share:.1%} of "
            f"training images are that close to another one: {verdict}."
        )
        return lines

    def to_json(self, samples):
        """Returns everything except the pixels as JSON text.

        Args:
            samples: N dicts, the description of each generated image.
        """
        columns = {"distance": self.distances.tolist(), "picture": self.names}
        if self.labels is not None:
            columns["label"] = self.labels.tolist()
        near = [
            [dict(zip(columns, each)) for each in zip(*row)]
            for row in zip(*columns.values())
        ]
        suspicious = self.suspicious.tolist()
        about = {
            "report": self.report(),
            "data": self.description,
            "num_images": self.num_images,
            "space": self.space,
            "generated": _quantiles(self.distances[:, 0]),
            "training": _quantiles(self.real_distances),
            "num_training": len(self.real_distances),
            "threshold": self.threshold,
            "samples": [
                {**sample, "suspicious": is_suspicious, "neighbours": neighbours}
                for sample, is_suspicious, neighbours in zip(samples, suspicious, near)
            ],
        }
        return json.dumps(about, indent=2) + "\n"


def _quantiles(distances):
    """Returns the lowest distance, the 1 % quantile and the median: dict."""
    percentile = np.quantile(distances, _SUSPICIOUS_SHARE, method="lower")
    return {
        "lowest": float(np.min(distances)),
        "percentile_1": float(percentile),
        "median": float(np.median(distances)),
    }


def find_neighbours(config, network, generated, neighbours, num_images=None):
    """Finds the training images that are nearest to generated ones.

    Distances are Euclidean, between features. Training images are those of the run's
    split, cropped and resized as in the training, but not mirrored.

    Args:
        config: `Config` of the run.
        network: `FeatureNetwork`.
        generated: uint8 pixels `(N, R, R, C)`.
        neighbours: int >= 1, K.
        num_images: int, the number of training images to search at most; `None` for
            all. They are drawn at random, always the same ones.

    Returns:
        `Neighbours`.

    Raises:
        BadInput: the data set cannot be used, or has too few images.
    """
    source, config = open_data(config)
    total = min(num_images or source.num_images, source.num_images)
    if total < max(neighbours, 2):
        raise BadInput(
            "neighbours must be at most the number of training images. Received: "
            f"neighbours={neighbours}, {total} of {source.description}. Try fewer "
            "--neighbours, or more --neighbour_images."
        )
    run = tf.function(network, reduce_retracing=True)
    queries = [
        run(tf.constant(images.from_pixels(generated[first : first + _BATCH])))[0]
        for first in range(0, len(generated), _BATCH)
    ]
    batches = data.read_once(
        source,
        resolution=config.resolution,
        image_channels=config.image_channels,
        count=total,
        batch_size=_BATCH,
        resize=config.resize,
        shuffle_buffer_images=config.shuffle_buffer_images,
        labelled=config.num_classes > 0,
        what="Searching training images",
    )
    nearest = NearestRows(np.concatenate(queries), neighbours)
    typical, kept = _search(batches, run, nearest, min(_TYPICAL_IMAGES, total))
    pixels, labels, indices = map(np.array, kept)
    return Neighbours(
        distances=nearest.distances,
        pixels=images.to_pixels(pixels),
        labels=labels if config.num_classes else None,
        names=[[source.name(int(index)) for index in row] for row in indices],
        real_distances=typical.distances[:, 0],
        num_images=total,
        description=source.description,
        space=f"the feature space of {network.name} ({network.hash[:12]})",
    )


def _search(batches, run, nearest, num_typical):
    """Searches batches of training images with `nearest`.

    Returns:
        `NearestRows` of the first `num_typical` images; and images, labels and indices
        of the rows that are nearest at the end, each as N lists of K.
    """
    typical, waiting, kept = None, [], {}
    for batch, labels, indices in batches:
        features = run(tf.constant(batch))[0].numpy()
        labels = indices if labels is None else labels
        kept |= enumerate(zip(batch, labels, indices), nearest.count)
        nearest.add(features)
        # Only the images that are nearest so far are kept.
        kept = {i: kept[i] for i in kept.keys() & set(nearest.positions.flat)}
        if typical is None:
            # This search begins when all typical images are known.
            waiting.append(features)
            features = np.concatenate(waiting)
            if len(features) < num_typical:
                continue
            own = np.arange(num_typical)
            typical = NearestRows(features[:num_typical], 1, own)
        typical.add(features)
    rows = [[kept[i] for i in row] for row in nearest.positions.tolist()]
    return typical, [[[each[i] for each in row] for row in rows] for i in range(3)]

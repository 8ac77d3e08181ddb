"""The training pictures that are nearest to generated ones: has the network copied?"""

import dataclasses
import json

import numpy as np
import tensorflow as tf
from scipy import stats
from tqdm import tqdm

from sagan_tf import data, images
from sagan_tf.errors import BadInput
from sagan_tf.evaluation.metrics.nearest import NearestRows
from sagan_tf.run.building import open_data

# Training pictures whose own nearest neighbours say what is near.
_TYPICAL_IMAGES = 1000
# As near as this share of training pictures are to one another is suspicious. That more
# are than among real pictures is said if chance would bring it this seldom.
_SUSPICIOUS_SHARE = 0.01
_CHANCE = 0.01
_BATCH = 64


@dataclasses.dataclass(frozen=True)
class Neighbours:
    """The nearest training pictures of N generated ones, and what is usual.

    Attributes:
        distances: `(N, K)` float64, rising.
        pixels: uint8 `(N, K, R, R, C)`.
        labels: `(N, K)` int32, or `None` without classes.
        names: N lists of K str: path, or place in the file or data set.
        real_distances: `(M,)` float64: from training pictures to the nearest other one.
        num_images: int, training pictures that were searched.
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
        """The distance within which 1 % of training pictures have another one."""
        return _quantiles(self.real_distances)["percentile_1"]

    @property
    def suspicious(self):
        """`(N,)` bool, which generated pictures are as near to one as that."""
        return self.distances[:, 0] <= self.threshold

    def report(self):
        """What was found: lines of text for a person."""
        near, real = self.distances[:, 0], self.real_distances
        width = len(f"{max(len(near), len(real)):,}")
        lines = [
            f"Distances to the nearest of {self.num_images:,} training pictures, in "
            f"{self.space}:"
        ]
        for kind, distances in (("generated", near), ("training", real)):
            lowest, percentile, median = _quantiles(distances).values()
            lines.append(
                f"  from {len(distances):{width},} {kind + ' pictures':<18} lowest "
                f"{lowest:#.4g}, 1 % within {percentile:#.4g}, median {median:#.4g}"
            )
        return [*lines, self._verdict()]

    def _verdict(self):
        count, total = int(self.suspicious.sum()), len(self.distances)
        # Of equal distances, as between pictures that are there twice, all count.
        share = float(np.mean(self.real_distances <= self.threshold))
        text = (
            f"Copies? {count:,} of {total:,} generated pictures ({count / total:.1%}) "
            f"are within {self.threshold:#.4g} of a training picture, as {share:.1%} "
            "of training pictures are of another one: "
        )
        # The chance that as many are, if generated pictures are like real ones.
        if stats.binom.sf(count - 1, total, share) < _CHANCE:
            return text + "more than by chance. Look at them."
        return text + "no sign of it."

    def to_json(self, samples):
        """All of it but the pictures, as JSON text.

        Args:
            samples: N dicts, what is to be said of each generated picture.
        """
        records = []
        for row, sample in enumerate(samples):
            near = [
                {"distance": float(distance), "picture": name}
                for distance, name in zip(self.distances[row], self.names[row])
            ]
            if self.labels is not None:
                for each, label in zip(near, self.labels[row]):
                    each["label"] = int(label)
            suspicious = bool(self.suspicious[row])
            records.append({**sample, "suspicious": suspicious, "neighbours": near})
        about = {
            "report": self.report(),
            "data": self.description,
            "num_images": self.num_images,
            "space": self.space,
            "generated": _quantiles(self.distances[:, 0]),
            "training": _quantiles(self.real_distances),
            "num_training": len(self.real_distances),
            "threshold": self.threshold,
            "samples": records,
        }
        return json.dumps(about, indent=2) + "\n"


def _progress(total):
    return tqdm(
        total=total,
        desc="Training pictures",
        unit=" images",
        dynamic_ncols=True,
        leave=False,
        disable=None,  # Not in a log file.
    )


def _quantiles(distances):
    """Lowest distance, the one within which 1 % are, and median: dict."""
    percentile = np.quantile(distances, _SUSPICIOUS_SHARE, method="lower")
    return {
        "lowest": float(np.min(distances)),
        "percentile_1": float(percentile),
        "median": float(np.median(distances)),
    }


def find_neighbours(config, network, generated, neighbours, num_images=None):
    """Finds the training pictures that are nearest to generated ones.

    Distances are Euclidean, between features. Training pictures are what the training
    saw: of its split, cropped and resized as there; not mirrored.

    Args:
        config: `Config` of the run.
        network: `FeatureNetwork`.
        generated: uint8 pixels `(N, R, R, C)`.
        neighbours: int >= 1, K.
        num_images: int, how many training pictures are searched at most; `None` for
            all. They are drawn at random, always the same ones.

    Returns:
        `Neighbours`.

    Raises:
        BadInput: the data set cannot be used, or has too few pictures.
    """
    source, config = open_data(config)
    total = min(num_images or source.num_images, source.num_images)
    if total < max(neighbours, 2):
        raise BadInput(
            f"neighbours must not be more than there are training pictures. Received: "
            f"neighbours={neighbours}, {total} of {source.description}. Try fewer "
            "--neighbours, or more --neighbour_images."
        )
    run = tf.function(network, reduce_retracing=True)
    queries = [
        run(tf.constant(images.from_pixels(generated[first : first + _BATCH])))[0]
        for first in range(0, len(generated), _BATCH)
    ]
    search = _Search(np.concatenate(queries), neighbours, min(_TYPICAL_IMAGES, total))
    with _progress(total) as progress:
        for pictures, labels, indices in _batches(source, config, total):
            features, _ = run(tf.constant(pictures))
            search.add(features.numpy(), pictures, labels, indices)
            progress.update(len(pictures))
    pixels, labels, indices = search.found()
    return Neighbours(
        distances=search.nearest.distances,
        pixels=pixels,
        labels=labels if config.num_classes else None,
        names=[[source.name(int(index)) for index in row] for row in indices],
        real_distances=search.typical.distances[:, 0],
        num_images=total,
        description=source.description,
        space=f"the feature space of {network.name} ({network.hash[:12]})",
    )


class _Search:
    """The neighbours of generated pictures and of the first training pictures."""

    def __init__(self, queries, neighbours, num_typical):
        self.nearest = NearestRows(queries, neighbours)
        self.typical = None
        self._num_typical = num_typical
        self._waiting = []
        self._kept = {}

    def add(self, features, pictures, labels, indices):
        """Looks at a batch."""
        first = self.nearest.count
        self.nearest.add(features)
        wanted = set(self.nearest.positions.ravel().tolist())
        self._kept = {place: it for place, it in self._kept.items() if place in wanted}
        for row in range(len(features)):
            if first + row in wanted:
                self._kept[first + row] = pictures[row], labels[row], indices[row]
        self._add_typical(features)

    def _add_typical(self, features):
        """The first training pictures are looked for once all of them are known."""
        if self.typical is not None:
            self.typical.add(features)
            return
        self._waiting.append(features)
        together = np.concatenate(self._waiting)
        if len(together) >= self._num_typical:
            queries = together[: self._num_typical]
            self.typical = NearestRows(queries, 1, np.arange(len(queries)))
            for batch in self._waiting:
                self.typical.add(batch)
            self._waiting = []

    def found(self):
        """Pixels, labels and indices of the neighbours."""
        kept = [[self._kept[place] for place in row] for row in self.nearest.positions]
        pictures, labels, indices = (
            np.array([[it[part] for it in row] for row in kept]) for part in range(3)
        )
        return images.to_pixels(pictures), labels, indices


def _batches(source, config, total):
    """Yields images, labels and indices of `total` pictures in a random order."""
    order = {"seed": 0, "shuffle_buffer_images": config.shuffle_buffer_images}
    pictures = data.make_dataset(
        source,
        resolution=config.resolution,
        image_channels=config.image_channels,
        batch_size=min(_BATCH, source.num_images),
        resize=config.resize,
        repeat=False,
        drop_remainder=False,
        labelled=config.num_classes > 0,
        cache_bytes=0,  # Each picture is read once, and perhaps not all of them.
        **order,
    )
    indices = source.epoch(epoch=0, **order).map(lambda element: element["index"])
    indices = indices.batch(min(_BATCH, source.num_images))
    left = total
    try:
        for batch, numbers in tf.data.Dataset.zip(pictures, indices):
            no_labels = tf.zeros_like(numbers, tf.int32)
            some, labels = batch if isinstance(batch, tuple) else (batch, no_labels)
            some, labels, numbers = (a.numpy()[:left] for a in (some, labels, numbers))
            yield some, labels, numbers
            left -= len(some)
            if not left:
                return
    except tf.errors.OpError as error:
        problem = data.name_bad_image(source, **order)
        if problem is None:
            raise
        raise BadInput(
            f"{problem} Try replacing it, or --skip_bad_images in training."
        ) from error

"""What the metrics need of a set of images, and its file.

A reference file is a NumPy .npz: `count`, `mean`, `covariance` (float64) over all N
images, `features` (K, D), `logits` (K, L) (float32) and `labels` (K,) (int32) of the
first K, and `about`, JSON with what they were made from.
"""

import hashlib
import json
import os
import zipfile

import numpy as np

from sagan_tf import files, images
from sagan_tf.errors import BadInput
from sagan_tf.evaluation.metrics.moments import Moments
from sagan_tf.evaluation.metrics.rows import ROWS_AT_A_TIME

_ARRAYS = ("count", "mean", "covariance", "features", "logits", "labels", "about")


class Summary:
    """Mean and covariance of all features; features, logits and labels of the first.

    Args:
        keep: int, K, images whose features, logits and labels are kept.

    Attributes:
        count: N, int.
        low, high: float, smallest and largest image value, NaN if never told.
    """

    def __init__(self, keep):
        self.keep = keep
        self.count = 0
        self._moments = None
        self._waiting = []
        self.low, self.high = np.nan, np.nan
        self._kept = {"features": [], "logits": [], "labels": []}
        self._num_kept = 0

    @classmethod
    def from_arrays(cls, moments, features, logits, labels=None):
        """A summary from `Moments` and the arrays that the properties return."""
        summary = cls(keep=len(features))
        summary.count, summary._moments = moments.count, moments
        summary._num_kept = len(features)
        kept = {"features": features, "logits": logits, "labels": labels}
        for name, values in kept.items():
            summary._kept[name] += [] if values is None else [values]
        return summary

    @property
    def moments(self):
        """`Moments` of all images; `None` before the first."""
        self._add_waiting()
        return self._moments

    @property
    def features(self):
        """`(K, D)` float32."""
        return self._joined("features")

    @property
    def logits(self):
        """`(K, L)` float32."""
        return self._joined("logits")

    @property
    def labels(self):
        """`(K,)` int32, or `None` without labels."""
        return self._joined("labels") if self._kept["labels"] else None

    def add(self, features, logits, labels=None, low=np.nan, high=np.nan):
        """Adds images.

        Args:
            features, logits: `(n, D)` and `(n, L)` float32.
            labels: `(n,)` ints; `None` in all calls or in none.
            low, high: smallest and largest value of these images.

        Raises:
            BadInput: a feature or logit is NaN or infinite.
        """
        self._check(features, logits)
        self.count += len(features)
        self._waiting.append(np.asarray(features, np.float32))
        if sum(map(len, self._waiting)) >= ROWS_AT_A_TIME:
            self._add_waiting()
        self.low, self.high = np.fmin(self.low, low), np.fmax(self.high, high)
        wanted = min(len(features), self.keep - self._num_kept)
        if wanted > 0:
            self._kept["features"].append(np.asarray(features[:wanted], np.float32))
            self._kept["logits"].append(np.asarray(logits[:wanted], np.float32))
            if labels is not None:
                self._kept["labels"].append(np.asarray(labels[:wanted], np.int32))
            self._num_kept += wanted

    def _add_waiting(self):
        if not self._waiting:
            return
        features, self._waiting = np.concatenate(self._waiting), []
        if self._moments is None:
            self._moments = Moments(features.shape[1])
        self._moments.update(features)

    def _check(self, features, logits):
        finite = np.isfinite(features).all(1) & np.isfinite(logits).all(1)
        if not finite.all():
            where = self.count + int(np.argmin(finite))
            raise BadInput(
                "Features and logits must be finite. Received: NaN or infinity for "
                f"image {where}. Try another checkpoint: this generator, or the "
                "feature network, is broken."
            )

    def _joined(self, name):
        parts = self._kept[name]
        if len(parts) > 1:
            self._kept[name] = parts = [np.concatenate(parts)]
        return parts[0]


class ContentHash:
    """SHA-256 over the pixels and labels of real images, in their order."""

    def __init__(self):
        self._digest = hashlib.sha256()

    def add(self, batch, labels=None):
        """Adds images `(n, R, R, C)` float32 in [-1, 1] and their labels `(n,)`."""
        for index, image in enumerate(images.to_pixels(np.asarray(batch))):
            self._digest.update(np.int64(image.shape).tobytes())
            self._digest.update(image.tobytes())
            if labels is not None:
                self._digest.update(np.int32(labels[index]).tobytes())

    def hexdigest(self):
        """64 hexadecimal digits."""
        return self._digest.hexdigest()


def write_reference(path, summary, about):
    """Writes a reference file, whole or not at all.

    Args:
        path: of the file; its folder is made.
        summary: `Summary` of the real images.
        about: dict for JSON: what they are, how they were treated.

    Raises:
        OSError: it cannot be written.
    """
    labels = np.zeros([0], np.int32) if summary.labels is None else summary.labels
    os.makedirs(os.path.dirname(os.path.abspath(path)), exist_ok=True)
    with files.replacing(path) as temporary, open(temporary, "wb") as file:
        np.savez(
            file,
            count=np.int64(summary.count),
            mean=summary.moments.mean,
            covariance=summary.moments.covariance,
            features=summary.features,
            logits=summary.logits,
            labels=labels,
            about=np.array(json.dumps(about)),
        )


def read_reference(path):
    """Reads a reference file.

    Returns:
        `Summary`, and the dict `about`.

    Raises:
        BadInput: it is missing, damaged or something else.
    """
    if not os.path.isfile(path):
        raise BadInput(
            f"There is no reference file {path}. Try python -m "
            f"sagan_tf.reference_statistics --dataset=... --output={path}."
        )
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in _ARRAYS}
        about = json.loads(str(arrays["about"]))
        moments = Moments.from_statistics(
            int(arrays["count"]), arrays["mean"], arrays["covariance"]
        )
    except (KeyError, ValueError, OSError, EOFError, zipfile.BadZipFile) as error:
        raise BadInput(
            f"{path} is not a whole reference file: {error}. Try removing it and "
            "python -m sagan_tf.reference_statistics."
        ) from error
    labels = arrays["labels"] if len(arrays["labels"]) else None
    summary = Summary.from_arrays(moments, arrays["features"], arrays["logits"], labels)
    return summary, about


def check_same(path, about, wanted):
    """Checks that `about` of the reference file `path` has the entries of `wanted`.

    Raises:
        BadInput: some differ; the line names them all.
    """
    differences = [
        f"{key} is {about.get(key)!r}, needed {value!r}"
        for key, value in wanted.items()
        if about.get(key) != value
    ]
    if differences:
        raise BadInput(
            f"The reference statistics in {path} are of something else: "
            f"{'; '.join(differences)}. Try another file, or remove this one to have "
            "it made again."
        )

"""Mean and covariance of features in one pass: float64, constant memory."""

import concurrent.futures

import numpy as np

from sagan_tf.errors import BadInput
from sagan_tf.evaluation.metrics.blas import one_blas_thread
from sagan_tf.evaluation.metrics.rows import ROWS_AT_A_TIME, check_rows


class Moments:
    """Count, mean and covariance of all features seen so far.

    The sum of squares about the mean of a union of two sets A and B is

        S = S_A + S_B + (n_A n_B / n) d d^T,    d = mean_B - mean_A

    (Chan, Golub and LeVeque, "Algorithms for computing the sample variance", The
    American Statistician 37, 1983, for one feature). Each set is centered at its own
    mean, so nothing large is subtracted. The order of the features changes the result
    only by rounding (below 1e-9 of it).

    Args:
        num_features: int, D. Needs 8 D^2 bytes: 34 MB for the 2048 of Inception.

    Attributes:
        count: int, rows seen.
    """

    def __init__(self, num_features):
        self.count = 0
        self._mean = np.zeros(num_features)
        self._squares = np.zeros((num_features, num_features))  # S

    @classmethod
    def from_statistics(cls, count, mean, covariance):
        """Creates `Moments` from stored statistics; they can be updated.

        Args:
            count: int, at least 2.
            mean: float array (D,).
            covariance: float array (D, D), symmetric, unbiased (over count - 1).

        Raises:
            BadInput: a shape or the count is wrong, a value is not finite, or the
                covariance is not symmetric.
        """
        mean, covariance = np.array(mean, float), np.array(covariance, float)
        if mean.ndim != 1 or covariance.shape != 2 * mean.shape or count < 2:
            raise BadInput(
                "Statistics are a count of at least 2, a mean (D,) and a covariance "
                f"(D, D). Received: count={count}, shapes {mean.shape} and "
                f"{covariance.shape}. Try the values of Moments."
            )
        check_rows(np.vstack([mean, covariance]), "mean and covariance")
        largest = np.abs(covariance).max(initial=0)
        if not np.allclose(covariance, covariance.T, rtol=0, atol=1e-6 * largest):
            raise BadInput(
                "A covariance must be symmetric. Received: one that is not. "
                "Try the covariance itself, not a factor of it."
            )
        moments = cls(len(mean))
        moments.count, moments._mean = int(count), mean
        moments._squares = covariance * (count - 1)
        return moments

    def update(self, features):
        """Adds features.

        Args:
            features: float array (n, D); float32 is converted a piece at a time.

        Raises:
            BadInput: the shape is wrong, or a feature is NaN or infinite. Then nothing
                is added.
        """
        features = check_rows(features, "features", len(self._mean))
        with one_blas_thread():
            for start in range(0, len(features), ROWS_AT_A_TIME):
                self._add(features[start : start + ROWS_AT_A_TIME])

    def _add(self, features):
        count = self.count + len(features)
        rows = np.empty((len(features) + 1, len(self._mean)))
        rows[:-1] = features
        mean = rows[:-1].mean(axis=0)
        rows[:-1] -= mean
        # The last term of S is one more row of the matrix that is multiplied.
        difference = mean - self._mean
        rows[-1] = np.sqrt(self.count * len(features) / count) * difference
        self._mean = self._mean + difference * (len(features) / count)
        self.count = count
        # NumPy makes BLAS do only half of the work (syrk). Other Python threads can run
        # meanwhile, unlike during SciPy's dsyrk.
        self._squares += rows.T @ rows

    @property
    def mean(self):
        """Mean of the rows: float64 (D,); zeros before the first row."""
        return self._mean.copy()

    @property
    def covariance(self):
        """Unbiased covariance of the rows, S / (count - 1): float64 (D, D).

        Raises:
            BadInput: there were fewer than 2 rows.
        """
        if self.count < 2:
            raise BadInput(
                "A covariance needs at least 2 rows of features. "
                f"Received: {self.count}. Try more images."
            )
        return self._squares / (self.count - 1)


def moments_of(*feature_sets):
    """Computes the `Moments` of whole arrays, each in its own thread: list.

    Args:
        *feature_sets: float arrays (N, D); N and D may differ.

    Raises:
        BadInput: a shape is wrong, or a feature is NaN or infinite.
    """

    def measure(features):
        features = check_rows(features, "features")
        moments = Moments(features.shape[1])
        moments.update(features)
        return moments

    with one_blas_thread(), concurrent.futures.ThreadPoolExecutor() as pool:
        return list(pool.map(measure, feature_sets))

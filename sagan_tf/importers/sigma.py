"""Other projects' sigma, and the `u` from which our layer computes the same sigma.

W is the weight as a matrix (outputs, inputs). Projects have three styles:

* `ITERATED`, of BigGAN-PyTorch: one power iteration from the stored u, at inference
  too, as in `SpectralNormalization`: sigma = |W v| with v = W^T u / |W^T u|.
* `STORED`, of `torch.nn.utils.spectral_norm`: inference uses the stored u and v
  unchanged: sigma = u^T W v. The weights have changed since u and v were computed, and
  averaged weights come with averages of u and v, so this sigma is smaller.
* `PLAIN`: no spectral normalization.
"""

import numpy as np

# `SpectralNormalization` divides by |W^T u| + epsilon.
EPSILON = 1e-12
# Relative precision of a sigma, limited by the rounding of the stored u and v.
TOLERANCE = 1e-6
# Enough to reach the largest singular value, unless the next one is as large.
_POWER_ITERATIONS = 100


# The names of a weight and of the vectors that belong to it.
STORED = ("weight_orig", "weight_u", "weight_v")
ITERATED = ("weight", "u0")
PLAIN = ("weight",)


def source_sigma(weight, *vectors):
    """Returns the float by which a source divides a weight at inference.

    Args:
        weight: array, first axis the outputs.
        vectors: arrays, the vectors of the weight's style.
    """
    sigma = (lambda weight: 1.0, iterated_sigma, stored_sigma)[len(vectors)]
    return sigma(weight, *vectors)


def our_u(weight, *vectors):
    """Returns the u of `SpectralNormalization` for the sigma of `source_sigma`.

    Returns:
        Array with a value for each output, or `None` if there is no such u.
    """
    if len(vectors) < 2:
        return vectors[0] if vectors else None
    return matching_u(weight, vectors[0], stored_sigma(weight, *vectors))


def iterated_sigma(weight, u):
    """Returns sigma after one power iteration from u: float. See `matching_u`."""
    matrix = _as_matrix(weight)
    v = matrix.T @ np.ravel(u).astype(np.float64)
    return float(np.linalg.norm(matrix @ v) / (np.linalg.norm(v) + EPSILON))


def stored_sigma(weight, u, v):
    """Returns sigma = u^T W v, a float. v has a value for each input."""
    return float(np.float64(u) @ _as_matrix(weight) @ np.float64(v))


def matching_u(weight, u, sigma):
    """Finds a u near a given u from which our layer computes a given sigma.

    This is the sigma at inference. Power iterations raise it, up to the largest
    singular value. A shorter u lowers it: v = W^T u / (|W^T u| + epsilon) is then
    shorter than 1. If |W^T u| = epsilon r / (1 - r), sigma becomes r times as large.
    The first training step restores the length of u, and training continues with the
    true sigma.

    Args:
        weight: array, first axis the outputs.
        u: array with a value for each output.
        sigma: float.

    Returns:
        float32 array of u's shape. `None` if there is no such u: sigma is not positive,
        sigma is above the largest singular value, or W^T u is 0. NaN if an argument is
        not finite.
    """
    matrix = _as_matrix(weight)
    ours = np.ravel(u).astype(np.float64)
    if not np.isfinite(sigma + matrix.sum() + ours.sum()):
        return np.full(np.shape(u), np.nan, np.float32)
    if not np.any(matrix.T @ ours):
        return None
    ours /= np.linalg.norm(ours)
    for _ in range(_POWER_ITERATIONS):
        present = iterated_sigma(matrix, ours)
        if present >= sigma * (1 - TOLERANCE):
            break
        ours = matrix @ (matrix.T @ ours)
        ours /= np.linalg.norm(ours)
    ratio = sigma / present
    if not 0 < ratio <= 1 + TOLERANCE:
        return None
    if ratio < 1 - TOLERANCE / 10:
        length = EPSILON * ratio / (1 - ratio)
        ours *= length / np.linalg.norm(matrix.T @ ours)
    return ours.astype(np.float32).reshape(np.shape(u))


def _as_matrix(weight):
    """Reshapes a weight, first axis the outputs, to (outputs, inputs), float64."""
    weight = np.asarray(weight, np.float64)
    return weight.reshape(weight.shape[0], -1)

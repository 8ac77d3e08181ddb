"""Sigma as other projects compute it, and the `u` from which ours is the same.

With W the weight as a matrix (outputs, inputs):

* BigGAN-PyTorch makes one power iteration from the stored u, at inference too, as
  `SpectralNormalization` does: sigma = |W v'| with v' = W^T u / |W^T u|.
* `torch.nn.utils.spectral_norm` takes its stored u and v at inference as they are:
  sigma = u^T W v. Weights have moved since these were computed, and in averaged weights
  they are averages too, so that this sigma is smaller than that of an iteration.
"""

import numpy as np

# `SpectralNormalization` divides by |W^T u| + epsilon.
EPSILON = 1e-12
# Relative precision of a sigma: that of stored, rounded u and v.
TOLERANCE = 1e-6
# They bring u to the largest singular value, unless the next one is as large.
_POWER_ITERATIONS = 100


def as_matrix(weight):
    """A weight whose first axis is the outputs as (outputs, inputs), float64."""
    weight = np.asarray(weight, np.float64)
    return weight.reshape(weight.shape[0], -1)


def iterated_sigma(weight, u):
    """Sigma after one power iteration from u: ours, and BigGAN-PyTorch's.

    Args:
        weight: array, first axis the outputs.
        u: array of `outputs` values.

    Returns:
        float.
    """
    matrix = as_matrix(weight)
    v = matrix.T @ np.ravel(u).astype(np.float64)
    return float(np.linalg.norm(matrix @ v) / (np.linalg.norm(v) + EPSILON))


def stored_sigma(weight, u, v):
    """Sigma = u^T W v: that of `torch.nn.utils.spectral_norm` at inference.

    Args:
        weight: array, first axis the outputs.
        u, v: arrays of as many values as there are outputs, inputs.

    Returns:
        float.
    """
    return float(np.float64(u) @ as_matrix(weight) @ np.float64(v))


def matching_u(weight, u, sigma):
    """A u near a given one from which our layer comes to a given sigma at inference.

    Power iterations raise sigma, up to the largest singular value. A shorter u lowers
    it: v = W^T u / (|W^T u| + epsilon) is shorter than 1 then, so that with a length at
    which |W^T u| = epsilon r / (1 - r), sigma is r times what it was. The first step of
    a training gives u its length back, and goes on with the true sigma.

    Args:
        weight: array, first axis the outputs.
        u: array of `outputs` values.
        sigma: float.

    Returns:
        float32 array of u's shape, or `None` if there is none: sigma is not positive or
        is above the largest singular value, or W^T u is 0. If an argument is not
        finite, it is not.
    """
    matrix = as_matrix(weight)
    found = np.ravel(u).astype(np.float64)
    if not np.isfinite(sigma + matrix.sum() + found.sum()):
        return np.full(np.shape(u), np.nan, np.float32)
    if not np.any(matrix.T @ found):
        return None
    found /= np.linalg.norm(found)
    for _ in range(_POWER_ITERATIONS):
        present = iterated_sigma(matrix, found)
        if present >= sigma * (1 - TOLERANCE):
            break
        found = matrix @ (matrix.T @ found)
        found /= np.linalg.norm(found)
    ratio = sigma / present
    if not 0 < ratio <= 1 + TOLERANCE:
        return None
    if ratio < 1 - TOLERANCE / 10:
        length = EPSILON * ratio / (1 - ratio)
        found *= length / np.linalg.norm(matrix.T @ found)
    return found.astype(np.float32).reshape(np.shape(u))

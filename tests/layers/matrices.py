"""Matrices and derivatives for the tests of spectral normalization."""

import numpy as np


def matrix_with_singular_values(values, rows, columns):
    """Makes a matrix whose singular vectors differ from a diagonal matrix's."""
    random = np.random.default_rng(3)
    left, _ = np.linalg.qr(random.normal(size=(rows, len(values))))
    right, _ = np.linalg.qr(random.normal(size=(columns, len(values))))
    return (left * values @ right.T).astype("float32")


def numeric_gradient(function, matrix, step=1e-3):
    """Central differences of a function from a matrix to a number."""
    gradient = np.zeros_like(matrix)
    for index in np.ndindex(matrix.shape):
        sides = []
        for sign in (1, -1):
            moved = matrix.copy()
            moved[index] += sign * step
            sides.append(float(function(moved)))
        gradient[index] = (sides[0] - sides[1]) / (2 * step)
    return gradient


def cosine(one, other):
    return np.sum(one * other) / np.linalg.norm(one) / np.linalg.norm(other)

"""The power iteration of spectral normalization, and its gradient, as pure functions.

`M` is a matrix `(m, n)`, `u` a row vector `(1, n)`, `e` a small number. One iteration:

    a = u M^T,   v = a / (|a| + e),   b = v M,   u' = b / (|b| + e).

The next iteration starts from u'. After the last one

    sigma = b u'^T = |b|^2 / (|b| + e).

The gradient of sigma. `dx` is the derivative of sigma by the row x. The start is

    db = u' (2 - |b| / (|b| + e)),

which is u' but for e. From there the chain rule goes back through each iteration:

    dv = db M^T                                    dM += v^T db
    da = dv / (|a| + e) - <dv, v> / |a| v
    du = da M                                      dM += da^T u

and `db` of the iteration before follows from `du` as `da` follows from `dv`. So dM is
a sum of products of a column and a row, computed as one product of two thin matrices.
Miyato et al. hold u' and v constant instead, which leaves dM = v^T u'.

The gradient of Y = W / sigma, with W the weight and dY the gradient by Y, is

    dW = dY / sigma - <dY, Y> / sigma * d sigma / dW.

TensorFlow would derive the same gradient in three times as many operations, and would
read the weight six times instead of three.

Reference: Miyato et al., Spectral Normalization for GANs, arXiv 1802.05957, Algorithm 1
"""

import typing

from keras import ops


class Iteration(typing.NamedTuple):
    """The values of one power iteration that its gradient needs, by the names above."""

    u_before: object
    a_norm: object
    v: object
    b_norm: object
    u: object


def iterate(matrix, u, iterations=1, epsilon=1e-12):
    """Runs power iterations.

    Args:
        matrix: `(m, n)` float tensor.
        u: `(1, n)` float tensor.
        iterations: int >= 1.
        epsilon: float, the `e` above.

    Returns:
        List of `Iteration`, one for each iteration.
    """
    steps = []
    for _ in range(iterations):
        a = _times_transposed(u, matrix)
        a_norm = _norm(a)
        v = a / (a_norm + epsilon)
        b = ops.matmul(v, matrix)
        b_norm = _norm(b)
        before, u = u, b / (b_norm + epsilon)
        steps.append(Iteration(before, a_norm, v, b_norm, u))
    return steps


def sigma_of(step, epsilon=1e-12):
    """Sigma after an `Iteration`: float scalar tensor."""
    return ops.square(step.b_norm) / (step.b_norm + epsilon)


def sigma_gradient(matrix, steps, factor=1.0, stop_gradient=False, epsilon=1e-12):
    """The gradient of sigma by the matrix.

    Args:
        matrix: `(m, n)` float tensor.
        steps: what `iterate` returned for it.
        factor: float or scalar tensor that multiplies the gradient.
        stop_gradient: bool, whether u' and v are held constant.
        epsilon: float, as given to `iterate`.

    Returns:
        `(m, n)` tensor.
    """
    last = steps[-1]
    if stop_gradient:
        return ops.matmul(ops.transpose(last.v), factor * last.u)
    columns, rows = [], []
    db = last.u * (2 - last.b_norm / (last.b_norm + epsilon))
    for index in reversed(range(len(steps))):
        step = steps[index]
        dv = _times_transposed(db, matrix)
        da = _through_unit(dv, step.v, step.a_norm, epsilon)
        columns += [step.v, da]
        rows += [db, step.u_before]
        if index:
            before = steps[index - 1]
            du = ops.matmul(da, matrix)
            db = _through_unit(du, before.u, before.b_norm, epsilon)
    columns, rows = ops.concatenate(columns, 0), ops.concatenate(rows, 0)
    return ops.matmul(ops.transpose(columns), factor * rows)


def divide_by_sigma(
    weight,
    u,
    as_matrix,
    as_weight,
    iterations=1,
    stop_gradient=False,
    clamp=False,
    epsilon=1e-12,
):
    """`W / sigma`, differentiable once by W, and the iterated `u`.

    A zero weight is divided by 1 and leaves `u` as it is.

    Args:
        weight: float tensor W of any shape.
        u: `(1, n)` tensor, held constant.
        as_matrix: function of W that returns it as the matrix M, `(m, n)`.
        as_weight: the inverse of `as_matrix`.
        iterations, epsilon: see `iterate`.
        stop_gradient: see `sigma_gradient`.
        clamp: bool, whether to divide by max(1, sigma), whose gradient is 0 below 1.

    Returns:
        Tensor of the weight's shape; `(1, n)` tensor.
    """
    # One constant for all its uses: a graph is traced and started sooner.
    epsilon = ops.cast(epsilon, weight.dtype)
    matrix = as_matrix(ops.stop_gradient(weight))
    steps = iterate(matrix, u, iterations, epsilon)
    last = steps[-1]
    new_u = ops.where(ops.equal(last.b_norm, 0), u, last.u)
    sigma = sigma_of(last, epsilon)
    is_constant = ops.less(sigma, 1) if clamp else ops.equal(sigma, 0)
    sigma = ops.where(is_constant, ops.ones_like(sigma), sigma)

    @ops.custom_gradient
    def divide(weight):
        normalized = weight / sigma

        def gradient(*args, upstream=None):
            # PyTorch's backend hands over the inputs too, and names the gradient.
            upstream = args[0] if upstream is None else upstream
            dsigma = -ops.sum(upstream * normalized) / sigma
            if clamp:
                dsigma = ops.where(is_constant, 0.0, dsigma)
            dmatrix = sigma_gradient(matrix, steps, dsigma, stop_gradient, epsilon)
            return upstream / sigma + as_weight(dmatrix)

        return normalized, gradient

    return divide(weight), new_u


def _times_transposed(row, matrix):
    """`row matrix^T` without a transposed copy: `(1, n)`, `(m, n)` to `(1, m)`."""
    return ops.reshape(ops.matmul(matrix, ops.reshape(row, (-1, 1))), (1, -1))


def _norm(x):
    return ops.sqrt(ops.sum(ops.square(x)))


def _through_unit(gradient, unit, norm, epsilon):
    """From the gradient by `unit = x / (|x| + epsilon)` to that by x."""
    radial = ops.sum(gradient * unit) / ops.maximum(norm, epsilon)
    return gradient / (norm + epsilon) - radial * unit

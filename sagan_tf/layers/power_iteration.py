"""The power iteration of spectral normalization, and its gradient, as pure functions.

`M` is a matrix `(m, n)`, `u` a row vector `(1, n)`, `e` a small number. One iteration:

    a = u M^T,   v = a / (|a| + e),   b = v M,   u' = b / (|b| + e).

The next iteration starts from u'. After the last one

    sigma = b u'^T = |b|^2 / (|b| + e).

For the gradient of sigma, let `dx` be its derivative with respect to the row x. The
start is

    db = u' (2 - |b| / (|b| + e)),

which is u' except for e. From there the chain rule goes back through each iteration:

    dv = db M^T                                    dM += v^T db
    da = dv / (|a| + e) - <dv, v> / |a| v
    du = da M                                      dM += da^T u

and `db` of the previous iteration follows from `du` as `da` follows from `dv`. So dM is
a sum of products of a column and a row, computed as one product of two thin matrices.
Miyato et al. hold u' and v constant instead, which leaves dM = v^T u'.

The gradient of Y = W / sigma, with weight W and dY the gradient with respect to Y, is

    dW = dY / sigma - <dY, Y> / sigma * d sigma / dW.

TensorFlow would derive the same gradient in three times as many operations, and would
read the weight six times instead of three.

Reference: Miyato et al., Spectral Normalization for GANs, arXiv 1802.05957, Algorithm 1
"""

import typing

from keras import ops


class Iteration(typing.NamedTuple):
    """The values of one power iteration that its gradient needs, named as above.

    v is a column here, `(m, 1)`. A length is a norm plus e. Each value is computed
    once: the smaller graph is traced faster.
    """

    u_before: object
    a_norm: object
    a_length: object
    v: object
    b_norm: object
    b_length: object
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
        a = ops.matmul(matrix, _as_column(u))
        a_norm = _norm(a)
        a_length = a_norm + epsilon
        v = a / a_length
        b = ops.matmul(_as_row(v), matrix)
        b_norm = _norm(b)
        b_length = b_norm + epsilon
        before, u = u, b / b_length
        steps.append(Iteration(before, a_norm, a_length, v, b_norm, b_length, u))
    return steps


def sigma_of(step):
    """Returns sigma after an `Iteration`: float scalar tensor."""
    return ops.square(step.b_norm) / step.b_length


def sigma_gradient(matrix, steps, factor=1.0, stop_gradient=False, epsilon=1e-12):
    """Computes the gradient of sigma with respect to the matrix.

    Args:
        matrix: `(m, n)` float tensor.
        steps: result of `iterate` for this matrix.
        factor: float or scalar tensor that multiplies the gradient.
        stop_gradient: bool, whether u' and v are held constant.
        epsilon: float, as given to `iterate`.

    Returns:
        `(m, n)` tensor.
    """
    last = steps[-1]
    if stop_gradient:
        return ops.matmul(last.v, factor * last.u)
    columns, rows = [], []
    db = last.u * (2 - last.b_norm / last.b_length)
    for index in reversed(range(len(steps))):
        step = steps[index]
        dv = ops.matmul(matrix, _as_column(db))
        da = _through_unit(dv, step.v, step.a_norm, step.a_length, epsilon)
        columns += [step.v, da]
        rows += [db, step.u_before]
        if index:
            before = steps[index - 1]
            du = ops.matmul(_as_row(da), matrix)
            db = _through_unit(du, before.u, before.b_norm, before.b_length, epsilon)
    columns, rows = ops.concatenate(columns, 1), ops.concatenate(rows, 0)
    return ops.matmul(columns, factor * rows)


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
    """Returns `W / sigma`, once differentiable in W, and the iterated `u`.

    A zero weight is divided by 1 and does not change `u`.

    Args:
        weight: float tensor W of any shape.
        u: `(1, n)` tensor, held constant.
        as_matrix: function that returns W as the matrix M, `(m, n)`.
        as_weight: the inverse of `as_matrix`.
        iterations, epsilon: see `iterate`.
        stop_gradient: see `sigma_gradient`.
        clamp: bool, whether to divide by max(1, sigma), whose gradient is 0 below 1.

    Returns:
        Tensor of the weight's shape; `(1, n)` tensor.
    """
    # One constant for all its uses: a graph is traced and started faster.
    epsilon = ops.cast(epsilon, weight.dtype)
    matrix = as_matrix(ops.stop_gradient(weight))
    steps = iterate(matrix, u, iterations, epsilon)
    last = steps[-1]
    is_zero = ops.logical_not(last.b_norm)
    new_u = ops.where(is_zero, u, last.u)
    sigma = sigma_of(last)
    is_constant = ops.less(sigma, 1) if clamp else is_zero
    sigma = ops.where(is_constant, 1.0, sigma)

    @ops.custom_gradient
    def divide(weight):
        normalized = weight / sigma

        def gradient(*args, upstream=None):
            # PyTorch's backend also passes the inputs, and names the gradient.
            upstream = args[0] if upstream is None else upstream
            dsigma = ops.sum(upstream * normalized) / sigma
            if clamp:
                dsigma = ops.where(is_constant, 0.0, dsigma)
            dmatrix = sigma_gradient(matrix, steps, dsigma, stop_gradient, epsilon)
            return upstream / sigma - as_weight(dmatrix)

        return normalized, gradient

    return divide(weight), new_u


def _as_column(row):
    return ops.reshape(row, (-1, 1))


def _as_row(column):
    return ops.reshape(column, (1, -1))


def _norm(x):
    return ops.sqrt(ops.sum(ops.square(x)))


def _through_unit(gradient, unit, norm, length, epsilon):
    """Maps the gradient of `unit = x / length` to that of x, which has this norm."""
    radial = ops.sum(gradient * unit) / ops.maximum(norm, epsilon)
    return gradient / length - radial * unit

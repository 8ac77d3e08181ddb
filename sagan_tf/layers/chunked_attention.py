"""Dot-product attention, for all queries at once or for a part of them at a time.

The softmax of one query does not depend on other queries, so each part of the map is
computed, used and discarded. The gradient computes it again, as FlashAttention (arXiv
2205.14135) does, but only the queries are cut into parts. Memory grows with N_q + N_k
instead of N_q * N_k. Whole maps use the same gradient, which reads the map less often
than the one that a backend derives. A large whole map is also computed in parts,
which are kept: the passes over the map then overlap better.
"""

import keras
from keras import ops

# A map of at most LARGEST_WHOLE_MAP values per image stays whole (16 MiB in float32). A
# larger one is cut into parts of LARGEST_PART (4 MiB, which fit a processor's cache).
LARGEST_WHOLE_MAP = 2**22
LARGEST_PART = 2**20
# A whole map of more than LARGEST_PART values is computed in this many parts, if
# the number of queries is a multiple of it. Measured: docs/performance.md.
_KEPT_PARTS = LARGEST_WHOLE_MAP // LARGEST_PART


def automatic_chunk_size(num_queries, num_keys):
    """Returns the queries per chunk for a map of this size, or `None` for all."""
    if num_queries * num_keys <= LARGEST_WHOLE_MAP:
        return None
    return largest_divisor(num_queries, max(LARGEST_PART // num_keys, 1))


def largest_divisor(number, limit):
    """Returns the largest divisor that is at most `limit`, so that chunks are equal."""
    return max(d for d in range(1, min(limit, number) + 1) if number % d == 0)


def attention_scores(queries, keys):
    """Computes the row-wise softmax of the products of all queries and keys.

    Args:
        queries: `(B, N_q, d)` float tensor.
        keys: `(B, N_k, d)` float tensor.

    Returns:
        `(B, N_q, N_k)`, float32 (float64 for float64): rows sum to 1.
    """
    scores = ops.matmul(queries, _transposed(keys))
    dtype = keras.backend.result_type(scores.dtype, "float32")
    return ops.softmax(ops.cast(scores, dtype), axis=-1)


def attend(queries, keys, values):
    """Computes attention with the whole map in memory.

    Args:
        queries, keys: see `attention_scores`.
        values: `(B, N_k, c)` float tensor.

    Returns:
        `(B, N_q, c)` tensor, and the scores, `(B, N_q, N_k)`.
    """
    scores = attention_scores(queries, keys)
    return ops.matmul(ops.cast(scores, values.dtype), values), scores


def attend_in_chunks(queries, keys, values, chunk_size=None):
    """Computes `attend(...)[0]`, with a gradient that reads the map fewer times.

    Chunks do not support second derivatives.

    Args:
        queries, keys, values: see `attend`; N_q must be known if there are chunks.
        chunk_size: int, number of queries whose part of the map is in memory at a time,
            a divisor of N_q; `None` for the whole map, which is kept for the gradient.

    Returns:
        `(B, N_q, c)` tensor.
    """

    @ops.custom_gradient
    def attended(queries, keys, values):
        if chunk_size is None:
            count = _number_of_parts(queries.shape[1], keys.shape[1])
            parts = ops.split(queries, count, axis=1)
            results = [attend(part, keys, values) for part in parts]
            outputs = ops.concatenate([output for output, _ in results], 1)
            scores = [each for _, each in results]
        else:
            outputs, scores = _outputs(queries, keys, values, chunk_size), None

        def gradient(*args, upstream=None):
            # PyTorch's backend also passes the inputs, and names the gradient.
            upstream = args[0] if upstream is None else upstream
            upstream, values_1 = _centered(upstream, outputs, values)
            inputs = (queries, keys, values_1, upstream)
            if chunk_size is None:
                dq, dk, dv = _gradients_of_parts(*inputs, scores)
            else:
                dq, dk, dv = _gradients_in_chunks(*inputs, chunk_size)
            return dq, _as_columns(dk, keys), _as_columns(dv, values)

        return outputs, gradient

    return attended(queries, keys, values)


def _outputs(queries, keys, values, chunk_size):
    def forward(index, outputs):
        part = _chunk(queries, index, chunk_size)
        output, _ = attend(part, keys, values)
        return _with_chunk(outputs, index, output)

    shape = (*ops.shape(queries)[:2], values.shape[-1])
    count = queries.shape[1] // chunk_size
    return ops.fori_loop(0, count, forward, ops.zeros(shape, values.dtype))


def _centered(upstream, outputs, values):
    """Returns `[dO, -D]` and `[V, 1]`, whose product is `dP - rowsum(dP * P)`.

    D = rowsum(dO * O) is that sum, taken over c values instead of N_k (FlashAttention,
    equation 4 of its appendix B). Both are in the scores' dtype: under mixed precision
    the difference would lose its digits.
    """
    dtype = keras.backend.result_type(values.dtype, "float32")
    upstream, outputs, values = (
        ops.cast(x, dtype) for x in (upstream, outputs, values)
    )
    sums = ops.sum(upstream * outputs, axis=-1, keepdims=True)
    ones = ops.ones_like(values[..., :1])
    return ops.concatenate([upstream, -sums], -1), ops.concatenate([values, ones], -1)


def _gradients(queries, keys, values_1, upstream, scores):
    """Computes dQ, dK^T and dV^T.

    With P the scores, dO the gradient of the output, and a row for each location,

        dP = dO V^T,   dS = P * (dP - rowsum(dP * P)),
        dQ = dS K,     dK^T = Q^T dS,     dV^T = dO^T P.

    The last two have channels as rows: transposing the narrow factors and results costs
    less than transposing the map.

    Args:
        queries, keys: see `attend`.
        values_1, upstream: see `_centered`.
        scores: see `attention_scores`.
    """
    ds = scores * ops.matmul(upstream, _transposed(values_1))
    ds = ops.cast(ds, queries.dtype)
    do = ops.cast(upstream[..., :-1], queries.dtype)
    return (
        ops.matmul(ds, keys),
        ops.matmul(_transposed(queries), ds),
        ops.matmul(_transposed(do), ops.cast(scores, do.dtype)),
    )


def _number_of_parts(num_queries, num_keys):
    """Returns the number of parts of a whole map; unknown numbers are `None`."""
    if None in (num_queries, num_keys) or num_queries % _KEPT_PARTS:
        return 1
    is_large = LARGEST_PART < num_queries * num_keys <= LARGEST_WHOLE_MAP
    return _KEPT_PARTS if is_large else 1


def _gradients_of_parts(queries, keys, values_1, upstream, scores):
    """Computes `_gradients` from the scores of each part, with sums in float32."""
    queries, upstream = (ops.split(x, len(scores), axis=1) for x in (queries, upstream))
    dq, dk, dv = zip(
        *(
            _gradients(part, keys, values_1, do, each)
            for part, do, each in zip(queries, upstream, scores)
        )
    )
    dk, dv = ([ops.cast(x, values_1.dtype) for x in each] for each in (dk, dv))
    return ops.concatenate(dq, 1), sum(dk[1:], dk[0]), sum(dv[1:], dv[0])


def _gradients_in_chunks(queries, keys, values_1, upstream, chunk_size):
    """Computes `_gradients` with one chunk of the map in memory; sums are float32."""

    def backward(index, state):
        dq, dk, dv = state
        part, do = (_chunk(x, index, chunk_size) for x in (queries, upstream))
        scores = attention_scores(part, keys)
        more_dq, more_dk, more_dv = _gradients(part, keys, values_1, do, scores)
        return (
            _with_chunk(dq, index, more_dq),
            dk + ops.cast(more_dk, dk.dtype),
            dv + ops.cast(more_dv, dv.dtype),
        )

    state = (
        ops.zeros_like(queries),
        ops.zeros_like(_transposed(keys), values_1.dtype),
        ops.zeros_like(_transposed(values_1[..., :-1])),
    )
    count = queries.shape[1] // chunk_size
    return ops.fori_loop(0, count, backward, state)


def _transposed(x):
    return ops.transpose(x, (0, 2, 1))


def _as_columns(gradient, x):
    return ops.cast(_transposed(gradient), x.dtype)


def _chunk(x, index, size):
    """Returns chunk number `index`, of `size` rows, from `(B, N, d)`."""
    batch, _, width = ops.shape(x)
    return ops.slice(x, (0, index * size, 0), (batch, size, width))


def _with_chunk(x, index, chunk):
    """Returns `x` with chunk number `index` replaced."""
    return ops.slice_update(x, (0, index * chunk.shape[1], 0), chunk)

"""Dot-product attention, whole or a part of the queries at a time.

The softmax of one query does not depend on other queries, so each part of the map is
computed, used and discarded. The gradient computes it again, as FlashAttention (arXiv
2205.14135) does, but only the queries are cut into parts. Memory grows with N_q + N_k
instead of N_q * N_k.
"""

import keras
from keras import ops

# A map of at most this many values per image is kept whole (16 MiB in float32).
# A larger one is cut into parts of this many (4 MiB, which fit a processor's cache).
LARGEST_WHOLE_MAP = 2**22
LARGEST_PART = 2**20


def automatic_chunk_size(num_queries, num_keys):
    """Queries at a time for a map of this size, or `None` for all of them."""
    if num_queries * num_keys <= LARGEST_WHOLE_MAP:
        return None
    return largest_divisor(num_queries, max(LARGEST_PART // num_keys, 1))


def largest_divisor(number, limit):
    """The largest divisor of a number that is at most `limit`: all chunks are equal."""
    return max(d for d in range(1, min(limit, number) + 1) if number % d == 0)


def attention_scores(queries, keys):
    """Row-wise softmax of all products of a query and a key.

    Args:
        queries: `(B, N_q, d)` float tensor.
        keys: `(B, N_k, d)` float tensor.

    Returns:
        `(B, N_q, N_k)`, float32 (float64 for float64): rows sum to 1.
    """
    scores = ops.matmul(queries, ops.transpose(keys, (0, 2, 1)))
    dtype = keras.backend.result_type(scores.dtype, "float32")
    return ops.softmax(ops.cast(scores, dtype), axis=-1)


def attend(queries, keys, values):
    """Attention with the whole map in memory.

    Args:
        queries, keys: see `attention_scores`.
        values: `(B, N_k, c)` float tensor.

    Returns:
        `(B, N_q, c)` tensor, and the scores, `(B, N_q, N_k)`.
    """
    scores = attention_scores(queries, keys)
    return ops.matmul(ops.cast(scores, values.dtype), values), scores


def attend_in_chunks(queries, keys, values, chunk_size):
    """`attend(...)[0]`, forward and backward, with a part of the map in memory.

    Second derivatives are not supported.

    Args:
        queries, keys, values: see `attend`; N_q is known.
        chunk_size: int, queries at a time, a divisor of N_q.

    Returns:
        `(B, N_q, c)` tensor.
    """

    @ops.custom_gradient
    def attended(queries, keys, values):
        def forward(index, outputs):
            part = _chunk(queries, index, chunk_size)
            output, _ = attend(part, keys, values)
            return _with_chunk(outputs, index, output)

        def gradient(*args, upstream=None):
            # PyTorch's backend hands over the inputs too, and names the gradient.
            upstream = args[0] if upstream is None else upstream
            return _gradients(queries, keys, values, upstream, chunk_size)

        shape = (*ops.shape(queries)[:2], values.shape[-1])
        outputs = ops.zeros(shape, values.dtype)
        count = queries.shape[1] // chunk_size
        return ops.fori_loop(0, count, forward, outputs), gradient

    return attended(queries, keys, values)


def _gradients(queries, keys, values, upstream, chunk_size):
    """With P the scores of a chunk and dO the gradient of its output,

        dV += P^T dO,   dP = dO V^T,   dS = P * (dP - rowsum(dP * P)),
        dQ = dS K,      dK += dS^T Q.

    Sums over chunks are in float32.
    """

    def backward(index, state):
        dq, dk, dv = state
        part, do = (_chunk(x, index, chunk_size) for x in (queries, upstream))
        p = attention_scores(part, keys)
        dp = ops.cast(ops.matmul(do, ops.transpose(values, (0, 2, 1))), p.dtype)
        row_sums = ops.sum(dp * p, axis=-1, keepdims=True)
        ds = ops.cast(p * (dp - row_sums), part.dtype)
        p_transposed = ops.transpose(ops.cast(p, values.dtype), (0, 2, 1))
        more_dv = ops.matmul(p_transposed, do)
        more_dk = ops.matmul(ops.transpose(ds, (0, 2, 1)), part)
        return (
            _with_chunk(dq, index, ops.matmul(ds, keys)),
            dk + ops.cast(more_dk, dk.dtype),
            dv + ops.cast(more_dv, dv.dtype),
        )

    dtype = keras.backend.result_type(values.dtype, "float32")
    state = (
        ops.zeros_like(queries),
        ops.zeros_like(keys, dtype),
        ops.zeros_like(values, dtype),
    )
    count = queries.shape[1] // chunk_size
    dq, dk, dv = ops.fori_loop(0, count, backward, state)
    return dq, ops.cast(dk, keys.dtype), ops.cast(dv, values.dtype)


def _chunk(x, index, size):
    """The `index`-th piece of `size` rows of `(B, N, d)`."""
    batch, _, width = ops.shape(x)
    return ops.slice(x, (0, index * size, 0), (batch, size, width))


def _with_chunk(x, index, chunk):
    """`x` with that piece replaced."""
    return ops.slice_update(x, (0, index * chunk.shape[1], 0), chunk)

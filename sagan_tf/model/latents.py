"""Draws z and labels: for image i from (seed, i) alone, in training from (seed, step).

They are the same at every batch size and number of replicas. The random numbers come
from Philox, which is counter-based. It is named here because TensorFlow's default
differs by device. Under XLA (`jit_compile`) TensorFlow derives other numbers from it
than without.
"""

import tensorflow as tf

from sagan_tf.networks.augmentation import NUM_UNIFORMS

# Numbers for different purposes must differ, even with the same seed.
_Z, _LABELS, _TRAINING, _AUGMENTATION = 0, 1, 2, 3


def _fold(seed, *numbers):
    """Returns a seed pair for `tf.random.stateless_*` that depends on all arguments."""
    pair = tf.stack([tf.cast(seed, tf.int64), tf.zeros([], tf.int64)])
    for number in numbers:
        pair = _fold_in(pair, number)
    return pair


def _fold_in(pair, number):
    return tf.random.fold_in(pair, tf.cast(number, tf.int64), alg="philox")


def _normal(shape, pair, dtype=tf.float32):
    return tf.random.stateless_normal(shape, pair, dtype=dtype, alg="philox")


def _uniform_int(shape, pair, limit):
    return tf.random.stateless_uniform(
        shape, pair, maxval=limit, dtype=tf.int32, alg="philox"
    )


def _as_indices(indices):
    if isinstance(indices, range):
        return tf.range(indices.start, indices.stop, indices.step, tf.int64)
    return tf.cast(indices, tf.int64)


def draw_z(indices, z_dim, seed=0, truncation=None):
    """Draws z for the images `indices`.

    Args:
        indices: `(N,)` int tensor or sequence, the numbers of the images.
        z_dim: int, length of z.
        seed: int.
        truncation: `None` for z ~ N(0, I), or a float > 0: z is drawn from a normal
            distribution cut at two standard deviations and multiplied by `truncation`
            (the truncation trick of BigGAN, arXiv 1809.11096, section 3.1).

    Returns:
        `(N, z_dim)` float32 tensor; row n depends on `(seed, indices[n])` alone.
    """

    return _draw_z(_as_indices(indices), z_dim, seed, truncation)


@tf.function(reduce_retracing=True, autograph=False)
def _draw_z(indices, z_dim, seed, truncation):
    def one(index):
        pair = _fold(seed, _Z, index)
        if truncation is None:
            return _normal([z_dim], pair)
        return truncation * tf.random.stateless_truncated_normal(
            [z_dim], pair, alg="philox"
        )

    return tf.map_fn(one, indices, fn_output_signature=tf.float32)


def draw_labels(indices, num_classes, seed=0):
    """Draws a uniform label for each of the images `indices`.

    Args:
        indices: `(N,)` int tensor or sequence, the numbers of the images.
        num_classes: int >= 1.
        seed: int.

    Returns:
        `(N,)` int32 tensor in [0, num_classes); entry n depends on
        `(seed, indices[n])` alone.
    """

    return _draw_labels(_as_indices(indices), num_classes, seed)


@tf.function(reduce_retracing=True, autograph=False)
def _draw_labels(indices, num_classes, seed):
    def one(index):
        return _uniform_int([], _fold(seed, _LABELS, index), num_classes)

    return tf.map_fn(one, indices, fn_output_signature=tf.int32)


def _share_of_replica(count):
    """Returns the global batch size, and the index of this replica's first image."""
    replica = tf.distribute.get_replica_context()
    first = count * tf.cast(replica.replica_id_in_sync_group, tf.int32)
    return count * replica.num_replicas_in_sync, first


def draw_training_uniforms(seed, step, draw, count):
    """Draws numbers for the augmentation of one pass of a step, on this replica.

    As in `draw_training_latents`, they are a slice of those of the global batch.

    Args:
        seed, step, count: see `draw_training_latents`.
        draw: int, a number for the pass and the part (real or generated images).

    Returns:
        `(count, NUM_UNIFORMS)` float32 tensor in [0, 1).
    """
    total, first = _share_of_replica(count)
    pair = _fold(seed, _AUGMENTATION, step, draw)
    numbers = tf.random.stateless_uniform([total, NUM_UNIFORMS], pair, alg="philox")
    return tf.slice(numbers, [first, 0], [count, NUM_UNIFORMS])


def draw_training_latents(seed, step, draw, count, z_dim, dtype, limit):
    """Draws z ~ N(0, I) and uniform ints for one pass of a training step.

    They are drawn for the global batch, and each replica takes its slice.

    Args:
        seed: int.
        step: int or int tensor, the number of the step.
        draw: int, the number of the pass within the step.
        count: int or int tensor, images on this replica.
        z_dim: int, length of z.
        dtype: float dtype of z.
        limit: int or int tensor, or `None` for no ints.

    Returns:
        z `(count, z_dim)`; `(count,)` int32 in [0, limit), or `None`.
    """
    total, first = _share_of_replica(count)
    pair = _fold(seed, _TRAINING, step)
    z = _normal([total, z_dim], _fold_in(pair, 2 * draw), dtype)
    z = tf.slice(z, [first, 0], [count, z_dim])
    if limit is None:
        return z, None
    places = _uniform_int([total], _fold_in(pair, 2 * draw + 1), limit)
    return z, tf.slice(places, [first], [count])

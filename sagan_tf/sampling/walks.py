"""Paths from z to z and from class to class."""

import numpy as np

from sagan_tf.errors import BadInput
from sagan_tf.model import latents


def z_path(seeds, frames, z_dim, truncation=None):
    """Returns the z on the way from each seed to the next.

    Args:
        seeds: list of at least two ints.
        frames: int >= 2, z from seed to seed, both ends included.
        z_dim: int.
        truncation: see `latents.draw_z`.

    Returns:
        `((len(seeds) - 1) * frames, z_dim)` float32.

    Raises:
        BadInput: there are too few seeds or frames.
    """
    if len(seeds) < 2 or frames < 2:
        raise BadInput(
            "interpolate needs at least two seeds and two columns. Received: "
            f"{len(seeds)} seeds, {frames} columns. Try --seeds=0-3 --columns=9."
        )
    z = latents.draw_z(seeds, z_dim, truncation=truncation).numpy()
    fractions = np.linspace(0, 1, frames)
    return np.concatenate([slerp(a, b, fractions) for a, b in zip(z[:-1], z[1:])])


def slerp(start, end, fractions):
    """Interpolates spherically between two z (Shoemake 1985).

    sin((1 - t) w) / sin(w) a + sin(t w) / sin(w) b, where w is the angle between a and
    b. All z have the length that is usual for a normal z. On a straight line they would
    be shorter, which is unlikely.

    Args:
        start, end: `(z_dim,)` arrays.
        fractions: `(F,)` array, 0 for the start, 1 for the end.

    Returns:
        `(F, z_dim)` float32.
    """
    lengths = np.linalg.norm(start) * np.linalg.norm(end)
    # With truncation 0 every z is 0, and there is no angle.
    cosine = np.dot(start, end) / lengths if lengths else 1.0
    angle = np.arccos(np.clip(cosine, -1.0, 1.0))
    t = np.asarray(fractions)[:, None]
    if np.sin(angle) < 1e-6:  # The same direction, or the opposite one.
        path = (1 - t) * start + t * end
    else:
        path = np.sin((1 - t) * angle) * start + np.sin(t * angle) * end
        path = path / np.sin(angle)
    return path.astype(np.float32)


def class_path(labels, frames, num_classes):
    """Returns the shares of classes on straight lines from each label to the next.

    Args:
        labels: sequence of at least two ints.
        frames: see `z_path`.
        num_classes: int.

    Returns:
        `((len(labels) - 1) * frames, num_classes)` float32; each row sums to 1.
    """
    ends = np.eye(num_classes)[np.asarray(labels)]
    t = np.linspace(0, 1, frames)[:, None]
    lines = [(1 - t) * a + t * b for a, b in zip(ends[:-1], ends[1:])]
    return np.concatenate(lines).astype(np.float32)

"""From seeds and labels to images, each of which depends on nothing else."""

import numpy as np

from sagan_tf.errors import BadInput
from sagan_tf.model import latents
from sagan_tf.model.generating import one_each


def walks(seeds, labels, frames, z_dim, num_classes, truncation=None):
    """z and labels of walks from each seed to the next.

    Args:
        seeds: list of at least two ints.
        labels: list of ints, each of which gets walks of its own; empty for the label
            that is drawn from a walk's first seed.
        frames: int >= 2, images of a walk, both ends among them.
        z_dim, num_classes, truncation: see `one_each`.

    Returns:
        As `one_each`, walk after walk.

    Raises:
        BadInput: too few seeds or frames.
    """
    if len(seeds) < 2 or frames < 2:
        raise BadInput(
            "interpolation needs two seeds and two columns or more. Received: "
            f"{len(seeds)} seeds, {frames} columns. Try --seeds=0-3 --columns=9."
        )
    z, _ = one_each(seeds, [], z_dim, 0, truncation)
    pairs = list(zip(z[:-1], z[1:], strict=True))
    path = np.concatenate([slerp(a, b, np.linspace(0, 1, frames)) for a, b in pairs])
    if not num_classes:
        return path, None
    if not labels:
        own = latents.draw_labels(seeds[:-1], num_classes).numpy()
        return path, np.repeat(own, frames)
    return np.tile(path, (len(labels), 1)), np.repeat(np.int32(labels), len(path))


def slerp(start, end, fractions):
    """Goes from one z to another with the length that a normal z has all the way.

    sin((1 - t) w) / sin(w) a + sin(t w) / sin(w) b, w the angle between a and b
    (Shoemake 1985). The straight line would pass shorter, less likely z.

    Args:
        start, end: `(z_dim,)` arrays.
        fractions: `(F,)` array, 0 for the start, 1 for the end.

    Returns:
        `(F, z_dim)` float32.
    """
    lengths = np.linalg.norm(start) * np.linalg.norm(end)
    # Zeros, of truncation 0, have no angle.
    cosine = np.dot(start, end) / lengths if lengths else 1.0
    angle = np.arccos(np.clip(cosine, -1.0, 1.0))
    t = np.asarray(fractions)[:, None]
    if np.sin(angle) < 1e-6:  # The same direction, or the opposite one.
        path = (1 - t) * start + t * end
    else:
        path = (np.sin((1 - t) * angle) * start + np.sin(t * angle) * end) / np.sin(
            angle
        )
    return path.astype(np.float32)

"""From seeds and labels to images, each of which depends on nothing else."""

import math

import numpy as np
import tensorflow as tf
from tqdm import tqdm

from sagan_tf.model import latents


def parse_numbers(text, name):
    """Reads numbers and ranges: `"3,7,10-12"` is 3, 7, 10, 11, 12.

    Args:
        text: str.
        name: str, the flag it comes from.

    Returns:
        List of ints >= 0.

    Raises:
        ValueError: it is something else, or nothing.
    """
    numbers = []
    for part in text.split(","):
        first, dash, last = part.strip().partition("-")
        last = last if dash else first
        if not (first.isdecimal() and last.isdecimal() and int(first) <= int(last)):
            numbers = []
            break
        numbers += range(int(first), int(last) + 1)
    if not numbers:
        raise ValueError(
            f"{name} must be numbers and rising ranges with commas. "
            f"Received: {text!r}. Try --{name}=0-7 or --{name}=3,5."
        )
    return numbers


def parse_step(text):
    """Reads the step of a checkpoint: `"newest"`, `"best"`, or an int."""
    if text in ("newest", "best") or text.isdecimal():
        return text
    raise ValueError(
        f"checkpoint must be newest, best or the number of a step. Received: {text!r}. "
        "Try --checkpoint=newest."
    )


def parse_labels(text, num_classes):
    """Reads labels: numbers and ranges, or `"all"`.

    Args:
        text: str or `None`.
        num_classes: int, 0 for an unconditional model.

    Returns:
        List of ints; empty without `text`.

    Raises:
        ValueError: a label is out of range, or the model has no classes.
    """
    if text is None:
        return []
    if not num_classes:
        raise ValueError(
            f"This model is unconditional. Received: labels={text}. "
            "Try without --labels."
        )
    labels = range(num_classes) if text == "all" else parse_numbers(text, "labels")
    wrong = [label for label in labels if label >= num_classes]
    if wrong:
        raise ValueError(
            f"labels must be below {num_classes}, the number of classes. "
            f"Received: {wrong[0]}. Try --labels=all."
        )
    return list(labels)


def parse_truncations(text):
    """Reads truncations: numbers with commas, of which one may be `none`.

    Args:
        text: str or `None`.

    Returns:
        List of floats and `None`, see `latents.draw_z`; `[None]` without `text`.

    Raises:
        ValueError: it is something else.
    """
    truncations = []
    for part in (text or "none").split(","):
        part = part.strip().lower()
        try:
            truncations.append(None if part == "none" else float(part))
        except ValueError:
            truncations.append(math.nan)
    if not all(each is None or 0 <= each < math.inf for each in truncations):
        raise ValueError(
            "truncation must be a number from 0 on or none, or several with commas. "
            f"Received: {text!r}. Try --truncation=0.5 or --truncation=0.2,0.5,1,none."
        )
    return truncations


def one_each(seeds, labels, z_dim, num_classes, truncation=None):
    """z and labels for one image a seed, or one for each pair of label and seed.

    Args:
        seeds: list of ints.
        labels: list of ints; empty for labels that are drawn from the seeds.
        z_dim: int.
        num_classes: int, 0 for an unconditional model.
        truncation: see `latents.draw_z`.

    Returns:
        z `(N, z_dim)` float32; labels `(N,)` int32, label after label, or `None`.
    """
    z = latents.draw_z(seeds, z_dim, truncation=truncation).numpy()
    if not num_classes:
        return z, None
    if not labels:
        return z, latents.draw_labels(seeds, num_classes).numpy()
    return np.tile(z, (len(labels), 1)), np.repeat(np.int32(labels), len(seeds))


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
        ValueError: too few seeds or frames.
    """
    if len(seeds) < 2 or frames < 2:
        raise ValueError(
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


def generate_one_by_one(generator, z, labels=None):
    """Generates images in batches of one.

    In a larger batch the last bits of an image could depend on its neighbours: other
    sizes are computed in another order.

    Args:
        generator: `keras.Model`.
        z: `(N, z_dim)` float32.
        labels: `(N,)` int32, or `None` for an unconditional generator.

    Returns:
        `(N, R, R, C)` float32 array in [-1, 1].
    """

    @tf.function(reduce_retracing=True)
    def generate(inputs):
        return generator(inputs, training=False)

    batches = []
    for i in tqdm(
        range(len(z)),
        "Generating",
        unit=" pictures",
        dynamic_ncols=True,
        leave=False,
        disable=None,  # Not in a log file.
    ):
        one = tf.constant(z[i : i + 1])
        if labels is not None:
            one = [one, tf.constant(labels[i : i + 1], tf.int32)]
        batches.append(generate(one).numpy())
    return np.concatenate(batches)

"""What the command `sample` draws: rows of z and classes, and what they are called."""

import dataclasses

import numpy as np

from sagan_tf import images
from sagan_tf.errors import BadInput
from sagan_tf.model import generating, latents
from sagan_tf.networks.class_blending import blend_classes
from sagan_tf.sampling import walks


@dataclasses.dataclass(frozen=True)
class Choice:
    """What to draw, from which model.

    Attributes:
        seeds: list of ints.
        labels: list of ints, or empty.
        truncations: list of floats or `None`, see `latents.draw_z`.
        z_dim: int.
        num_classes: int, 0 for an unconditional model.
        class_names: tuple of `num_classes` str, or empty.
    """

    seeds: list
    labels: list
    truncations: list
    z_dim: int
    num_classes: int
    class_names: tuple = ()

    def label_name(self, label):
        """The name of a class, or its number: str."""
        return self.class_names[label] if self.class_names else f"class {label}"

    def truncation_name(self, truncation):
        """What tells a truncation from the others: str, empty if there are none."""
        if len(self.truncations) == 1:
            return ""
        if truncation is None:
            # Those of another truncation are alike but for their length.
            return "no truncation:\nanother z"
        return f"truncation {truncation:g}"

    def own_labels(self):
        """The labels that are drawn from the seeds: int32 array."""
        return latents.draw_labels(self.seeds, self.num_classes).numpy()

    def _cases(self):
        """Pairs of label (`None` for the seeds' own) and truncation."""
        return [(a, b) for a in self.labels or [None] for b in self.truncations]

    def _case_name(self, label, truncation):
        name = "" if label is None else self.label_name(label)
        return lines(name, self.truncation_name(truncation))


@dataclasses.dataclass(frozen=True)
class Row:
    """The pictures of one label and truncation, a seed each; or those of a walk.

    Attributes:
        z: `(F, z_dim)` float32.
        classes: `(F,)` int32 labels, or `(F, num_classes)` float32 shares of classes;
            `None` for an unconditional model.
        name: str, what all its pictures have in common, perhaps nothing.
        stops: tuple of str, where a walk comes by. From each stop to the next it has
            the same number of pictures, both stops among them.
    """

    z: np.ndarray
    classes: np.ndarray | None
    name: str
    stops: tuple = ()


def lines(*texts):
    """Texts below one another, without the empty ones: str."""
    return "\n".join(text for text in texts if text)


def rows_of_seeds(choice):
    """A `Row` for each label and truncation, with a picture for each seed: list."""
    rows = []
    for label, truncation in choice._cases():
        z, classes = generating.one_each(
            choice.seeds,
            [] if label is None else [label],
            choice.z_dim,
            choice.num_classes,
            truncation,
        )
        rows.append(Row(z, classes, choice._case_name(label, truncation)))
    return rows


def describe_seeds(choice):
    """What the pictures of `rows_of_seeds` are, one after the other.

    Returns:
        List of dicts: `seed`, `label` (`None` for an unconditional model),
        `truncation`.
    """
    found = []
    for row, (_, truncation) in zip(rows_of_seeds(choice), choice._cases()):
        for number, seed in enumerate(choice.seeds):
            label = None if row.classes is None else int(row.classes[number])
            found.append({"seed": seed, "label": label, "truncation": truncation})
    return found


def z_walks(choice, frames, keep_class=False):
    """Walks from seed to seed.

    Args:
        choice: `Choice`. Without labels a walk has the one of the seed it comes from.
        frames: int >= 2, pictures from seed to seed, both ends among them.
        keep_class: bool, whether without labels the first seed's stays all the way.

    Returns:
        List of `Row`.

    Raises:
        BadInput: there are too few seeds or frames.
    """
    rows = []
    for label, truncation in choice._cases():
        z, classes = walks.walks(
            choice.seeds,
            [] if label is None else [label],
            frames,
            choice.z_dim,
            choice.num_classes,
            truncation,
        )
        if keep_class and classes is not None:
            classes = np.full_like(classes, classes[0])
        stops = tuple(f"seed {seed}" for seed in choice.seeds)
        rows.append(Row(z, classes, choice._case_name(label, truncation), stops))
    return rows


def class_walks(choice, frames):
    """Walks from label to label, of each seed: its z stays as it is.

    Args:
        choice: `Choice`.
        frames: int >= 2, pictures from label to label, both ends among them.

    Returns:
        List of `Row`.

    Raises:
        BadInput: the model has no classes, or there are too few labels or frames.
    """
    _check_has_classes(choice)
    if len(choice.labels) < 2 or frames < 2:
        raise BadInput(
            "interpolation of labels needs two labels and two columns or more. "
            f"Received: {len(choice.labels)} labels, {frames} columns. Try --labels=all"
            " --columns=9."
        )
    path = class_path(choice.labels, frames, choice.num_classes)
    stops = tuple(choice.label_name(label) for label in choice.labels)
    rows = []
    for seed in choice.seeds:
        for truncation in choice.truncations:
            z, _ = generating.one_each([seed], [], choice.z_dim, 0, truncation)
            name = lines(f"seed {seed}", choice.truncation_name(truncation))
            rows.append(Row(np.repeat(z, len(path), axis=0), path, name, stops))
    return rows


def double_walks(choice, frames):
    """Walks from seed to seed on which the class changes at the same time.

    Args:
        choice: `Choice`. Seed number i has label number i, or without labels the one
            that is drawn from it.
        frames: as of `z_walks`.

    Returns:
        List of `Row`.

    Raises:
        BadInput: the model has no classes, there are too few seeds or frames, or not
            as many labels as seeds.
    """
    _check_has_classes(choice)
    if len(choice.labels) not in (0, len(choice.seeds)):
        raise BadInput(
            "Where z and class change together, each seed has a label. Received: "
            f"{len(choice.seeds)} seeds, {len(choice.labels)} labels. Try "
            f"{len(choice.seeds)} of --labels, or none for those drawn from the seeds."
        )
    labels = choice.labels or choice.own_labels()
    stops = tuple(
        lines(choice.label_name(label), f"seed {seed}")
        for label, seed in zip(labels, choice.seeds)
    )
    rows = []
    for truncation in choice.truncations:
        z, _ = walks.walks(choice.seeds, [], frames, choice.z_dim, 0, truncation)
        path = class_path(labels, frames, choice.num_classes)
        rows.append(Row(z, path, choice.truncation_name(truncation), stops))
    return rows


def _check_has_classes(choice):
    if not choice.num_classes:
        raise BadInput(
            "This model is unconditional. Received: interpolate_labels. Try "
            "--interpolate."
        )


def class_path(labels, frames, num_classes):
    """Shares of classes on the straight ways from each label to the next.

    Args:
        labels: sequence of at least two ints.
        frames: int >= 2, of each way, both ends among them.
        num_classes: int.

    Returns:
        `(ways * frames, num_classes)` float32; each row sums to 1.
    """
    ends = np.eye(num_classes)[np.asarray(labels)]
    t = np.linspace(0, 1, frames)[:, None]
    ways = [(1 - t) * a + t * b for a, b in zip(ends[:-1], ends[1:])]
    return np.concatenate(ways).astype(np.float32)


def draw(generator, rows):
    """Generates the pictures of rows, each of which depends on nothing else.

    Args:
        generator: `keras.Model`.
        rows: list of `Row` with F pictures each.

    Returns:
        uint8 pixels `(rows, F, R, R, C)`.
    """
    z = np.concatenate([row.z for row in rows])
    classes = None
    if rows[0].classes is not None:
        classes = np.concatenate([row.classes for row in rows])
    if classes is not None and classes.ndim == 2:
        shares, classes = np.unique(classes, axis=0, return_inverse=True)
        generator = blend_classes(generator, shares)
        classes = np.int32(classes.reshape(-1))
    made = generating.generate_one_by_one(generator, z, classes)
    return images.to_pixels(made).reshape(len(rows), -1, *made.shape[1:])

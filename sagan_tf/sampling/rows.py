"""The rows of images that `sample` draws: z, classes and captions."""

import dataclasses

import numpy as np

from sagan_tf import images
from sagan_tf.errors import BadInput
from sagan_tf.model import generating, latents
from sagan_tf.networks.class_blending import blend_classes
from sagan_tf.sampling import walks


@dataclasses.dataclass(frozen=True)
class Choice:
    """What to draw, and with which model.

    Attributes:
        seeds: list of ints.
        labels: list of ints; empty for labels that are drawn from the seeds.
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
        """Returns the name of a class, or its number: str."""
        return self.class_names[label] if self.class_names else f"class {label}"

    def truncation_name(self, truncation):
        """Returns the caption of a truncation, empty if there is only one: str."""
        if len(self.truncations) == 1:
            return ""
        if truncation is None:
            # The z of other truncations differ from one another only in length.
            return "no truncation:\nanother z"
        return f"truncation {truncation:g}"

    def own_labels(self):
        """Returns the labels that are drawn from the seeds: int32 array."""
        return latents.draw_labels(self.seeds, self.num_classes).numpy()

    def cases(self):
        """Yields each label (`None` for the seeds' own), truncation and their name."""
        for label in self.labels or [None]:
            for truncation in self.truncations:
                name = "" if label is None else self.label_name(label)
                yield label, truncation, lines(name, self.truncation_name(truncation))


@dataclasses.dataclass(frozen=True)
class Row:
    """The images of one label and truncation, one for each seed; or those of a walk.

    Attributes:
        z: `(F, z_dim)` float32.
        classes: `(F,)` int32 labels, or `(F, num_classes)` float32 shares of classes;
            `None` for an unconditional model.
        name: str, what all its images have in common; it may be empty.
        stops: tuple of str, the names of a walk's stops. There is the same number of
            images from each stop to the next, both stops included.
    """

    z: np.ndarray
    classes: np.ndarray | None
    name: str
    stops: tuple = ()


def lines(*texts):
    """Joins the texts that are not empty, one below the other: str."""
    return "\n".join(text for text in texts if text)


def rows_of_seeds(choice):
    """Lists a `Row` for each label and truncation, with an image for each seed."""
    rows = []
    for label, truncation, name in choice.cases():
        labels = [] if label is None else [label]
        z, classes = generating.one_each(
            choice.seeds, labels, choice.z_dim, choice.num_classes, truncation
        )
        rows.append(Row(z, classes, name))
    return rows


def describe_seeds(choice):
    """Describes the images of `rows_of_seeds`, one after the other.

    Returns:
        List of dicts: `seed`, `label` (`None` for an unconditional model),
        `truncation`.
    """
    descriptions = []
    for row, (_, truncation, _) in zip(rows_of_seeds(choice), choice.cases()):
        for number, seed in enumerate(choice.seeds):
            label = None if row.classes is None else int(row.classes[number])
            one = {"seed": seed, "label": label, "truncation": truncation}
            descriptions.append(one)
    return descriptions


def rows_of_walks(choice, frames, in_classes=False, in_z=True, keep_class=False):
    """Returns walks as a list of `Row`.

    The walks go from seed to seed, for each label and truncation; or from label to
    label, for each seed (whose z stays) and truncation; or both at the same time.

    Args:
        choice: `Choice`. Without labels, each seed has its own class. If classes do
            not walk, they change at each seed.
        frames: int >= 2, images from stop to stop, both stops included.
        in_classes, in_z: bool, whether classes and z change on the way.
        keep_class: bool, whether to keep the first seed's class without labels.

    Raises:
        BadInput: there are too few seeds, labels or frames, the model has no classes,
            or both change and there is not one label for each seed.
    """
    if not in_classes:
        return _z_walks(choice, frames, keep_class)
    if not choice.num_classes:
        raise BadInput(
            "interpolate_labels needs a model with classes. Received: an unconditional "
            "model. Try --interpolate."
        )
    return _double_walks(choice, frames) if in_z else _class_walks(choice, frames)


def _z_walks(choice, frames, keep_class):
    stops = tuple(f"seed {seed}" for seed in choice.seeds)
    rows = []
    for label, truncation, name in choice.cases():
        z = walks.z_path(choice.seeds, frames, choice.z_dim, truncation)
        classes = None
        if choice.num_classes:
            own = choice.own_labels()[:-1] if label is None else np.int32([label])
            own = own[:1] if keep_class else own
            classes = np.repeat(own, len(z) // len(own))
        rows.append(Row(z, classes, name, stops))
    return rows


def _class_walks(choice, frames):
    if len(choice.labels) < 2 or frames < 2:
        raise BadInput(
            "interpolate_labels needs at least two labels and two columns. Received: "
            f"{len(choice.labels)} labels, {frames} columns. Try --labels=all "
            "--columns=9."
        )
    path = walks.class_path(choice.labels, frames, choice.num_classes)
    stops = tuple(choice.label_name(label) for label in choice.labels)
    rows = []
    for seed in choice.seeds:
        for truncation in choice.truncations:
            z, _ = generating.one_each([seed], [], choice.z_dim, 0, truncation)
            name = lines(f"seed {seed}", choice.truncation_name(truncation))
            rows.append(Row(np.repeat(z, len(path), axis=0), path, name, stops))
    return rows


def _double_walks(choice, frames):
    if len(choice.labels) not in (0, len(choice.seeds)):
        raise BadInput(
            "interpolate with interpolate_labels needs one label for each seed. "
            f"Received: {len(choice.seeds)} seeds, {len(choice.labels)} labels. Try "
            f"{len(choice.seeds)} labels in --labels, or no --labels."
        )
    labels = choice.labels or choice.own_labels()
    stops = tuple(
        lines(choice.label_name(label), f"seed {seed}")
        for label, seed in zip(labels, choice.seeds)
    )
    rows = []
    for truncation in choice.truncations:
        z = walks.z_path(choice.seeds, frames, choice.z_dim, truncation)
        path = walks.class_path(labels, frames, choice.num_classes)
        rows.append(Row(z, path, choice.truncation_name(truncation), stops))
    return rows


def draw(generator, rows):
    """Generates the images of rows. No image depends on the others.

    Args:
        generator: `keras.Model`.
        rows: list of `Row` with F images each.

    Returns:
        uint8 pixels `(rows, F, R, R, C)`.
    """
    z = np.concatenate([row.z for row in rows])
    classes = None
    if rows[0].classes is not None:
        classes = np.concatenate([row.classes for row in rows])
        if classes.ndim == 2:
            shares, classes = np.unique(classes, axis=0, return_inverse=True)
            generator = blend_classes(generator, shares)
            classes = np.int32(classes.reshape(-1))
    generated = generating.generate_one_by_one(generator, z, classes)
    pixels = images.to_pixels(generated)
    return pixels.reshape(len(rows), -1, *generated.shape[1:])

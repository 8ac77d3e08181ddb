"""The images for attention maps: generated ones, or real ones of a run."""

import dataclasses

import numpy as np

from sagan_tf import data
from sagan_tf.errors import BadInput
from sagan_tf.model import generating
from sagan_tf.run.building import open_source


@dataclasses.dataclass(frozen=True)
class ChosenImages:
    """N images, or the generator inputs that make them.

    Attributes:
        kind: str, `"generated"` or `"real"`.
        numbers: list of N ints, the seeds, or the positions in the data set.
        titles: list of N str: "seed 3, Sandal".
        labels: `(N,)` int32 array, or `None` without classes.
        z: `(N, z_dim)` float32 array for generated images, else `None`.
        images: `(N, R, R, C)` float32 array in [-1, 1] for real images, else `None`.
    """

    kind: str
    numbers: list
    titles: list
    labels: np.ndarray | None
    z: np.ndarray | None = None
    images: np.ndarray | None = None

    def __len__(self):
        return len(self.titles)


def generated_images(config, seeds, labels, class_names=()):
    """Chooses the images that `sagan_tf.sample` draws from the same seeds and labels.

    Args:
        config: `Config` of the run.
        seeds: list of ints.
        labels: list of ints, each with all seeds. If empty, the seeds determine the
            labels.
        class_names: tuple of str by label; may be empty.

    Returns:
        `ChosenImages`.
    """
    z, given = generating.one_each(seeds, labels, config.z_dim, config.num_classes)
    numbers = seeds * (len(labels) or 1)
    titles = _titles("seed", numbers, given, class_names)
    return ChosenImages("generated", numbers, titles, given, z=z)


def real_images(config, numbers, labels, class_names=()):
    """Reads images of a run's training data, as its networks saw them.

    Args:
        config: `Config` of the run.
        numbers: list of ints: 0 is the first image that the run saw. With labels, 0 is
            the first image of the class.
        labels: list of ints, each with all numbers. If empty, images of any class.
        class_names: see `generated_images`.

    Returns:
        `ChosenImages`.

    Raises:
        BadInput: the data set cannot be read, or has too few images.
    """
    source = open_source(config)
    wanted = [(label, number) for label in labels or [None] for number in numbers]
    by_label = {label: [] for label, _ in wanted}
    for (image,), given, _ in data.read_once(
        source,
        resolution=config.resolution,
        image_channels=config.image_channels,
        batch_size=1,
        seed=config.seed,
        shuffle_buffer_images=config.shuffle_buffer_images,
        resize=config.resize,
        labelled=config.num_classes > 0,
        what="Looking for images",
    ):
        label = int(given[0]) if config.num_classes else 0
        group = by_label.get(label if labels else None)
        if group is not None:
            group.append((image, label) if len(group) in numbers else None)
        if all(len(group) > max(numbers) for group in by_label.values()):
            break
    for label, number in wanted:
        if number >= len(by_label[label]):
            group = "" if label is None else f" of {_class_text(label, class_names)}"
            raise BadInput(
                f"There is no image {number}{group} in {source.description}. "
                f"Received: seeds up to {max(numbers)}. Try --seeds=0-3."
            )
    images, given = zip(*(by_label[label][number] for label, number in wanted))
    given = np.int32(given) if config.num_classes else None
    numbers = [number for _, number in wanted]
    titles = _titles("image", numbers, given, class_names)
    return ChosenImages("real", numbers, titles, given, images=np.stack(images))


def _titles(word, numbers, labels, class_names):
    if labels is None:
        return [f"{word} {number}" for number in numbers]
    return [
        f"{word} {number}, {_class_text(int(label), class_names)}"
        for number, label in zip(numbers, labels)
    ]


def _class_text(label, class_names):
    name = class_names[label] if label < len(class_names) else str(label)
    return f"class {name}" if name.isdecimal() else name

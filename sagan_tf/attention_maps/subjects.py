"""The pictures whose attention is looked at: generated ones, or real ones of a run."""

import dataclasses

import numpy as np
import tensorflow as tf
from tqdm import tqdm

from sagan_tf import data
from sagan_tf.errors import BadInput
from sagan_tf.model import generating
from sagan_tf.run.building import open_source


@dataclasses.dataclass(frozen=True)
class Pictures:
    """N pictures, or what a generator makes them of.

    Attributes:
        kind: str, `"generated"` or `"real"`.
        numbers: list of N ints, the seeds, or the places in the data set.
        titles: list of N str: "seed 3, Sandal".
        labels: `(N,)` int32 array, or `None` without classes.
        z: `(N, z_dim)` float32 array of generated ones, else `None`.
        images: `(N, R, R, C)` float32 array in [-1, 1] of real ones, else `None`.
    """

    kind: str
    numbers: list
    titles: list
    labels: np.ndarray | None
    z: np.ndarray | None = None
    images: np.ndarray | None = None

    def __len__(self):
        return len(self.titles)


def generated_pictures(config, seeds, labels, class_names=()):
    """The pictures that `sagan_tf.sample` draws from the same seeds and labels.

    Args:
        config: `Config` of the run.
        seeds: list of ints.
        labels: list of ints: each has all seeds; empty for labels drawn from the seeds.
        class_names: tuple of str by label, or empty.

    Returns:
        `Pictures`.
    """
    z, given = generating.one_each(seeds, labels, config.z_dim, config.num_classes)
    numbers = seeds * (len(labels) or 1)
    return Pictures(
        kind="generated",
        numbers=numbers,
        titles=_titles("seed", numbers, given, class_names),
        labels=given,
        z=z,
    )


def real_pictures(config, numbers, labels, class_names=()):
    """Pictures of the data set that a run was trained with, as its networks saw them.

    Args:
        config: `Config` of the run.
        numbers: list of ints: 0 is the first picture that the run saw. With labels, the
            first one of the class.
        labels: list of ints: each has all numbers; empty for pictures of any class.
        class_names: tuple of str by label, or empty.

    Returns:
        `Pictures`.

    Raises:
        BadInput: the data set cannot be read, or has not so many pictures.
    """
    source = open_source(config)
    wanted = [(label, n) for label in labels or [None] for n in numbers]
    found = {}
    counts = {label: 0 for label in labels or [None]}
    try:
        for image, label in _stream(source, config):
            group = label if labels else None
            if group not in counts:
                continue
            if (group, counts[group]) in wanted:
                found[group, counts[group]] = image, label
            counts[group] += 1
            if len(found) == len(set(wanted)):
                break
    except tf.errors.OpError as error:
        problem = data.name_bad_image(source, **_order(config))
        raise BadInput(
            f"{problem} Try replacing it, or training with --skip_bad_images."
        ) from error
    _check_found(source, wanted, found, class_names)
    images, found_labels = zip(*(found[key] for key in wanted))
    given = np.int32(found_labels) if config.num_classes else None
    numbers = [n for _, n in wanted]
    return Pictures(
        kind="real",
        numbers=numbers,
        titles=_titles("picture", numbers, given, class_names),
        labels=given,
        images=np.stack(images),
    )


def _order(config):
    return {
        "seed": config.seed,
        "shuffle_buffer_images": config.shuffle_buffer_images,
    }


def _stream(source, config):
    """Images and labels (`None` without classes), once, in the order of the run."""
    batches = data.make_dataset(
        source,
        resolution=config.resolution,
        image_channels=config.image_channels,
        batch_size=1,
        resize=config.resize,
        repeat=False,
        labelled=config.num_classes > 0,
        cache_bytes=0,  # A few pictures: not all need to be decoded.
        **_order(config),
    )
    progress = tqdm(
        batches.as_numpy_iterator(),
        **{"desc": "Looking for pictures", "unit": " pictures", "delay": 2},
        **{"leave": False, "disable": None},
    )
    for batch in progress:
        yield (batch[0][0], int(batch[1][0])) if config.num_classes else (batch[0], 0)


def _check_found(source, wanted, found, class_names):
    for label, number in wanted:
        if (label, number) not in found:
            of = "" if label is None else f" of {_class_text(label, class_names)}"
            raise BadInput(
                f"There is no picture {number}{of} in {source.description}. "
                f"Received: seeds up to {max(n for _, n in wanted)}. Try --seeds=0-3."
            )


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

"""Statistics of real images, computed once and kept in a file."""

import dataclasses
import pathlib

from sagan_tf import data
from sagan_tf.errors import BadInput
from sagan_tf.evaluation import scoring
from sagan_tf.evaluation.metrics import summary as statistics
from sagan_tf.run import versions
from sagan_tf.run.building import open_source

KEEP_FEATURES = 10_000


@dataclasses.dataclass(frozen=True)
class Reference:
    """Real images: their `Summary`, what they are, and the path of the file."""

    summary: statistics.Summary
    about: dict
    path: str


def make_reference(config, protocol, network, path, keep=KEEP_FEATURES):
    """The statistics of real images: read from a file, or computed and written there.

    Args:
        config: `Config`, for the data set, resolution and channels.
        protocol: `Protocol`.
        network: `FeatureNetwork`.
        path: of the file. If it exists, all real images are read again and must have
            its content hash; the feature network does not run.
        keep: int, images whose features are kept, for KID, precision and recall.

    Returns:
        `Reference`.

    Raises:
        BadInput: the file is of other images, another treatment or network; or the
            data set cannot be used.
    """
    source = open_source(config)
    count = min(protocol.num_real or source.num_images, source.num_images)
    batches = data.read_once(
        source,
        resolution=config.resolution,
        image_channels=config.image_channels,
        count=count,
        shuffle_buffer_images=config.shuffle_buffer_images,
        resize=protocol.resize,
        what="Reading real images",
    )
    wanted = _wanted(config, protocol, network)
    wanted |= {"dataset": config.dataset, "split": config.split, "num_real": count}
    content = statistics.ContentHash()
    if pathlib.Path(path).exists():
        summary, about = statistics.read_reference(path)
        statistics.check_same(path, about, wanted)
        for images, labels, _ in batches:
            content.add(images, labels)
        statistics.check_same(path, about, {"content_hash": content.hexdigest()})
        return Reference(summary, about, str(path))
    summary = scoring.summarize_images(batches, network, keep=keep, content=content)
    about = {
        **wanted,
        "content_hash": content.hexdigest(),
        "description": source.description,
        "num_classes": source.num_classes,
        "class_names": list(source.class_names),
        "network": network.name,
        "versions": versions.versions(),
    }
    statistics.write_reference(path, summary, about)
    return Reference(summary, about, str(path))


def read_reference(path, protocol, network, config=None):
    """Reads a reference file, without the images.

    Raises:
        BadInput: it does not fit the protocol, the network or the `Config` (if given).
    """
    summary, about = statistics.read_reference(path)
    statistics.check_same(path, about, _wanted(config, protocol, network))
    return Reference(summary, about, str(path))


def for_protocol(config, protocol):
    """The config of a run with the split that a protocol compares with.

    Raises:
        BadInput: the name of that split is not known.
    """
    is_tfds = config.dataset.startswith("tfds:")
    if protocol.split == "train":
        return config
    if is_tfds:
        return dataclasses.replace(config, split="validation")
    if config.split == "train":
        return dataclasses.replace(config, split="test")
    raise BadInput(
        f"{protocol.name} compares with the validation split, and {config.dataset} "
        "names none. Try python -m sagan_tf.reference_statistics with the data set "
        "that is the validation split, and --reference_statistics=FILE here."
    )


def _wanted(config, protocol, network):
    """What a reference file must have been made with."""
    wanted = {
        "protocol_split": protocol.split,
        "protocol_num_real": protocol.num_real,
        "resize": protocol.resize,
        "network_hash": network.hash,
    }
    if config is not None:
        wanted["resolution"] = config.resolution
        wanted["image_channels"] = config.image_channels
    return wanted


def file_name(protocol, network):
    """The name of a run's own reference file: what decides it, besides the data."""
    count = "all" if protocol.num_real is None else protocol.num_real
    part = f"{protocol.split}-{count}-{protocol.resize}"
    return f"{part}-{network.name}-{network.hash[:8]}.npz"

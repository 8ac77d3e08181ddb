"""Statistics of real images, computed once and kept in a file.

A reference file is a NumPy .npz: `count`, `mean`, `covariance` (float64) over all N
images, `features` (K, D), `logits` (K, L) (float32) and `labels` (K,) (int32) of the
first K, and `about`, JSON that tells what they were made from.
"""

import collections
import dataclasses
import hashlib
import json
import os
import pathlib

import numpy as np

from sagan_tf import data, files
from sagan_tf.data.arrays import read_npz
from sagan_tf.errors import BadInput
from sagan_tf.evaluation import scoring
from sagan_tf.evaluation.metrics.moments import Moments
from sagan_tf.evaluation.protocols import PROTOCOLS
from sagan_tf.evaluation.scoring import Summary
from sagan_tf.images import to_pixels
from sagan_tf.run import versions
from sagan_tf.run.building import open_source
from sagan_tf.run.records import TEXT, parsed

_ARRAYS = ("about", "count", "mean", "covariance", "features", "logits", "labels")
# The entries that `about` must have, see `records`.
_ABOUT = {
    **dict.fromkeys(("protocol_split", "resize", "network_hash"), str),
    **dict.fromkeys(("dataset", "content_hash", "description"), str),
    **dict.fromkeys(("resolution", "image_channels", "num_real", "num_classes"), int),
    "protocol_num_real": (int, type(None)),
    "split": TEXT,
    "class_names": [str],
}
_MOST_FEATURES = 10_000
_REMEDY = "Try another file, or remove this one to compute it again."


@dataclasses.dataclass(frozen=True)
class Reference:
    """Real images: their `Summary`, their description, and the path of the file."""

    summary: Summary
    about: dict
    path: str


class OtherReference(BadInput):
    """A reference file belongs to other images, or to another treatment or network."""


def make_reference(config, protocol, network, path, keep=None):
    """Reads the `Reference` of a data set from a file, or computes and writes it.

    Args:
        config: `Config`, for the data set, resolution and channels.
        protocol: `Protocol`.
        network: `FeatureNetwork`.
        path: of the file. If it exists, all real images are read again and must have
            its content hash; the feature network runs only if the file has fewer
            features than `keep`.
        keep: int, images whose features are kept, for KID, precision and recall; `None`
            for the number in the file, or 10,000 in a new file.

    Raises:
        OtherReference: the file belongs to something else.
        BadInput: the file is damaged, or the data set cannot be used.
        OSError: the file cannot be written.
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
    digest = hashlib.sha256()
    batches = hashed(batches, digest)
    wanted = _wanted(config, protocol, network)
    wanted |= {"dataset": config.dataset, "split": config.split, "num_real": count}
    old = None
    if os.path.isfile(path):
        old = _read(path)
        _check_same(path, old.about, wanted)
        if keep is None or len(old.summary.features) >= min(keep, count):
            collections.deque(batches, maxlen=0)
            _check_same(path, old.about, {"content_hash": digest.hexdigest()})
            return old
    files.check_writable(path, make_parents=True)
    summary = scoring.summarize_images(batches, network, keep=keep or _MOST_FEATURES)
    if old is not None:
        _check_same(path, old.about, {"content_hash": digest.hexdigest()})
    about = {
        **wanted,
        "content_hash": digest.hexdigest(),
        "description": source.description,
        "num_classes": source.num_classes,
        "class_names": list(source.class_names),
        "network": network.name,
        "versions": versions.versions(),
    }
    pathlib.Path(path).parent.mkdir(parents=True, exist_ok=True)
    _write(path, summary, about)
    return Reference(summary, about, str(path))


def read_reference(path, protocol, network, config=None):
    """Reads a reference file, without the images.

    Raises:
        BadInput: it is missing or damaged, or does not fit the protocol, the network or
            the `Config` (if given).
    """
    if not os.path.isfile(path):
        raise BadInput(
            f"There is no reference file {path}. Try python -m "
            f"sagan_tf.reference_statistics --dataset=... --output={path}."
        )
    reference = _read(path)
    wanted = _wanted(config, protocol, network)
    remedy = _remedy(reference.about, wanted, protocol)
    _check_same(path, reference.about, wanted, remedy)
    return reference


def hashed(batches, digest):
    """Yields batches, and adds the pixels and labels of their images to a hash.

    Args:
        batches: tuples of images `(n, R, R, C)` float32 in [-1, 1], labels `(n,)` or
            `None`, and more entries, which are left out.
        digest: hash of `hashlib`.
    """
    for images, labels, *_ in batches:
        for index, image in enumerate(to_pixels(images)):
            digest.update(np.int64(image.shape).tobytes() + image.tobytes())
            if labels is not None:
                digest.update(np.int32(labels[index]).tobytes())
        yield images, labels


def for_protocol(config, protocol):
    """Returns the config of a run with the split that a protocol compares with.

    Raises:
        BadInput: the name of that split is not known.
    """
    if protocol.split == "train":
        return config
    if config.dataset.startswith("tfds:"):
        return dataclasses.replace(config, split="validation")
    if config.split == "train":
        return dataclasses.replace(config, split="test")
    raise BadInput(
        f"{protocol.name} compares with the validation split, and {config.dataset} "
        "names none. Try python -m sagan_tf.reference_statistics with the data set "
        "that is the validation split, and --reference_statistics=FILE here."
    )


def file_name(protocol, network):
    """Returns the name of a run's reference file, from what decides it but the data."""
    part = f"{protocol.split}-{protocol.num_real or 'all'}-{protocol.resize}"
    return f"{part}-{network.name}-{network.hash[:8]}.npz"


def _wanted(config, protocol, network):
    """Returns the entries of `about` that a reference file must have."""
    wanted = {**_of_protocol(protocol), "network_hash": network.hash}
    if config is not None:
        wanted["resolution"] = config.resolution
        wanted["image_channels"] = config.image_channels
    return wanted


def _of_protocol(protocol):
    return {
        "protocol_split": protocol.split,
        "protocol_num_real": protocol.num_real,
        "resize": protocol.resize,
    }


def _write(path, summary, about):
    labels = np.zeros([0], np.int32) if summary.labels is None else summary.labels
    with files.replacing(path) as temporary, open(temporary, "wb") as file:
        np.savez(
            file,
            count=np.int64(summary.count),
            mean=summary.moments.mean,
            covariance=summary.moments.covariance,
            features=summary.features,
            logits=summary.logits,
            labels=labels,
            about=np.array(json.dumps(about)),
        )


def _read(path):
    try:
        arrays, _ = read_npz(path, _ARRAYS)
        about, problem = parsed(str(arrays["about"]).encode(), _ABOUT)
        if problem:
            raise BadInput(f"about: {problem}")
        count, mean, covariance = (arrays[name] for name in _ARRAYS[1:4])
        moments = Moments.from_statistics(int(count), mean, covariance)
        features, logits, labels = (arrays[name] for name in _ARRAYS[4:])
        _check_rows(features, logits, labels, len(mean))
    except (KeyError, OverflowError, TypeError, ValueError, OSError) as error:
        raise BadInput(
            f"{path} is not a whole reference file: {error}. Try removing it and "
            "python -m sagan_tf.reference_statistics."
        ) from error
    summary = Summary(moments, features, logits, labels if len(labels) else None)
    return Reference(summary, about, str(path))


def _check_rows(features, logits, labels, width):
    """Raises `BadInput` unless the arrays can belong to the same images."""
    arrays = {"features": features, "logits": logits, "labels": labels}
    kinds = "".join(array.dtype.kind for array in arrays.values())
    sizes = features.shape[1:], logits.ndim, labels.ndim
    counts = {len(features), len(logits), len(labels) or len(features)}
    if kinds not in ("ffi", "ffu") or sizes != ((width,), 2, 1) or len(counts) > 1:
        shapes = (f"{name} {a.dtype} {a.shape}" for name, a in arrays.items())
        raise BadInput(
            f"it must have features float (K, {width}), logits float (K, L), labels "
            f"int (K,) or (0,), not {', '.join(shapes)}"
        )


def _remedy(about, wanted, protocol):
    """Returns what to try if a given file does not fit: str."""
    for name, other in PROTOCOLS.items():
        if {**wanted, **_of_protocol(other)}.items() <= about.items():
            return f"Try --protocol={name}, with which it was made."
    flags = {"protocol": protocol.name.partition("+")[0]}
    flags |= {k: wanted[k] for k in ("resolution", "image_channels") if k in wanted}
    command = " ".join(f"--{name}={value}" for name, value in flags.items())
    return (
        f"Try a file of python -m sagan_tf.reference_statistics {command} with the "
        "same feature network."
    )


def _check_same(path, about, wanted, remedy=_REMEDY):
    """Refuses a file whose `about` differs from `wanted`; names all differences."""
    differences = [
        f"{key} is {about.get(key)!r}, needed {value!r}"
        for key, value in wanted.items()
        if about.get(key) != value
    ]
    if differences:
        raise OtherReference(
            f"The reference statistics in {path} do not fit: "
            f"{'; '.join(differences)}. {remedy}"
        )

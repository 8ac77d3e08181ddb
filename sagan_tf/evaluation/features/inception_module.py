"""Finds, loads and recognizes TF-GAN's Inception module.

The module is a SavedModel. It maps images `(N, R, R, 3)` in [-1, 1], of any size, to a
dict of `pool_3` `(N, 2048)` or `(N, 1, 1, 2048)` and `logits` `(N, 1008)`.
"""

import hashlib
import math
import os
import pathlib
import sys
import warnings

import tensorflow as tf
from google.protobuf.message import DecodeError
from tensorflow.core.protobuf import saved_model_pb2

from sagan_tf.errors import BadInput

HANDLE = "https://tfhub.dev/tensorflow/tfgan/eval/inception/1"
NUM_FEATURES, NUM_LOGITS = 2048, 1008
_SIZE, _SMALL_SIZE = 299, 32
# Its weights, about 24 million float32, take more.
_LEAST_BYTES = 80_000_000
_OUTPUTS = ("pool_3", "logits")
_SIGNATURES = ("default", "serving_default")
_MODEL_FILES = ("saved_model.pb", "saved_model.pbtxt")
_ERRORS = (OSError, ValueError, RuntimeError, tf.errors.OpError)
_ARCHIVES = (".tar.gz", ".tgz", ".tar", ".zip")


def load(place=None):
    """Loads the Inception module, or another module in its place.

    A module that cannot be the Inception network, by its outputs or its size, is called
    a stand-in. A warning on stderr then says that its scores mean nothing.

    Args:
        place: an unpacked local folder or a URL; None for `HANDLE`. URLs are looked up
            in the folder that the environment variable TFHUB_CACHE_DIR names, then
            fetched with tensorflow_hub.

    Returns:
        function: images float32 `(N, R, R, 3)` -> features float32 `(N, D)` and logits
            float32 `(N, K)`.
        name: "Inception", or "stand-in-" and the beginning of the hash.
        hash: see `files_hash`.
        widths: (D, K).

    Raises:
        BadInput: the module cannot be loaded, or has other inputs or outputs.
    """
    place = str(place or HANDLE)
    folder = _fetch(place) if "://" in place else _local(place)
    try:
        loaded = tf.saved_model.load(str(folder), tags=_plainest_tags(folder))
    except (*_ERRORS, KeyError, DecodeError) as error:
        raise BadInput(
            f"{folder} cannot be loaded as a SavedModel: {_one_line(error)}. Try "
            f"unpacking {HANDLE} again."
        ) from error
    call, size = _callable(loaded, folder)
    size, widths = _probe(call, size, folder)

    def function(images):
        if size:
            images = tf.image.resize(images, [size, size])
        outputs = call(images)
        return tuple(
            tf.reshape(tf.cast(outputs[name], tf.float32), [-1, width])
            for name, width in zip(_OUTPUTS, widths)
        )

    digest = files_hash(folder)
    return function, _name(folder, widths, digest), digest, widths


def _one_line(error):
    return " ".join(str(error).split())[:200].rstrip(".")


def _local(folder):
    """Checks a folder that should hold an unpacked Inception module."""
    folder = pathlib.Path(folder)
    if folder.is_file() and folder.name.endswith(_ARCHIVES):
        raise BadInput(
            f"inception must be an unpacked folder. Received: {folder}, an archive. "
            f"Try mkdir inception && tar -xzf {folder} -C inception, then "
            "--inception=inception."
        )
    if not any((folder / name).is_file() for name in _MODEL_FILES):
        raise BadInput(
            f"inception must be a folder with {_MODEL_FILES[0]}, the unpacked "
            f"{HANDLE}. Received: {folder}, which "
            f"{'holds none' if folder.is_dir() else 'is no folder'}. Try another "
            "--inception."
        )
    return folder


def _fetch(handle):
    """Returns the local folder of a URL: from the cache, or downloaded."""
    key = hashlib.sha1(handle.encode()).hexdigest()
    cache = os.environ.get("TFHUB_CACHE_DIR")
    if cache and any((pathlib.Path(cache) / key / n).is_file() for n in _MODEL_FILES):
        return pathlib.Path(cache) / key
    try:
        # Imported here: it needs pkg_resources, which newer setuptools do not have and
        # older ones warn about.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import tensorflow_hub

        return _local(tensorflow_hub.resolve(handle))
    except (*_ERRORS, ImportError) as error:
        raise BadInput(
            f"The Inception network {handle} cannot be fetched: {_one_line(error)}. "
            "Try one of three ways: --inception=DIR with an unpacked copy; the "
            f"environment variable TFHUB_CACHE_DIR=DIR with one in DIR/{key}; or an "
            "internet connection (and the package tensorflow_hub), to fetch it."
        ) from error


def _plainest_tags(folder):
    """Returns the tags of the plainest graph, or `None` if there is only one graph."""
    if not (folder / _MODEL_FILES[0]).is_file():
        return None
    content = (folder / _MODEL_FILES[0]).read_bytes()
    graphs = saved_model_pb2.SavedModel.FromString(content).meta_graphs
    tags = [sorted(graph.meta_info_def.tags) for graph in graphs]
    plainest = [plain for plain in ([], ["serve"], *tags) if plain in tags]
    return plainest[0] if len(tags) > 1 else None


def _callable(loaded, folder):
    """Returns a loaded module's function, and its image size or `None` if not known.

    TF2 modules can be called. TF1 modules have signatures.
    """
    if callable(loaded):
        return loaded, None
    signatures = getattr(loaded, "signatures", {})
    usable = [
        name
        for name in sorted(signatures, key=lambda name: (name not in _SIGNATURES, name))
        if set(_OUTPUTS) <= set(signatures[name].structured_outputs)
        and len(signatures[name].structured_input_signature[1]) == 1
    ]
    if not usable:
        raise BadInput(
            f"{folder} must be callable, or have a signature from images to "
            f"{' and '.join(_OUTPUTS)}. Received: signatures "
            f"{', '.join(sorted(signatures)) or 'none'}. Try {HANDLE}."
        )
    serve = signatures[usable[0]]
    ((argument, spec),) = serve.structured_input_signature[1].items()
    # A signature accepts images of other sizes, but computes something else.
    size = spec.shape[1] if spec.shape.rank == 4 else None
    # `loaded` keeps the variables of its signatures alive.
    return lambda images: loaded.signatures[usable[0]](**{argument: images}), size


def _probe(call, size, folder):
    """Tries a gray image; returns the size it needs, None for any, and the widths.

    TF-GAN's module takes any size, and its resizing is part of the score. Images are
    enlarged for a module that refuses small ones.
    """
    for needed in (size, size or _SIZE):
        try:
            outputs = call(tf.zeros([1, *[needed or _SMALL_SIZE] * 2, 3]))
            break
        except (ValueError, TypeError, tf.errors.OpError) as error:
            problem = _one_line(error)
    else:
        raise BadInput(
            f"{folder} takes no float32 images (N, {_SIZE}, {_SIZE}, 3): {problem}. "
            f"Try {HANDLE}."
        )
    if not isinstance(outputs, dict) or not set(_OUTPUTS) <= set(outputs):
        received = ", ".join(outputs) if isinstance(outputs, dict) else "no dict"
        raise BadInput(
            f"{folder} must return a dict with {' and '.join(_OUTPUTS)}. Received: "
            f"{received}. Try {HANDLE}."
        )
    return needed, tuple(math.prod(outputs[name].shape) for name in _OUTPUTS)


def _name(folder, widths, digest):
    size = sum(path.stat().st_size for path in _model_files(folder))
    if widths == (NUM_FEATURES, NUM_LOGITS) and size >= _LEAST_BYTES:
        return "Inception"
    name = f"stand-in-{digest[:8]}"
    print(
        f"warning: {folder} is not the Inception network ({widths[0]} features, "
        f"{widths[1]} logits, {size / 1e6:.1f} MB; expected {NUM_FEATURES}, "
        f"{NUM_LOGITS}, at least {_LEAST_BYTES / 1e6:.0f} MB). Its scores mean nothing "
        f"and carry the name {name}.",
        file=sys.stderr,
    )
    return name


def _model_files(folder):
    """Returns the files that decide a SavedModel's outputs, sorted by name."""
    folder = pathlib.Path(folder)
    inner = (p for part in ("assets", "variables") for p in (folder / part).rglob("*"))
    files = [*(folder / name for name in _MODEL_FILES), *inner]
    return sorted(path for path in files if path.is_file())


def files_hash(folder):
    """Returns the hexadecimal sha256 of the names and contents of a model's files."""
    digest = hashlib.sha256()
    for path in _model_files(folder):
        content = path.read_bytes()
        name = path.relative_to(folder).as_posix()
        digest.update(f"{name} {len(content)}\n".encode() + content)
    return digest.hexdigest()

"""Reads checkpoints of TensorFlow 1: a prefix of files, an .index, or their folder."""

import pathlib
import re

import tensorflow as tf

from sagan_tf.errors import BadInput

INPUT = (
    "a checkpoint of TensorFlow 1: its prefix (model.ckpt-1000000), its .index file or "
    "their folder"
)


def files(path):
    """The files of a checkpoint.

    Args:
        path: prefix, .index or .data file, or a folder: the one that its file
            `checkpoint` names as the latest, or the only one in it.

    Returns:
        Sorted list of paths, the .index among them; empty if there is no checkpoint.
    """
    prefix = _prefix(path)
    if prefix is None:
        return []
    return sorted(
        other
        for other in prefix.parent.iterdir()
        if re.fullmatch(
            re.escape(prefix.name) + r"\.(index|data-\d+-of-\d+)", other.name
        )
    )


def read(path):
    """Reads all numeric tensors of a checkpoint.

    Args:
        path: see `files`; there is one.

    Returns:
        Dict of str to array.

    Raises:
        BadInput: it is damaged, or not whole.
    """
    prefix = _prefix(path)
    try:
        reader = tf.train.load_checkpoint(str(prefix))
        types = reader.get_variable_to_dtype_map()
        return {
            name: reader.get_tensor(name)
            for name in sorted(types)
            if types[name] != tf.string
        }
    except (tf.errors.OpError, IndexError, RuntimeError, ValueError) as error:
        first = str(error).splitlines()[0]
        raise BadInput(f"{prefix} cannot be read: {first}") from error


def _prefix(path):
    """The common beginning of the paths of a checkpoint's files, or `None`."""
    path = pathlib.Path(path)
    if path.is_dir():
        return _newest(path)
    match = re.fullmatch(r"(.+)\.(index|data-\d+-of-\d+)", path.name)
    prefix = path.with_name(match.group(1)) if match else path
    return prefix if _index(prefix).is_file() else None


def _newest(folder):
    state = folder / "checkpoint"
    if state.is_file():
        named = re.search(
            r'^model_checkpoint_path: "(.+)"', state.read_text("utf-8"), re.MULTILINE
        )
        # It may name the folder in which the checkpoint was before it was moved.
        if named and _index(folder / pathlib.Path(named.group(1)).name).is_file():
            return folder / pathlib.Path(named.group(1)).name
    found = list(folder.glob("*.index"))
    return found[0].with_suffix("") if len(found) == 1 else None


def _index(prefix):
    return prefix.with_name(prefix.name + ".index")

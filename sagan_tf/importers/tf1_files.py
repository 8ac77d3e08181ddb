"""Reads checkpoints of TensorFlow 1: a prefix of files, an .index, or their folder."""

import pathlib
import re

import tensorflow as tf

from sagan_tf.errors import BadInput

INPUT = (
    "a checkpoint of TensorFlow 1: its prefix (model.ckpt-1000000), its .index file or "
    "their folder"
)
_ENDING = r"\.(?:index|data-\d+-of-\d+)"


def files(path):
    """Returns the files of a checkpoint.

    Args:
        path: prefix, .index or .data file, or a folder. In a folder, it is the latest
            checkpoint according to the file `checkpoint`, or the only checkpoint.

    Returns:
        Sorted list of paths, the .index among them; empty if there is no checkpoint.
    """
    prefix = _prefix(path)
    if prefix is None:
        return []
    names = re.compile(re.escape(prefix.name) + _ENDING)
    return sorted(f for f in prefix.parent.iterdir() if names.fullmatch(f.name))


def read(path):
    """Reads all numeric tensors of a checkpoint.

    Args:
        path: see `files`; the checkpoint exists.

    Returns:
        Dict of str to array.

    Raises:
        BadInput: the checkpoint is damaged or incomplete.
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
    """Returns the common prefix of the paths of a checkpoint's files, or `None`."""
    path = pathlib.Path(path)
    if path.is_dir():
        return _newest(path)
    match = re.fullmatch(f"(.+){_ENDING}", path.name)
    prefix = path.with_name(match[1]) if match else path
    return prefix if _index(prefix).is_file() else None


def _newest(folder):
    state, only = folder / "checkpoint", list(folder.glob("*.index"))
    text = state.read_text("utf-8", "replace") if state.is_file() else ""
    # The path in it may be from before the checkpoint was moved.
    named = re.search(r'^model_checkpoint_path: "(.+)"', text, re.MULTILINE)
    prefix = folder / pathlib.Path(named[1]).name if named else None
    if prefix and _index(prefix).is_file():
        return prefix
    return only[0].with_suffix("") if len(only) == 1 else None


def _index(prefix):
    return prefix.with_name(prefix.name + ".index")

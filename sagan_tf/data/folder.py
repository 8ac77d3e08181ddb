"""Images in folders: `DIR/class_name/*.jpg`, or a flat folder without classes."""

import os

import numpy as np

from sagan_tf.data.decoding import PICTURE_SUFFIXES, read_picture
from sagan_tf.data.source import RandomAccessSource
from sagan_tf.errors import BadInput

# Folders of these names hold parts of a data set, not classes.
_SPLIT_NAMES = {"train", "training", "val", "valid", "validation", "test", "testing"}


def open_folder(folder):
    """Finds the images of a local folder and their classes.

    Each folder in it is a class, in the order of their names, with all images in and
    below it. A folder with images alone has no classes. Files of other types, and
    hidden files and folders (`.x`, `._x`, `__MACOSX`), are ignored.

    Raises:
      BadInput: if there are no images, or if the folder seems to be the wrong one.
    """
    if not os.path.isdir(folder):
        raise BadInput(
            f"There is no folder {folder}. Try an absolute path, of a local disk."
        )
    # Without this "DIR/" and "DIR" would have different parents.
    folder = os.path.normpath(folder)
    pictures, subfolders, ignored = _list(folder)
    classes, nested_only = {}, []
    for name in subfolders:
        classes[name], below, more_ignored = _walk(os.path.join(folder, name))
        ignored += more_ignored
        if below and len(below) == len(classes[name]):
            nested_only.append(name)
    if not pictures and not any(classes.values()):
        raise BadInput(
            f"{folder} holds no images ({', '.join(PICTURE_SUFFIXES)}). Received: "
            f"{len(subfolders)} folders and {ignored} other files."
        )
    if not any(classes.values()):
        source = _source(folder, {None: sorted(pictures)}, ignored)
        source.neighbours = _neighbours(folder)
        return source
    _check_classes(folder, pictures, classes, nested_only)
    return _source(folder, classes, ignored)


def _source(folder, files, ignored):
    """The source of a dictionary from class name, None for no classes, to paths."""
    names = [] if None in files else sorted(files)
    paths = [path for name in names or files for path in files[name]]
    counts = [len(files[name]) for name in names or files]
    description = f"{folder}: {len(paths):,} pictures, " + (
        f"{len(names)} classes of {min(counts):,} to {max(counts):,}"
        if names
        else "no classes"
    )
    if ignored:
        description += f" ({ignored:,} other files ignored)"
    return RandomAccessSource(
        description,
        paths,
        np.repeat(np.arange(len(counts)), counts),
        len(names),
        names,
        read=read_picture,
        name=paths.__getitem__,
    )


def _check_classes(folder, pictures, classes, nested_only):
    """Refuses a folder that probably does not consist of class folders."""
    if pictures:
        raise BadInput(
            f"{folder} must hold either images or class folders. Received: "
            f"{len(pictures)} images ({os.path.basename(min(pictures))}, ...) beside "
            f"{len(classes)} folders ({min(classes)}, ...). Try moving the images."
        )
    if len(classes) == 1:
        (name,) = classes
        below = os.path.join(folder, name)
        purpose = "whose folders are the classes" if nested_only else "without classes"
        raise BadInput(
            f"{folder} holds a single folder, '{name}': every label would be 0. Try "
            f"--dataset=folder:{below}, {purpose}."
        )
    if len(nested_only) == len(classes) and _SPLIT_NAMES.issuperset(
        name.lower() for name in classes
    ):
        tries = " or ".join(
            f"--dataset=folder:{os.path.join(folder, name)}" for name in sorted(classes)
        )
        raise BadInput(
            f"{folder} holds the parts of a data set ({', '.join(sorted(classes))}), "
            f"not its classes. Try {tries}."
        )
    empty = sorted(name for name, files in classes.items() if not files)
    if empty:
        raise BadInput(
            f"The class folder {os.path.join(folder, empty[0])} holds no images "
            f"({len(empty)} of {len(classes)} folders are like that). Try filling or "
            "removing it."
        )


def _list(folder):
    """Image paths, names of folders and number of ignored files, not below."""
    pictures, subfolders, ignored = [], [], 0
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith((".", "__MACOSX")):
                ignored += not entry.is_dir()
            elif entry.is_dir():
                subfolders.append(entry.name)
            elif entry.name.lower().endswith(PICTURE_SUFFIXES):
                pictures.append(entry.path)
            else:
                ignored += 1
    return pictures, sorted(subfolders), ignored


def _walk(folder, seen=frozenset()):
    """Image paths in and below, those below only, number of ignored files."""
    real = os.path.realpath(folder)
    if real in seen:  # A link to a parent folder.
        return [], [], 0
    pictures, subfolders, ignored = _list(folder)
    below = []
    for name in subfolders:
        deeper, _, more_ignored = _walk(os.path.join(folder, name), seen | {real})
        below.extend(deeper)
        ignored += more_ignored
    return sorted(pictures) + below, below, ignored


def _neighbours(folder):
    """Folders beside this one that hold images too."""
    parent = os.path.dirname(os.path.abspath(folder))
    try:
        names = _list(parent)[1]
        paths = (os.path.join(parent, name) for name in names)
        own = os.path.realpath(folder)
        return tuple(
            path for path in paths if os.path.realpath(path) != own and _list(path)[0]
        )
    except OSError:  # A folder beside it cannot be read, and need not be.
        return ()

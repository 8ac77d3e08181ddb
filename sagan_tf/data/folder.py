"""Images in folders: `DIR/class_name/*.jpg`, or a flat folder without classes."""

import logging
import os
import stat

import numpy as np

from sagan_tf.data.decoding import PICTURE_SUFFIXES, read_picture
from sagan_tf.data.source import RandomAccessSource, classes_in_words
from sagan_tf.errors import BadInput

# Folders of these names hold parts of a data set, not classes.
_SPLIT_NAMES = {"train", "training", "val", "valid", "validation", "test", "testing"}


def open_folder(folder, skip_bad_images=False):
    """Finds the images of a local folder and their classes.

    Each folder in it is a class, in the order of their names, with all images in and
    below it. A folder with images alone has no classes. Files of other types, hidden
    files and folders (`.x`, `._x`, `__MACOSX`), and special files (a pipe, a device)
    are ignored. Links are followed, but no folder counts twice in a class.

    Args:
      folder: path.
      skip_bad_images: warn of an image whose name is not UTF-8 instead of failing, and
        leave it out.

    Raises:
      BadInput: there are no images, or the folder seems to be the wrong one.
    """
    if not os.path.isdir(folder):
        raise BadInput(
            f"There is no folder {folder}. Try an absolute path on a local disk."
        )
    # Without this "DIR/" and "DIR" would have different parents.
    folder = os.path.normpath(folder)
    images, subfolders, ignored = _list(folder)
    classes, nested_only, class_of = {}, [], {}
    for name in subfolders:
        path = in_utf8(os.path.join(folder, name))
        paths, num_below, more_ignored, walked = _walk(path)
        classes[name] = paths
        ignored += more_ignored
        if num_below and num_below == len(paths):
            nested_only.append(name)
        _warn_of_two_classes(class_of, name, walked)
    if not images and not any(classes.values()):
        raise BadInput(
            f"{folder} holds no images ({', '.join(PICTURE_SUFFIXES)}). Received: "
            f"{len(subfolders)} folders and {ignored} other files."
        )
    if not any(classes.values()):
        files = {None: _named_in_utf8(sorted(images), skip_bad_images)}
        source = _source(folder, files, ignored)
        source.neighbours = _neighbours(folder)
        return source
    _check_classes(folder, images, classes, nested_only)
    for name, paths in classes.items():
        classes[name] = _named_in_utf8(paths, skip_bad_images)
    return _source(folder, classes, ignored)


def _source(folder, files, ignored):
    """Makes a source from the paths of each class name, or of None without classes."""
    names = [] if None in files else sorted(files)
    paths = [path for name in names or files for path in files[name]]
    counts = [len(files[name]) for name in names or files]
    description = f"{folder}: {len(paths):,} images, " + (
        f"{classes_in_words(len(names))} of {min(counts):,} to {max(counts):,}"
        if names
        else "no classes"
    )
    if ignored:
        description += f" ({ignored:,} other files ignored)"
    source = RandomAccessSource(
        description,
        paths,
        np.repeat(np.arange(len(counts)), counts),
        len(names),
        names,
        read=read_picture,
        name=paths.__getitem__,
    )
    source.files = paths
    return source


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
            f"({len(empty)} of {len(classes)} folders hold none). Try filling or "
            "removing it."
        )


def _list(folder, warn=True):
    """Lists image paths and folder names, and counts ignored files; none from below.

    It warns of images that are pipes, sockets or devices, and ignores them too.
    """
    images, subfolders, ignored = [], [], 0
    with os.scandir(folder) as entries:
        for entry in entries:
            kind = _kind(entry)
            if entry.name.startswith((".", "__MACOSX")):
                ignored += kind != "folder"
            elif kind == "folder":
                subfolders.append(entry.name)
            elif not entry.name.lower().endswith(PICTURE_SUFFIXES):
                ignored += 1
            elif kind == "other":
                if warn:
                    logging.warning(
                        "Ignored: %s is not a regular file.", _printable(entry.path)
                    )
                ignored += 1
            else:
                images.append(entry.path)
    return images, sorted(subfolders), ignored


def _kind(entry):
    """Returns the kind of an entry: "folder", "file" or "other". Opens nothing.

    A link that leads nowhere, or to itself, counts as a file, which cannot be read.
    """
    try:
        if entry.is_dir():
            return "folder"
        if entry.is_file():  # Most systems know this without looking at the file.
            return "file"
        mode = entry.stat().st_mode
    except OSError:
        return "file"
    return "file" if stat.S_ISREG(mode) else "other"


def _walk(top):
    """Lists the images of a class.

    Returns:
      Image paths in and below the folder, the number of images below, the number of
      ignored files, and the real paths of all folders. Links may lead to a folder in
      several ways, or in a circle: it is visited once. Folders above are not visited.
    """
    paths, num_below, ignored, walked = [], 0, 0, set()
    waiting, real_top = [top], os.path.realpath(top)
    while waiting:
        folder = waiting.pop()
        real = os.path.realpath(folder)
        if real in walked or real_top.startswith(os.path.join(real, "")):
            continue
        walked.add(real)
        images, subfolders, more_ignored = _list(folder)
        paths += sorted(images)
        num_below += len(images) if folder != top else 0
        ignored += more_ignored
        waiting += [os.path.join(folder, name) for name in reversed(subfolders)]
    return paths, num_below, ignored, walked


def _warn_of_two_classes(class_of, name, walked):
    """Warns of a folder that links put in two classes; notes the folders of a class."""
    shared = sorted(class_of.keys() & walked)
    if shared:
        logging.warning(
            "%s is in the classes %s and %s: a link leads there. Its images have both "
            "labels.",
            _printable(shared[0]),
            class_of[shared[0]],
            name,
        )
    class_of.update(dict.fromkeys(walked, name))


def _printable(path):
    """Writes the bytes of a path that are not UTF-8 as `\\xe9`: str."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def in_utf8(path):
    """Returns a path that is UTF-8. TensorFlow and JSON cannot handle other paths."""
    try:
        path.encode()
    except UnicodeEncodeError:
        raise BadInput(
            f"The name of {_printable(path)} is not UTF-8. Try renaming it, for "
            "example with convmv."
        ) from None
    return path


def _named_in_utf8(paths, skip_bad_images):
    """Checks that paths are UTF-8, or leaves out the others if they may be skipped."""
    good = []
    for path in paths:
        try:
            good.append(in_utf8(path))
        except BadInput as error:
            if not skip_bad_images:
                raise
            logging.warning("Skipped: %s", error)
    return good


def _neighbours(folder):
    """Folders beside this one that hold images too."""
    parent = os.path.dirname(os.path.abspath(folder))
    try:
        names = _list(parent, warn=False)[1]
        paths = (os.path.join(parent, name) for name in names)
        own = os.path.realpath(folder)
        return tuple(
            _printable(path)
            for path in paths
            if os.path.realpath(path) != own and _list(path, warn=False)[0]
        )
    except OSError:  # A folder beside it cannot be read, and need not be.
        return ()

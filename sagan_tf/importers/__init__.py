"""Checkpoints of other implementations, translated for our networks."""

import re

from sagan_tf.errors import BadInput
from sagan_tf.importers import (
    biggan_pytorch,
    mmgeneration,
    official_tf1,
    studiogan,
    tf1_files,
    tfgan_example,
    torch_files,
)

# The values of `--from`: a module that reads such files, and the layouts that they may
# have. The reader has
#   INPUT               str, what `--input` must be
#   files(path)         list of the files to read, empty if there are no files of this
#                       format; looks at names only
#   read(path)          dict of tensor name to array; BadInput if files are damaged
# A layout is a module with
#   DESCRIPTION         str, whose code writes such checkpoints
#   OPTIONS             tuple of str, flags of `import_weights` for this layout only
#   TELLING             str, regular expression of names that only its tensors have
#   translate(tensors, given)   `Translation`; given: dict of the flags on the command
#                       line (fields of `Config`, OPTIONS), for what shapes cannot tell
SOURCES = {
    "official-tf1": (tf1_files, (official_tf1, tfgan_example)),
    "biggan-pytorch": (torch_files, (biggan_pytorch,)),
    "mmgeneration": (torch_files, (mmgeneration,)),
    "studiogan": (torch_files, (studiogan,)),
}


def read(kind, path):
    """Reads a checkpoint and finds out which layout it has.

    Args:
        kind: key of `SOURCES`.
        path: path of a file or folder.

    Returns:
        The layout (module), and a dict of tensor name to array.

    Raises:
        BadInput: the checkpoint cannot be read, or is of another kind.
    """
    reader, layouts = SOURCES[kind]
    if not reader.files(path):
        raise BadInput(
            f"--input must be {reader.INPUT}. Received: {path}. {_hint(kind, path)}"
        )
    tensors = reader.read(path)
    for layout in layouts:
        if recognizes(layout, tensors):
            return layout, tensors
    wanted = " or ".join(layout.DESCRIPTION for layout in layouts)
    raise BadInput(
        f"--from={kind} reads checkpoints of {wanted}. Received: {path}, with tensors "
        f"{', '.join(list(tensors)[:3]) or '(none)'}, ... {_hint(kind, path)}"
    )


def recognizes(layout, names):
    """Returns True if at least one name is that of a layout's tensor."""
    return any(re.fullmatch(layout.TELLING, name) for name in names)


def _hint(kind, path):
    """Returns what to try if a path is no checkpoint of a kind."""
    for other, (reader, layouts) in SOURCES.items():
        try:
            tensors = reader.read(path) if other != kind and reader.files(path) else {}
        except BadInput:
            continue
        for layout in layouts:
            if recognizes(layout, tensors):
                return f"It looks like {layout.DESCRIPTION}. Try --from={other}."
    return "Try another --input."

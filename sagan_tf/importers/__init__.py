"""Checkpoints of other implementations, translated for our networks."""

from sagan_tf.errors import BadInput
from sagan_tf.importers import (
    biggan_pytorch,
    mmgeneration,
    official_tf1,
    studiogan,
    tfgan_example,
)

# What `--from` understands: the layouts of each kind of checkpoint. A layout is a
# module with
#   FORMAT              module that reads such files:
#       INPUT           str, what `--input` has to be
#       files(path)     list of the files that would be read, empty if there are none of
#                       this format; looks at names alone
#       read(path)      dict of tensor name to array; ValueError if they are damaged
#   DESCRIPTION         str, whose code writes such checkpoints
#   OPTIONS             tuple of str, flags of `import_weights` that are for it alone
#   recognizes(names)   whether there are names of this layout's tensors among these
#   translate(tensors, given)   `Translation`; given: dict of what the command line says
#                       (fields of `Config`, OPTIONS), for what shapes cannot tell
SOURCES = {
    "official-tf1": (official_tf1, tfgan_example),
    "biggan-pytorch": (biggan_pytorch,),
    "mmgeneration": (mmgeneration,),
    "studiogan": (studiogan,),
}


def read(kind, path):
    """Reads a checkpoint and finds out which layout it has.

    Args:
        kind: key of `SOURCES`.
        path: of a file or folder.

    Returns:
        The layout (module), and a dict of tensor name to array.

    Raises:
        BadInput: it cannot be read, or is of another kind, perhaps of one known here.
    """
    layouts = SOURCES[kind]
    if not layouts[0].FORMAT.files(path):
        raise BadInput(
            f"--input must be {layouts[0].FORMAT.INPUT}. Received: {path}. "
            f"{_hint(kind, path)}"
        )
    tensors = layouts[0].FORMAT.read(path)
    for layout in layouts:
        if layout.recognizes(tensors):
            return layout, tensors
    wanted = " or ".join(layout.DESCRIPTION for layout in layouts)
    raise BadInput(
        f"--from={kind} reads checkpoints of {wanted}. Received: {path}, with tensors "
        f"{', '.join(list(tensors)[:3]) or '(none)'}, ... {_hint(kind, path)}"
    )


def _hint(kind, path):
    """What to try, if a path is no checkpoint of a kind."""
    for other, layouts in SOURCES.items():
        tensors = {} if other == kind else _read_if_possible(layouts[0].FORMAT, path)
        for layout in layouts:
            if layout.recognizes(tensors):
                return f"It looks like {layout.DESCRIPTION}. Try --from={other}."
    return "Try another --input."


def _read_if_possible(reader, path):
    """The tensors at a path, or none if there are no good files of this format."""
    try:
        return reader.read(path) if reader.files(path) else {}
    except ValueError:
        return {}

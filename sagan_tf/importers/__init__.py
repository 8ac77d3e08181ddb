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
#       read(path)      dict of tensor name to array; BadInput if they are damaged
#   DESCRIPTION         str, whose code writes such checkpoints
#   OPTIONS             tuple of str, flags of `import_weights` for this layout alone
#   recognizes(names)   whether there are names of this layout's tensors among these
#   translate(tensors, given)   `Translation`; given: dict of the flags that were given
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
    reader = layouts[0].FORMAT
    if not reader.files(path):
        raise BadInput(
            f"--input must be {reader.INPUT}. Received: {path}. {_hint(kind, path)}"
        )
    tensors = reader.read(path)
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
        reader, tensors = layouts[0].FORMAT, {}
        try:
            if other != kind and reader.files(path):
                tensors = reader.read(path)
        except BadInput:
            continue
        for layout in layouts:
            if layout.recognizes(tensors):
                return f"It looks like {layout.DESCRIPTION}. Try --from={other}."
    return "Try another --input."

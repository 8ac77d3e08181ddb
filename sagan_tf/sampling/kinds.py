"""Checks which flags of the command `sample` go together."""

from sagan_tf.drawing.animation import is_animation
from sagan_tf.errors import BadInput
from sagan_tf.settings.arguments import check_companions

# What is drawn instead of a grid, and the flags that only some of it takes.
_KINDS = ("interpolate", "interpolate_labels", "neighbours", "progress")
_FOR = {
    "frame_seconds": ("interpolate", "interpolate_labels", "progress"),
    "max_frames": ("progress",),
    "neighbour_images": ("neighbours",),
    "skip_bad_images": ("neighbours",),
    "feature_network": ("neighbours",),
    "inception": ("neighbours",),
}
# What --progress, which draws no images, has no use for.
_OF_IMAGES = (
    "checkpoint",
    "ema",
    "standing_batches",
    "seeds",
    "labels",
    "truncation",
    "columns",
)


def check(flags, given=()):
    """Checks that flags go together, and with the suffix of the output.

    Args:
        flags: dict of name to value, with all flags of `sample`.
        given: names of those that have no default value.

    Raises:
        BadInput: they do not.
    """
    kinds = [name for name in _KINDS if flags[name]]
    if len(kinds) > 1 and kinds != ["interpolate", "interpolate_labels"]:
        raise BadInput(
            "Only one kind of output can be drawn at a time. Received: "
            f"{' '.join(f'--{name}' for name in kinds)}. Try --{kinds[0]} alone."
        )
    names = [*kinds, *(name for name in _FOR if flags[name] is not None)]
    check_companions({name: f"--{name}={flags[name]}" for name in names}, _FOR)
    unused = [f"--{name}" for name in _OF_IMAGES if name in given]
    if flags["progress"] and unused:
        raise BadInput(
            "--progress animates grids that are there. Received: --progress "
            f"{' '.join(unused)}. Try --progress without the rest."
        )
    output = f"Received: --output={flags['output']}."
    moves = is_animation(flags["output"])
    if moves and not set(kinds) - {"neighbours"}:
        raise BadInput(
            f"A still image must be a .png. {output} Try --output=grid.png, or "
            "--interpolate."
        )
    for name in ("progress", "frame_seconds"):
        if flags[name] and not moves:
            raise BadInput(
                f"--{name} needs an animation as output. {output} Try "
                "--output=animation.gif or animation.webp."
            )

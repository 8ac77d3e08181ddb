"""Checks which flags of the command `sample` go together."""

from sagan_tf.drawing.animation import is_animation
from sagan_tf.errors import BadInput
from sagan_tf.settings.arguments import check_companions

# What can be drawn instead of a grid, and the flags that only some kinds take.
_KINDS = ("interpolate", "interpolate_labels", "neighbours", "progress")
_FOR = {
    "frame_seconds": ("interpolate", "interpolate_labels", "progress"),
    "max_frames": ("progress",),
    "neighbour_images": ("neighbours",),
    "skip_bad_images": ("neighbours",),
    "feature_network": ("neighbours",),
    "inception": ("neighbours",),
}
# Flags without a use in --progress, which draws no images.
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
    """Checks that flags go together, and fit the suffix of the output.

    Args:
        flags: dict of name to value, with all flags of `sample`.
        given: names of the flags that do not have their default value.

    Raises:
        BadInput: they do not go together.
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
            "--progress animates the grids of a training. Received: --progress "
            f"{' '.join(unused)}. Try --progress without the others."
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

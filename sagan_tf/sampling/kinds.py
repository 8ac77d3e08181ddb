"""The kinds of pictures of the command `sample`, and which flags go with which."""

from sagan_tf.drawing.animation import is_animation
from sagan_tf.errors import BadInput

# What can be drawn in place of a grid, and the flags that are for some of it alone.
_KINDS = ("interpolate", "interpolate_labels", "neighbours", "progress")
_FOR = {
    "frame_seconds": ("interpolate", "interpolate_labels", "progress"),
    "max_frames": ("progress",),
    "neighbour_images": ("neighbours",),
    "feature_network": ("neighbours",),
    "inception": ("neighbours",),
}


def check(flags):
    """Checks that flags go together, and with the suffix of the output.

    Args:
        flags: dict of name to value, those of the command `sample` among them.

    Raises:
        BadInput: they do not: what was given, and what to try.
    """
    kinds = [name for name in _KINDS if flags[name]]
    if len(kinds) > 1 and kinds != ["interpolate", "interpolate_labels"]:
        raise BadInput(
            "One kind of picture at a time. Received: "
            f"{' '.join(f'--{name}' for name in kinds)}. Try --{kinds[0]} alone."
        )
    for name, fitting in _FOR.items():
        if flags[name] is not None and not set(kinds) & set(fitting):
            raise BadInput(
                f"--{name} goes with {' or '.join(f'--{kind}' for kind in fitting)}. "
                f"Received: --{name}={flags[name]} alone. Try both, or neither."
            )
    moves = is_animation(flags["output"])
    if moves and not set(kinds) - {"neighbours"}:
        raise BadInput(
            "What does not move is a .png. Received: "
            f"--output={flags['output']}. Try --output=grid.png, or --interpolate."
        )
    if flags["progress"] and not moves:
        raise BadInput(
            "--progress makes an animation. Received: "
            f"--output={flags['output']}. Try --output=progress.gif or progress.webp."
        )
    if flags["frame_seconds"] is not None and not moves:
        raise BadInput(
            "--frame_seconds goes with an animation. Received: "
            f"--output={flags['output']}. Try --output=walk.gif or walk.webp."
        )

"""The cells of an ablation: which there are, and what each trains with."""

import dataclasses
import pathlib

from sagan_tf.errors import BadInput

_ATTENTION = ("feat8", "feat16", "feat32", "feat64")
_STABILISATION = ("sn_d_only", "sn_both", "no_attention")
_CONDITIONAL = ("ac_gan", "sngan_projection")
_RESIDUAL = tuple(f"residual_{name}" for name in _ATTENTION)
# One setting of feat32 changed in each.
_SETTINGS = (
    *("paper_v1", "paper_icml", "clamped_sigma", "stop_gradient", "orthogonal"),
    *("normalized_tables", "cross_replica_batch_norm", "ema", "flip"),
    "adam_beta2_999",
)
MATRICES = {
    "paper": (*_STABILISATION, *_ATTENTION, *_RESIDUAL, *_CONDITIONAL),
    "stabilisation": _STABILISATION,
    "attention": ("no_attention", *_ATTENTION),
    "residual": ("no_attention", *_ATTENTION, *_RESIDUAL),
    "conditional": (*_CONDITIONAL, "no_attention", *_ATTENTION),
    "settings": ("feat32", *_SETTINGS),
}
# What the scale of an experiment decides, although cells may differ in it.
_SCALE = (
    *("dataset", "resolution", "num_classes", "batch_size", "total_steps"),
    *("sample_every_steps", "checkpoint_every_steps"),
)
# So many evaluations, checkpoints, sample grids and looks at its health in a run, and
# ten times as many lines of metrics, unless flags say otherwise.
_PARTS = 10
_RATES = ("generator_learning_rate", "discriminator_learning_rate")


@dataclasses.dataclass(frozen=True)
class Cell:
    """One system of the matrix, with one seed.

    Attributes:
        name: str, the stem of its `.flags` file.
        seed: int.
        flagfile: path of that file.
        overrides: tuple of str, the flags that come after it.
        workdir: `pathlib.Path` of its run.
        settings: dict, the fields of its `Config`.
    """

    name: str
    seed: int
    flagfile: str
    overrides: tuple[str, ...]
    workdir: pathlib.Path
    settings: dict

    @property
    def arguments(self):
        """The arguments of `sagan_tf.train`: list of str."""
        return [
            f"--flagfile={self.flagfile}",
            *self.overrides,
            f"--seed={self.seed}",
            f"--workdir={self.workdir}",
        ]


def names_of(matrix, cells=None):
    """The cells that a command line asks for, in the order of the matrix.

    Args:
        matrix: str, one of `MATRICES`, or several with commas.
        cells: str or `None`: names with commas. A share, as 1/4, is of all of them: see
            `share_of`.

    Returns:
        Tuple of str.

    Raises:
        BadInput: an unknown matrix or cell.
    """
    unknown = [name for name in matrix.split(",") if name not in MATRICES]
    if unknown:
        raise BadInput(
            f"matrix must be among {', '.join(MATRICES)}, several with commas. "
            f"Received: {unknown[0]}. Try --matrix=paper."
        )
    names = tuple(
        dict.fromkeys(name for part in matrix.split(",") for name in MATRICES[part])
    )
    if not cells or "/" in cells:
        return names
    wanted = cells.split(",")
    unknown = [name for name in wanted if name not in names]
    if unknown:
        raise BadInput(
            f"cells must be among those of --matrix={matrix}: {', '.join(names)}. "
            f"Received: {unknown[0]}. Try --cells={names[0]}, or a share, --cells=1/4."
        )
    return tuple(name for name in names if name in wanted)


def share_of(names, cells):
    """One of several equal shares, each of which another process may train.

    Args:
        names: sequence of str.
        cells: str or `None`: `2/3` for the second of three shares; anything else is all
            of them.

    Returns:
        Tuple of str.

    Raises:
        BadInput: an impossible share, or one that has nothing in it.
    """
    if not cells or "/" not in cells:
        return tuple(names)
    share, _, shares = cells.partition("/")
    if not (share.isdecimal() and shares.isdecimal()) or not (
        1 <= int(share) <= int(shares) <= len(names)
    ):
        raise BadInput(
            "cells must be names with commas or a share as 1/4, the first of four, of "
            f"at most {len(names)} cells. Received: {cells}. Try --cells=1/1."
        )
    return tuple(names[int(share) - 1 :: int(shares)])


def check_overrides(own, overrides):
    """Checks that no flag makes cells equal that are there to be compared.

    Args:
        own: dict of cell to dict of its fields.
        overrides: dict of the fields that are given for all cells.

    Raises:
        BadInput: the cells differ in one of them.
    """
    for name in overrides:
        values = {_as_text(name, fields[name]) for fields in own.values()}
        if len(values) > 1 and name not in _SCALE:
            raise BadInput(
                f"--{name} cannot be given for all cells: it is what they differ in "
                f"({'; '.join(sorted(values))}). Try --cells=, or without it."
            )


def settings_of(own, overrides, learning_rate_scale=1.0):
    """What a cell trains with.

    Every run is evaluated. If `total_steps` is given, whatever a run writes at
    intervals is written ten times.

    Args:
        own: dict of the fields of its file.
        overrides: dict of the fields that are given for all cells.
        learning_rate_scale: float, a factor of both learning rates.

    Returns:
        Dict of all fields.
    """
    settings = {**own, **overrides}
    if "dataset" in overrides and "num_classes" not in overrides:
        settings["num_classes"] = None  # As many as that data set has.
    unit = settings["steps_per_execution"]
    every = max(1, settings["total_steps"] // _PARTS // unit) * unit
    intervals = {"evaluate_every_steps": every}
    if "total_steps" in overrides:
        names = ("sample_every_steps", "checkpoint_every_steps", "watch_every_steps")
        intervals |= dict.fromkeys(names, every)
        intervals["log_every_steps"] = max(1, every // _PARTS // unit) * unit
    settings |= {k: v for k, v in intervals.items() if k not in overrides}
    for name in _RATES:
        # As they are written on a command line.
        settings[name] = float(f"{learning_rate_scale * settings[name]:.9g}")
    return settings


def obstacle(settings):
    """Why a cell cannot be trained at this scale: str, or `None` if it can.

    Args:
        settings: dict of its fields.
    """
    in_generator = settings["attention_resolution"]
    own = settings["discriminator_attention_resolution"]
    in_discriminator = in_generator if own is None else own
    resolution = settings["resolution"]
    # The discriminator begins with a block that halves the size.
    for network, sizes, largest in (
        ("generator", in_generator, resolution),
        ("discriminator", in_discriminator, resolution // 2),
    ):
        if max(sizes, default=0) > largest:
            size = max(sizes)
            return (
                f"at {resolution} pixels the {network} has no feature maps of "
                f"{size} x {size}"
            )
    if settings["num_classes"] == 0:
        if settings["discriminator_head"] == "auxiliary_classifier":
            return "its classifier needs classes"
        if settings["spectral_norm_conditional_batch_norm"]:
            return "its tables of gains and biases need classes"
    return None


def as_flags(settings, own):
    """The flags that lead from a file's fields to others: tuple of str, without seed.

    Args:
        settings: dict of all fields.
        own: dict of the fields of the file.
    """
    return tuple(
        _as_flag(name, value)
        for name, value in settings.items()
        if name != "seed" and value != own[name]
    )


def _as_flag(name, value):
    if isinstance(value, bool):
        return f"--{name}" if value else f"--no{name}"
    return f"--{name}={_as_text(name, value)}"


def _as_text(name, value):
    if isinstance(value, tuple):
        return ",".join(map(str, value)) or "none"
    if value is None:
        return "same" if name.startswith("discriminator_attention") else "none"
    return str(value)

"""The cells of an ablation: which ones there are, and what each one trains with."""

import dataclasses
import pathlib

from sagan_tf.errors import BadInput
from sagan_tf.settings.command import as_text

STABILIZATION = ("sn_d_only", "sn_both", "no_attention")
ATTENTION = ("feat8", "feat16", "feat32", "feat64")
RESIDUAL = ("residual_feat8", "residual_feat16", "residual_feat32", "residual_feat64")
CONDITIONAL = ("ac_gan", "sngan_projection")
MATRICES = {
    "paper": (*STABILIZATION, *ATTENTION, *RESIDUAL, *CONDITIONAL),
    "stabilisation": STABILIZATION,
    "attention": ("no_attention", *ATTENTION),
    "residual": ("no_attention", *ATTENTION, *RESIDUAL),
    "conditional": (*CONDITIONAL, "no_attention", *ATTENTION),
    # All but the first change one setting of it.
    "settings": (
        "feat32",
        "paper_v1",
        "paper_icml",
        "clamped_sigma",
        "stop_gradient",
        "orthogonal",
        "normalized_tables",
        "cross_replica_batch_norm",
        "ema",
        "flip",
        "adam_beta2_999",
    ),
}
# The scale of an experiment: a flag may set these although the cells differ in them.
_SCALE = (
    "dataset",
    "resolution",
    "num_classes",
    "batch_size",
    "total_steps",
    "sample_every_steps",
    "checkpoint_every_steps",
)
# A run has this many evaluations, checkpoints, sample grids and looks at its health,
# and ten times as many lines of metrics, unless flags set other intervals.
_PARTS = 10


@dataclasses.dataclass(frozen=True)
class Cell:
    """One system of the matrix, with one seed.

    Attributes:
        name: str, the stem of its `.flags` file.
        seed: int.
        workdir: `pathlib.Path` of its run.
        settings: dict, the fields of its `Config`, its seed among them.
        arguments: list of str, the command line of `sagan_tf.train`.
    """

    name: str
    seed: int
    workdir: pathlib.Path
    settings: dict
    arguments: list


def names_of(matrix, cells=None):
    """The names of the chosen cells, in the order of the matrix: tuple of str.

    Args:
        matrix: str, names of `MATRICES`, separated by commas.
        cells: str, names separated by commas; `None` or a share such as 1/4 (see
            `share_of`) chooses all of them.

    Raises:
        BadInput: an unknown matrix or cell.
    """
    unknown = [name for name in matrix.split(",") if name not in MATRICES]
    if unknown:
        raise BadInput(
            f"matrix must be among {', '.join(MATRICES)}, separated by commas. "
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
    """The share of a tuple of names that `cells` asks for: `2/3` is the second third.

    Raises:
        BadInput: the share is impossible, or empty.
    """
    if not cells or "/" not in cells:
        return names
    share, _, shares = cells.partition("/")
    if not (share.isdecimal() and shares.isdecimal()) or not (
        1 <= int(share) <= int(shares) <= len(names)
    ):
        raise BadInput(
            "cells must be names separated by commas, or a share such as 1/4, one of "
            f"up to {len(names)} shares. Received: {cells}. Try --cells=1/1."
        )
    return names[int(share) - 1 :: int(shares)]


def check_overrides(own, overrides):
    """Checks that the cells do not differ in what is set for all of them.

    Args:
        own: list of `Config`, those of the cells' files.
        overrides: dict of the fields that are set for all cells.

    Raises:
        BadInput: they do.
    """
    for name in overrides:
        values = {as_text(name, getattr(config, name)) for config in own}
        if len(values) > 1 and name not in _SCALE:
            raise BadInput(
                f"--{name} must not be set for all cells, because they differ in it: "
                f"{'; '.join(sorted(values))}. Received: {overrides[name]}. Try "
                f"without it, or choose --cells that agree."
            )


def config_of(own, overrides, learning_rate_scale=1.0):
    """What a cell trains with: `Config`.

    Every run is evaluated. If `total_steps` is overridden, all intervals become a tenth
    of it.

    Args:
        own: `Config` of its file.
        overrides: dict of the fields that are set for all cells.
        learning_rate_scale: float, multiplies both learning rates.
    """
    changes = dict(overrides)
    if "dataset" in overrides:
        changes.setdefault("num_classes", None)  # The number that the data set has.
    config = dataclasses.replace(own, **changes)
    unit = config.steps_per_execution
    every = max(1, config.total_steps // _PARTS // unit) * unit
    changes.setdefault("evaluate_every_steps", every)
    if "total_steps" in overrides:
        for name in ("sample", "checkpoint", "watch"):
            changes.setdefault(f"{name}_every_steps", every)
        changes.setdefault("log_every_steps", max(1, every // _PARTS // unit) * unit)
    for name in ("generator_learning_rate", "discriminator_learning_rate"):
        # Rounded, because it is written on a command line.
        changes[name] = float(f"{learning_rate_scale * getattr(config, name):.9g}")
    return dataclasses.replace(own, **changes)


def obstacle(config):
    """Why a cell with this `Config` cannot be trained: str, or `None` if it can."""
    # The discriminator's first block halves the size.
    for network, sizes, largest in (
        ("generator", config.generator_attention, config.resolution),
        ("discriminator", config.discriminator_attention, config.resolution // 2),
    ):
        size = max(sizes, default=0)
        if size > largest:
            where = f"at {config.resolution} pixels"
            return f"{where} the {network} has no {size} x {size} maps"
    if config.num_classes == 0:
        if config.discriminator_head == "auxiliary_classifier":
            return "its classifier needs classes"
        if config.spectral_norm_conditional_batch_norm:
            return "its tables of gains and biases need classes"
    return None


def as_flags(settings, own):
    """The flags, except the seed, that turn `own` into `settings`: list of str."""
    return [
        f"--{'' if value else 'no'}{name}"
        if isinstance(value, bool)
        else f"--{name}={as_text(name, value)}"
        for name, value in settings.items()
        if name != "seed" and value != own[name]
    ]

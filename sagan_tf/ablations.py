"""The cells of an ablation: which there are, what each trains with, how it is run."""

import dataclasses
import json
import pathlib
import subprocess
import sys
import time

from sagan_tf.files import write_text

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
OUTCOME = "outcome.json"
FINISHED, NOT_FINITE = 0, 4


@dataclasses.dataclass(frozen=True)
class Cell:
    """One system of the matrix, with one seed.

    Attributes:
        name: str, the stem of its `.flags` file.
        seed: int.
        flagfile: path of that file.
        overrides: tuple of str, the flags that come after it.
        workdir: `pathlib.Path` of its run.
    """

    name: str
    seed: int
    flagfile: str
    overrides: tuple[str, ...]
    workdir: pathlib.Path

    @property
    def arguments(self):
        """The arguments of `sagan_tf.train`: list of str."""
        return [
            f"--flagfile={self.flagfile}",
            *self.overrides,
            f"--seed={self.seed}",
            f"--workdir={self.workdir}",
        ]

    def outcome(self):
        """What came of it: dict, or `None` as long as it has not ended."""
        path = self.workdir / OUTCOME
        return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None


def names_of(matrix, cells=None):
    """The cells that a command line asks for, in the order of the matrix.

    Args:
        matrix: str, one of `MATRICES`, or several with commas.
        cells: str or `None`: names with commas, or `2/3` for the second of three equal
            shares, each of which another process may run.

    Returns:
        Tuple of str.

    Raises:
        ValueError: an unknown matrix or cell, or an impossible share.
    """
    unknown = [name for name in matrix.split(",") if name not in MATRICES]
    if unknown:
        raise ValueError(
            f"matrix must be among {', '.join(MATRICES)}, several with commas. "
            f"Received: {unknown[0]}. Try --matrix=paper."
        )
    names = tuple(
        dict.fromkeys(name for part in matrix.split(",") for name in MATRICES[part])
    )
    if not cells:
        return names
    share, slash, shares = cells.partition("/")
    if slash:
        if not (share.isdecimal() and shares.isdecimal()) or not (
            1 <= int(share) <= int(shares)
        ):
            raise ValueError(
                "cells must be names with commas or a share as 1/4, the first of "
                f"four. Received: {cells}."
            )
        return names[int(share) - 1 :: int(shares)]
    wanted = cells.split(",")
    unknown = [name for name in wanted if name not in names]
    if unknown:
        raise ValueError(
            f"cells must be among those of --matrix={matrix}: {', '.join(names)}. "
            f"Received: {unknown[0]}."
        )
    return tuple(name for name in names if name in wanted)


def check_overrides(overrides, configs):
    """Checks that no flag makes cells equal that are there to be compared.

    Args:
        overrides: names of the flags that are given for all cells.
        configs: dict of cell to dict of its fields.

    Raises:
        ValueError: the cells differ in one of them.
    """
    for name in overrides:
        values = {str(fields[name]) for fields in configs.values()}
        if len(values) > 1 and name not in _SCALE:
            raise ValueError(
                f"--{name} cannot be given for all cells: it is what they differ in "
                f"({', '.join(sorted(values))}). Try --cells=, or without it."
            )


def fits(fields):
    """Whether the feature maps that a cell attends to exist at its resolution.

    Args:
        fields: dict of the cell's settings, with the resolution in force.
    """
    own = fields["discriminator_attention_resolution"]
    sizes = fields["attention_resolution"]
    in_discriminator = sizes if own is None else own
    resolution = fields["resolution"]
    return max(sizes, default=0) <= resolution and (
        max(in_discriminator, default=0) <= resolution // 2
    )


def as_flag(name, value):
    """One setting as it stands on a command line: str."""
    if isinstance(value, bool):
        return f"--{name}" if value else f"--no{name}"
    if isinstance(value, tuple):
        value = ",".join(map(str, value)) or "none"
    elif value is None:
        value = "same" if name.startswith("discriminator_attention") else "none"
    elif isinstance(value, float):
        value = f"{value:g}"
    return f"--{name}={value}"


def run(cell):
    """Trains one cell, unless that has been done.

    In a process of its own, so that it sees nothing of other cells, and can be resumed.
    Losses that became NaN or infinite are an outcome, not a failure.

    Args:
        cell: `Cell`.

    Returns:
        0, or the exit status of a training that neither ended nor diverged.
    """
    if cell.outcome() is not None:
        return FINISHED
    command = ["-m", "sagan_tf.train", *cell.arguments]
    started = time.monotonic()
    status = subprocess.run([sys.executable, *command], check=False).returncode
    if status not in (FINISHED, NOT_FINITE):
        return 128 - status if status < 0 else status
    outcome = {
        "status": status,
        "seconds": round(time.monotonic() - started, 1),
        "command": ["python", *command],
    }
    write_text(cell.workdir / OUTCOME, json.dumps(outcome, indent=2) + "\n")
    return FINISHED

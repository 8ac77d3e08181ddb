"""The cells of an ablation, and the settings that each of them trains with."""

import dataclasses
import pathlib
import re

from sagan_tf.ablations import processes, runs
from sagan_tf.errors import BadInput
from sagan_tf.settings.checks import as_text
from sagan_tf.settings.command import config_from_flags, define_flags, parse

# In the repository: the package does not contain the files of the cells.
CONFIGS = pathlib.Path(__file__).resolve().parents[2] / "configs" / "ablations"

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
    # All cells but the first change one setting of the first.
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
# The scale of an experiment: flags may set these even if the cells differ in them.
_SCALE = (
    "dataset",
    "resolution",
    "num_classes",
    "batch_size",
    "total_steps",
    "sample_every_steps",
    "checkpoint_every_steps",
)
# A run makes this many evaluations, checkpoints, sample grids and health checks, and
# ten times as many lines of metrics, unless flags set other intervals.
_PARTS = 10


@dataclasses.dataclass(frozen=True)
class Cell:
    """One system of the matrix, with one seed.

    Attributes:
        name: str, the stem of its `.flags` file.
        seed: int.
        workdir: `pathlib.Path` of its run.
        config: `Config`, the settings that it trains with.
        arguments: list of str, the command line of `sagan_tf.train`.
    """

    name: str
    seed: int
    workdir: pathlib.Path
    config: object
    arguments: list

    def run(self):
        """Returns the `runs.Run` with what the training has written so far."""
        return runs.Run(self.name, self.seed, self.workdir)


def plan(workdir, matrices, chosen, seeds, configs, overrides, scale=1.0):
    """Plans what an ablation trains.

    Args:
        workdir: `pathlib.Path` of the ablation.
        matrices, chosen: str, the flags `--matrix` and `--cells`; `None` for all cells.
        seeds: sequence of ints.
        configs: folder of the cells' `.flags` files.
        overrides: dict of the fields of `Config` that are set for all cells.
        scale: float that multiplies the learning rates.

    Returns:
        List of `Cell` that this process trains, list of (name, seed) of all processes,
        and dict that maps the name of each cell that is left out to the reason.

    Raises:
        BadInput: no cell can be trained, a setting is wrong, a file is missing, or a
            folder has a run with different settings.
    """
    names = names_of(matrices, chosen)
    files = {name: relative(pathlib.Path(configs, f"{name}.flags")) for name in names}
    own = {name: _read(file) for name, file in files.items()}
    _check_overrides(own.values(), overrides)
    wanted = {n: _config_of(own[n], overrides, scale) for n in names}
    reasons = {name: _obstacle(config) for name, config in wanted.items()}
    left_out = {name: reason for name, reason in reasons.items() if reason}
    possible = tuple(name for name in names if name not in left_out)
    if not possible:
        raise BadInput(
            "None of the cells can be trained. Received: "
            f"--matrix={matrices}, but {names[0]}: {left_out[names[0]]}. Try another "
            "--resolution or --matrix, or, if its cells have the same attention, "
            "--attention_resolution=16."
        )
    cells = []
    for seed in seeds:
        for name in _share_of(possible, chosen):
            config = dataclasses.replace(wanted[name], seed=seed).validate()
            folder = runs.folder(workdir, name, seed)
            flags = as_flags(vars(config), vars(own[name]))
            arguments = [f"--flagfile={files[name]}", *flags, f"--seed={seed}"]
            arguments.append(f"--workdir={folder}")
            cell = Cell(name, seed, folder, config, arguments)
            processes.check_unchanged(cell)
            cells.append(cell)
    return cells, [(name, seed) for seed in seeds for name in possible], left_out


def relative(path):
    """Returns a path as a person in the current folder would type it: str."""
    here = pathlib.Path.cwd()
    path = pathlib.Path(path)
    return str(path.relative_to(here) if path.is_relative_to(here) else path)


def _read(file):
    if not pathlib.Path(file).is_file():
        raise BadInput(
            "configs must be a folder with a file for each cell. Received: "
            f"{file} is missing. Try --configs=FOLDER, the repository's "
            "configs/ablations."
        )
    return config_from_flags(parse(["ablate", f"--flagfile={file}"], define_flags))


def names_of(matrix, cells=None):
    """Returns the names of the chosen cells, in the order of the matrix: tuple of str.

    Args:
        matrix: str, names of `MATRICES`, separated by commas.
        cells: str, names separated by commas; `None` or a share such as 1/4 chooses
            all cells.

    Raises:
        BadInput: a matrix or cell is unknown.
    """
    names = {}
    for part in matrix.split(","):
        if part not in MATRICES:
            raise BadInput(
                f"matrix must be among {', '.join(MATRICES)}, separated by commas. "
                f"Received: {part}. Try --matrix=paper."
            )
        names |= dict.fromkeys(MATRICES[part])
    wanted = names if not cells or "/" in cells else cells.split(",")
    for name in wanted:
        if name not in names:
            raise BadInput(
                f"cells must be among those of --matrix={matrix}: {', '.join(names)}. "
                f"Received: {name}. Try --cells={[*names][0]}, or a share, --cells=1/4."
            )
    return tuple(name for name in names if name in wanted)


def _share_of(names, cells):
    """Returns the share of `names` that `cells` selects: `2/3` is the second third."""
    if not cells or "/" not in cells:
        return names
    match = re.fullmatch(r"(\d{1,9})/(\d{1,9})", cells)
    share, shares = map(int, match.groups()) if match else (0, 0)
    if not 1 <= share <= shares <= len(names):
        raise BadInput(
            "cells must be names separated by commas, or a share such as 1/4, of at "
            f"most {len(names)} shares. Received: {cells}. Try --cells=1/1."
        )
    return names[share - 1 :: shares]


def _check_overrides(own, overrides):
    """Refuses a setting for all cells if their own configs differ in it."""
    for name in overrides:
        values = {as_text(name, getattr(config, name)) for config in own}
        if len(values) > 1 and name not in _SCALE:
            raise BadInput(
                f"--{name} must not be set for all cells, because they differ in it: "
                f"{'; '.join(sorted(values))}. Received: {overrides[name]}. Try "
                f"without it, or choose --cells that agree."
            )


def _config_of(own, overrides, learning_rate_scale):
    """Returns the `Config` that a cell trains with: its own, changed by `overrides`.

    Every run is evaluated. If `total_steps` is overridden, all intervals become a tenth
    of it.
    """
    changes = dict(overrides)
    if "dataset" in overrides:
        changes.setdefault("num_classes", None)  # The data set's own number.
    config = dataclasses.replace(own, **changes)
    unit = config.steps_per_execution
    every = max(1, config.total_steps // _PARTS // unit) * unit
    changes.setdefault("evaluate_every_steps", every)
    # Cells are compared, so none may have its own classifier.
    changes.setdefault("feature_network", own.feature_network or "inception")
    if "total_steps" in overrides:
        for name in ("sample", "checkpoint", "watch"):
            changes.setdefault(f"{name}_every_steps", every)
        changes.setdefault("log_every_steps", max(1, every // _PARTS // unit) * unit)
    for name in ("generator_learning_rate", "discriminator_learning_rate"):
        # Rounded, because it is written on a command line.
        changes[name] = float(f"{learning_rate_scale * getattr(config, name):.9g}")
    return dataclasses.replace(own, **changes)


def _obstacle(config):
    """Returns why a cell with this `Config` cannot be trained, `None` if it can."""
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
    """Returns the flags, except the seed, that turn `own` into `settings`."""
    return [
        f"--{'' if value else 'no'}{name}"
        if isinstance(value, bool)
        else f"--{name}={as_text(name, value)}"
        for name, value in settings.items()
        if name != "seed" and value != own[name]
    ]

"""The .pth files that make up one checkpoint, as one dict of arrays."""

import pathlib
import re

import numpy as np

from sagan_tf.importers.state_dicts import is_pth, read_pth, state_dict

INPUT = (
    "a .pth file of PyTorch, or a folder with one set of them (G.pth, G_ema.pth and "
    "D.pth, or StudioGAN's model=G-... and so on, are read together)"
)

# BigGAN-PyTorch: G.pth, G_ema_best0.pth.
# StudioGAN: model=G_ema-best-weights-step=7.pth.
_FILE = re.compile(r"((?:model=)?)(G_ema|G|D)((?:[_-].*)?)\.pth")
_STEP = re.compile(r"-step=(\d+)")
_ROLES = ("G", "G_ema", "D")
# Optimizers are saved under such names too.
_OPTIMIZER = re.compile(r"_optim(_.*)?")
# Checkpoints with all networks in one.
_WHOLE = re.compile(r"(generator|generator_ema|discriminator)\..+")


def files(path):
    """The files that are read for an input.

    Args:
        path: of a file or folder.

    Returns:
        List of paths; empty if there is no .pth file, or no single set of them.
    """
    return list(_by_role(pathlib.Path(path)).values())


def read(path):
    """Reads the tensors of a checkpoint's files.

    Args:
        path: see `files`.

    Returns:
        Dict of str to array. Names of a network that has its own file begin with its
        role: "G/", "G_ema/" or "D/". A checkpoint of mmgeneration keeps its names; its
        config's text is "meta.config". "meta.iter" is the number of iterations, if the
        checkpoint or StudioGAN's file name tells it.

    Raises:
        BadInput: see `read_pth`.
    """
    tensors = {}
    for role, file in _by_role(pathlib.Path(path)).items():
        content = read_pth(file)
        found = state_dict(content)
        if any(_WHOLE.fullmatch(name) for name in found):
            tensors |= found | _meta(content)
        else:
            tensors |= {f"{role}/{name}": array for name, array in found.items()}
            if step := _STEP.search(file.name):
                tensors["meta.iter"] = np.array(int(step[1]))
    return tensors


def _by_role(path):
    """Dict of role to file."""
    if path.is_dir():
        folder, kind = path, _only_kind(path)
    elif named := _FILE.fullmatch(path.name):
        folder, kind = path.parent, (named[1], named[3])
        if not is_pth(path):
            return {}
    else:
        return {"G": path} if is_pth(path) else {}
    if kind is None:
        return {}
    prefix, suffix = kind
    paths = {role: folder / f"{prefix}{role}{suffix}.pth" for role in _ROLES}
    return {role: path for role, path in paths.items() if is_pth(path)}


def _only_kind(folder):
    """Prefix and suffix of the only set, or of BigGAN-PyTorch's newest: none."""
    named = [_FILE.fullmatch(path.name) for path in folder.iterdir()]
    kinds = {
        (match[1], match[3])
        for match in named
        if match and match[2] != "D" and not _OPTIMIZER.fullmatch(match[3])
    }
    if ("", "") in kinds:
        return "", ""
    return kinds.pop() if len(kinds) == 1 else None


def _meta(content):
    """The part of mmgeneration's notes about a checkpoint that is needed."""
    meta = content.get("meta") if isinstance(content, dict) else None
    if not isinstance(meta, dict):
        return {}
    wanted = {"config": str, "iter": int}
    return {
        f"meta.{key}": np.array(meta[key])
        for key, kind in wanted.items()
        if isinstance(meta.get(key), kind)
    }

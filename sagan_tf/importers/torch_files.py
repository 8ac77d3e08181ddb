"""Reads the .pth files of one PyTorch checkpoint as one dict of arrays.

Reads only tensors and numbers, and runs no code from the files.
"""

import pathlib
import pickle
import re

import numpy as np

from sagan_tf.errors import BadInput

INPUT = (
    "a .pth file of PyTorch, or a folder with one set of them (G.pth, G_ema.pth and "
    "D.pth, or StudioGAN's model=G-... and so on, are read together)"
)

# BigGAN-PyTorch: G.pth, G_ema_best0.pth.
# StudioGAN: model=G_ema-best-weights-step=7.pth.
_FILE = re.compile(r"((?:model=)?)(G_ema|G|D)((?:[_-].*)?)\.pth")
_STEP = re.compile(r"-step=(\d+)")
_ROLES = ("G", "G_ema", "D")
# Files of optimizers have such names too.
_OPTIMIZER = re.compile(r"_optim(_.*)?")
# Names in a file with all networks.
_WHOLE = re.compile(r"(generator|generator_ema|discriminator)\..+")
# In older versions `weights_only=True` can be bypassed (CVE-2025-32434).
_SAFE_TORCH = (2, 6)


def files(path):
    """Returns the files to read for an input.

    Args:
        path: path of a file or folder.

    Returns:
        List of paths; empty if there is no .pth file, or not exactly one set.
    """
    return list(_by_role(pathlib.Path(path)).values())


def read(path):
    """Reads the tensors of a checkpoint's files.

    Args:
        path: see `files`.

    Returns:
        Dict of str to array. If a network has its own file, its names begin with its
        role: "G/", "G_ema/" or "D/". A checkpoint of mmgeneration keeps its names, and
        "meta.config" is the text of its config. "meta.iter" is the number of
        iterations, if the checkpoint or StudioGAN's file name tells it.

    Raises:
        BadInput: see `read_pth`.
    """
    tensors = {}
    for role, file in _by_role(pathlib.Path(path)).items():
        content = read_pth(file)
        arrays = state_dict(content)
        if any(_WHOLE.fullmatch(name) for name in arrays):
            tensors |= arrays | _meta(content)
        else:
            tensors |= {f"{role}/{name}": array for name, array in arrays.items()}
            if step := _STEP.search(file.name):
                tensors["meta.iter"] = np.array(int(step[1]))
    return tensors


def read_pth(path):
    """Reads a file of `torch.save`, with arrays in place of the tensors.

    It unpickles only dicts, lists, numbers, text and tensors
    (`torch.load(weights_only=True)`), and NumPy's numbers, which mmgeneration's
    checkpoints contain.

    Args:
        path: path of a file.

    Returns:
        The saved dicts, lists, tuples, numbers, text; float32 or integer arrays.

    Raises:
        BadInput: the file is damaged, of another kind, or contains other objects; or
            PyTorch is missing or too old.
    """
    torch = _torch()
    try:
        with torch.serialization.safe_globals(_numpy_numbers()):
            content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        refused = re.search(r"GLOBAL (\S+)", str(error))
        raise BadInput(
            f"{path} must contain only tensors, numbers and text. Received: "
            f"{refused[1] if refused else _first_sentence(error)}. That is code or an "
            "object of another class, or the file is damaged; nothing of it was run. "
            "Try the file of a state dict."
        ) from error
    except (RuntimeError, EOFError, OSError, ValueError, KeyError) as error:
        raise BadInput(
            f"{path} is damaged or was not written by torch.save. Received: "
            f"{type(error).__name__}: {_first_sentence(error)}. Try copying or "
            "downloading it again."
        ) from error
    return _with_arrays(content, torch)


def state_dict(content):
    """Returns the tensors of a network.

    Args:
        content: from `read_pth`: a state dict or a dict with one under "state_dict".

    Returns:
        Dict of str to array, without DataParallel's `module.` before all names.
    """
    if isinstance(content, dict) and isinstance(content.get("state_dict"), dict):
        content = content["state_dict"]
    if not isinstance(content, dict):
        return {}
    tensors = {
        name: value
        for name, value in content.items()
        if isinstance(name, str) and isinstance(value, np.ndarray)
    }
    if all(name.startswith("module.") for name in tensors):
        tensors = {name.removeprefix("module."): v for name, v in tensors.items()}
    return tensors


def is_pth(path):
    """Returns True if a file looks like one of `torch.save`, of any version."""
    path = pathlib.Path(path)
    if not path.is_file():
        return False
    with path.open("rb") as file:
        start = file.read(4)
    # A ZIP archive, or a pickle of protocol 2 before PyTorch 1.6.
    return start == b"PK\x03\x04" or start[:2] == b"\x80\x02"


def _by_role(path):
    """Returns a dict of role to file."""
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
    """Returns the only set's prefix and suffix; empty for BigGAN-PyTorch's newest."""
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
    """Returns the necessary part of mmgeneration's `meta` of a checkpoint."""
    meta = content.get("meta") if isinstance(content, dict) else None
    if not isinstance(meta, dict):
        return {}
    wanted = {"config": str, "iter": int}
    return {
        f"meta.{key}": np.array(meta[key])
        for key, kind in wanted.items()
        if isinstance(meta.get(key), kind)
    }


def _torch():
    """Returns the module `torch`, if its version reads files safely."""
    try:
        import torch
    except ImportError as error:
        raise BadInput(
            "Reading .pth files needs PyTorch, which is not installed. "
            "Try pip install 'sagan-tf[torch]'."
        ) from error
    version = tuple(int(part) for part in re.findall(r"\d+", torch.__version__)[:2])
    if version < _SAFE_TORCH:
        raise BadInput(
            "Reading .pth files without running their code needs PyTorch 2.6 or newer. "
            f"Received: {torch.__version__}. Try pip install 'sagan-tf[torch]'."
        )
    return torch


def _numpy_numbers():
    """Returns what else `torch.load` may unpickle: NumPy's scalars."""
    scalar = np.float64(0).__reduce__()[0]
    kinds = (np.float32, np.float64, np.int32, np.int64, np.bool_)
    return [
        (scalar, "numpy.core.multiarray.scalar"),  # Up to NumPy 1.
        (scalar, "numpy._core.multiarray.scalar"),  # From NumPy 2 on.
        np.dtype,
        *(type(np.dtype(kind)) for kind in kinds),
    ]


def _first_sentence(error):
    return re.split(r"\.\s|\n", str(error))[0].rstrip(".")


def _with_arrays(content, torch):
    if isinstance(content, torch.Tensor):
        if content.is_floating_point():
            content = content.float()
        return content.detach().numpy()
    if isinstance(content, dict):
        return {key: _with_arrays(value, torch) for key, value in content.items()}
    if isinstance(content, (list, tuple)):
        return type(content)(_with_arrays(value, torch) for value in content)
    return content
